"""Metrics of infrared and visible image fusion: defined, verified, fast, usable alone.

`score` measures one batch of fused images, `score_methods` several methods on the same pairs,
`METRICS` says what each number means. All arrays are (B, H, W) on the 0-255 scale, all values (B,)
float64. Misuse raises `MetricError`.
"""

from .errors import MetricError
from .metric import Metric
from .registry import METRICS
from .scoring import score, score_methods

__all__ = ["METRICS", "Metric", "MetricError", "score", "score_methods"]
