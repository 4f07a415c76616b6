"""Metrics of infrared and visible image fusion: defined, verified, fast, usable alone.

`score` measures one batch of fused images, `score_methods` several methods on the same pairs,
`score_channels` images in colour channel by channel, and `METRICS` says what each number means. All
arrays are (B, H, W) on the 0-255 scale, all values (B,) float64. Misuse raises `MetricError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .colour import score_channels
    from .errors import MetricError
    from .metric import Metric
    from .registry import METRICS
    from .scoring import score, score_methods

__all__ = ["METRICS", "Metric", "MetricError", "score", "score_channels", "score_methods"]

_HOMES = {
    "METRICS": "registry",
    "Metric": "metric",
    "MetricError": "errors",
    "score": "scoring",
    "score_channels": "colour",
    "score_methods": "scoring",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that who reads images alone does not load every metric."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
