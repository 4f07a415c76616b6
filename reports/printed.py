"""The printed values and the tables of the paper."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from harness.disk.schema import read_yaml
from harness.scenes.splits import choose_split

PAPER = Path(__file__).parent / "paper"
TITLES = {
    "ydtr": "YDTR",
    "tardal": "TarDAL",
    "umfusion": "UMFusion",
    "itfuse": "ITFuse",
    "limfusion": "LiMFusion",
    "segfanet": "SegFANet",
}
LITERAL = "segfanet_literal"
"""The network of Eqs. 1-18 and nothing else; ours, `segfanet`, adds remedies to it."""
PRINTED_AS = {LITERAL: "segfanet", "tardal_running": "tardal"}
"""Other readings of a method → the name under which its printed values stand."""
Printed = dict[tuple[str, str], str]
"""(method, metric) → value as printed."""


def printed_values() -> pd.DataFrame:
    """Read the paper's values: columns table, method, metric and printed (text)."""
    return pd.read_csv(PAPER / "printed.csv", dtype={"printed": str})


@cache
def printed_table(number: int) -> Printed:
    """Return (method, metric) → value as printed, for one table."""
    values = printed_values()
    rows = values[values["table"] == number]
    return {(row.method, row.metric): row.printed for row in rows.itertuples()}


def table_definitions() -> list[dict[str, Any]]:
    """Read the tables in the paper's order: number, stands_for, caption, rows of 3-5, claims."""
    return list(read_yaml(PAPER / "tables.yaml"))


def distinct_comparisons() -> set[tuple[str, str, str]]:
    """List what the paper prints a value for: data set, method and metric, each once."""
    return {
        (definition["stands_for"], *key)
        for definition in table_definitions()
        for key in printed_table(definition["number"])
    }


@cache
def paper() -> dict[str, Any]:
    """Read what the paper states beside its tables."""
    return dict(read_yaml(PAPER / "paper.yaml"))


def paper_title(stands_for: str) -> str:
    """Return the title of a data set of the paper; "" for none."""
    return paper()["datasets"][stands_for]["title"] if stands_for else ""


def is_printed_sample(stands_for: str, scenes: Sequence[str]) -> bool:
    """Say whether test tiles, given by their scenes, are those behind the printed values."""
    stated = paper()["datasets"].get(stands_for, {})
    if len(scenes) != stated.get("test") or "split" not in stated:
        return False
    split = choose_split(stated["split"], None, None)
    return set(scenes) == {scene for scene, part in split if part == "test"}


def printed_ranks(printed: Printed, metric: str, larger_is_better: bool) -> dict[str, int]:
    """Return the paper's own best (1) and second best (2) methods; ties share a place."""
    values = {method: float(value) for (method, name), value in printed.items() if name == metric}
    best = sorted(set(values.values()), reverse=larger_is_better)[:2]
    return {m: best.index(value) + 1 for m, value in values.items() if value in best}
