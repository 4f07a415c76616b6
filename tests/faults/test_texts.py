"""Texts from outside, whatever characters they hold, pass every output and steer none."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.disk.files import write_text
from harness.disk.schema import ROOT
from harness.tiles.store import TileRow, write_manifest
from metrics.files import write_csv
from metrics.texts import LONGEST, MARK, csv_cell, from_csv_cell, has_control_characters, printable
from reports.formats import to_csv, to_latex, to_markdown
from reports.run import read_report
from reports.stages.report import write_page
from reports.stages.tables import write_tables
from tests.helpers.made_up_runs import make_run, make_store, method, plan

HOSTILE = "\ud800 \x1b]0;title\x07 \r\\input{secret}\x85\u2028\u202e\x00 =cmd|' /C calc'!A0"
ANY_TEXT = st.text(st.characters(), max_size=60)


@given(ANY_TEXT | st.text(st.sampled_from("=+-@'\t\r\n 1.e\x1b\ud800")))
def test_any_text_is_printable_and_comes_back_from_a_table(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert not set(shown) & set("\x1b\r\x00\x9b\u202e\u2028")
    assert printable(shown) == shown
    cell = csv_cell(text)
    if not has_control_characters(text) and "\ud800" not in text:
        assert from_csv_cell(cell) == text
    number = cell.lstrip("+-").replace(".", "").replace("e", "").replace("E", "")
    assert not cell.startswith(("=", "+", "-", "@")) or number.strip("+-").isdecimal()


def test_a_long_message_keeps_its_beginning_and_end():
    shown = printable("a" * 10**6 + "b" * 10**6)
    assert LONGEST - 100 < len(shown) <= LONGEST
    assert (shown[0], shown[-1]) == ("a", "b")
    assert f"[{2 * 10**6 - LONGEST + MARK} characters left out]" in shown


@pytest.fixture
def report(tmp_path):
    """A report with a failed row whose reason and title are hostile."""
    make_store(tmp_path / "d" / "tiles")
    make_run(tmp_path / "d", "ydtr")
    make_run(tmp_path / "d", "broken", failure=HOSTILE)
    methods = [method("ydtr"), method("broken", title=HOSTILE, notes=HOSTILE)]
    found = plan(tmp_path, methods, ["ydtr", "broken"])
    return read_report(found)


def test_a_hostile_message_leaves_tables_and_page_for_everybody(report, tmp_path):
    write_tables(report, tmp_path / "tables")
    write_page(report, tmp_path / "report" / "index.html")
    files = [*(tmp_path / "tables").iterdir(), tmp_path / "report" / "index.html"]
    assert len(files) > 4
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not set(text) & set("\x1b\r\x07\x00\u202e"), path


def test_no_line_of_a_latex_table_begins_with_foreign_words(report):
    for table in report.tables:
        measured = "x\r\\input{a}\x0b\\input{b}\u2028\\input{c}\n\\input{d}"
        text = to_latex(replace(table, measured=measured, caption=measured))
        assert not any(line.lstrip().startswith("\\input") for line in text.splitlines())
        assert "\r" not in to_markdown(table)


def test_cells_of_tables_are_no_formulas(report, tmp_path):
    (table, *_) = report.tables
    rows = [replace(row, title="=1+cmd", failure="@SUM(A1)") for row in table.rows]
    cells = [
        cell for line in csv.reader(StringIO(to_csv(replace(table, rows=rows)))) for cell in line
    ]
    values = {"ag": np.array([1.0, -2.0])}
    write_csv(tmp_path / "scores.csv", ["=cmd", "-1"], {"+method": values})
    write_manifest(tmp_path / "manifest.csv", [TileRow("test", 0, "=a", "=a", *[0] * 7)])
    for name in ("scores.csv", "manifest.csv"):
        with (tmp_path / name).open(newline="") as stream:
            cells += [cell for line in csv.reader(stream) for cell in line]
    assert "'=1+cmd" in cells
    assert "'=a" in cells
    for cell in cells:
        number = cell.replace("-", "").replace(".", "").replace("e", "").isdecimal()
        assert not cell.startswith(("=", "+", "-", "@")) or number, cell


def test_a_half_of_a_character_is_written_as_an_escape(tmp_path):
    write_text(tmp_path / "a.txt", "x\ud800")
    assert (tmp_path / "a.txt").read_text() == "x\\ud800"


@pytest.mark.parametrize("program", ["harness", "metrics"])
def test_names_do_not_steer_the_terminal(tmp_path, program):
    folder = tmp_path / "\x1b[31mred\udcff"
    os.mkdir(folder)  # noqa: PTH102
    words = [sys.executable, "-m", program, "score", "-o", "out.csv"]
    for role in ("infrared", "visible", "fused"):
        words += [f"--{role}", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8:strict"}
    run = subprocess.run(words, check=False, capture_output=True, cwd=tmp_path, env=environment)
    assert run.returncode == 1
    assert b"\x1b" not in run.stderr
    assert b"\\x1b[31mred\\udcff" in run.stderr
    assert b"Traceback" not in run.stderr


def test_a_record_keeps_a_bounded_printable_reason(report):
    (failed,) = report.failures()
    assert "\\ud800" in failed.failure
    json.dumps(failed.failure).encode()
    assert not has_control_characters(failed.failure)
