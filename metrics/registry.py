"""All metrics, found by looking into this folder: one file per metric.

Every module here that is not in `TOOLS` is a metric. It declares `METRIC` and may declare
`VARIANTS`, a tuple of other definitions that audits compare it with. Importing this module is
cheap: it loads neither scipy nor a compiler.
"""

import difflib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from .errors import MetricError
from .metric import Metric

# The four metrics of the paper's tables, in their order.
PAPER = ("sf", "ag", "scd", "vif")

# Modules of this folder that are not metrics.
TOOLS = {
    *("__init__", "__main__", "cli", "colour", "errors", "files", "images", "intervals"),
    *("metric", "registry", "resize", "scoring", "texts", "tiff_header"),
}


def modules() -> list[str]:
    """List the dotted names of the modules that define metrics, sorted."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [f"{__package__}.{file.stem}" for file in files if file.stem not in TOOLS]


def discover() -> tuple[dict[str, Metric], dict[str, Metric]]:
    """Import all metric modules; return metrics and variants by name, in the order of the tables.

    Raises:
        MetricError: a module declares no metric, or two modules declare one name.
    """
    metrics: dict[str, Metric] = {}
    variants: dict[str, Metric] = {}
    homes: dict[str, str] = {}
    for name in modules():
        module = import_module(name)
        main, others = getattr(module, "METRIC", None), getattr(module, "VARIANTS", ())
        if not isinstance(main, Metric):
            raise MetricError(
                f"{module.__file__}: found no METRIC, expected METRIC = Metric(...) in every "
                "module of this folder; declare it, or move shared arithmetic to metrics/shared"
            )
        for metric in (main, *others):
            if metric.name in homes:
                raise MetricError(
                    f"{module.__file__}: the metric {metric.name!r} is already declared by "
                    f"{homes[metric.name]}; give it another name"
                )
            homes[metric.name] = str(module.__file__)
            (metrics if metric is main else variants)[metric.name] = metric
    first, second = (
        dict(sorted(found.items(), key=lambda item: (item[1].place, item[0])))
        for found in (metrics, variants)
    )
    return first, second


# Both are looked up whenever something is measured: to try another definition, assign
# `METRICS[name] = dataclasses.replace(METRICS[name], define=...)`.
METRICS, VARIANTS = discover()


def find(name: str) -> Metric:
    """Look up a metric of `METRICS` or `VARIANTS`; an error names the closest ones."""
    known = {**METRICS, **VARIANTS}
    if name not in known:
        raise MetricError(f"unknown metric {name!r}; {suggest(name, known)}")
    return known[name]


def suggest(name: str, known: Iterable[str]) -> str:
    """Word a hint for a misspelt name: the closest known ones, or else all of them."""
    names = list(known)
    # Papers and our own tables write VIF.
    close = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
