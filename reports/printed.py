"""What the paper prints: values, and which tables there are."""

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from harness.disk.schema import read_yaml

PAPER = Path(__file__).parent / "paper"
TITLES = {
    "ydtr": "YDTR",
    "tardal": "TarDAL",
    "umfusion": "UMFusion",
    "itfuse": "ITFuse",
    "limfusion": "LiMFusion",
    "segfanet": "SegFANet",
}
DATASETS = {"whu": "WHU-OPT-SAR", "potsdam": "ISPRS Potsdam"}


def printed_values() -> pd.DataFrame:
    """The paper's values as printed: table, method, metric, printed (text)."""
    return pd.read_csv(PAPER / "printed.csv", dtype={"printed": str})


@cache
def printed_table(number: int) -> dict[tuple[str, str], str]:
    """(method, metric) → value as printed, of one table."""
    values = printed_values()
    rows = values[values["table"] == number]
    return {(row.method, row.metric): row.printed for row in rows.itertuples()}


def table_definitions() -> list[dict[str, Any]]:
    """The tables in the paper's order: number, stands_for, caption, and rows and claims of 3-5."""
    return list(read_yaml(PAPER / "tables.yaml"))
