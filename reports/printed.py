"""The printed values and the tables of the paper."""

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
    """Read the paper's values: columns table, method, metric and printed (text)."""
    return pd.read_csv(PAPER / "printed.csv", dtype={"printed": str})


@cache
def printed_table(number: int) -> dict[tuple[str, str], str]:
    """Return (method, metric) → value as printed, for one table."""
    values = printed_values()
    rows = values[values["table"] == number]
    return {(row.method, row.metric): row.printed for row in rows.itertuples()}


def table_definitions() -> list[dict[str, Any]]:
    """Read the tables in the paper's order: number, stands_for, caption; rows and claims of 3-5."""
    return list(read_yaml(PAPER / "tables.yaml"))
