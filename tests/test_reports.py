"""Tables and page from made-up per-image tables, without running a method."""

import csv
import json
import math
from html.parser import HTMLParser
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from harness.datasets.base import Dataset, Scene
from harness.errors import HarnessError
from harness.provenance import Record
from harness.tiler import Tiling, write_store
from reports.formats import latex_text, to_csv, to_latex
from reports.outline import read_outline
from reports.page import render
from reports.run import read_report
from reports.tables import printed_values

METRICS = ["sf", "ag", "scd", "vif"]
TILES = 4


def method(name, kind="baseline", title=None, seeds=(0,)):
    return {
        "name": name,
        "title": title or name.upper(),
        "kind": kind,
        "seeds": list(seeds),
        "trained": False,
        "notes": "",
        "doi": "",
    }


def make_store(folder, name="whu_like"):
    def read(y, x, height, width):
        return np.random.default_rng(y).integers(0, 2, (5, height, width), dtype=np.uint8)

    scenes = tuple(Scene(f"s{i}", "test", 48, 48, read) for i in range(TILES))
    write_store(Dataset(name, scenes, ("a", "b"), ((0, 0, 0), (9, 9, 9))), Tiling(48, 48), folder)


def make_run(folder, row, values=None, failure="", seed=0):
    """Write what fuse and measure leave behind; `values` are (tiles, metrics)."""
    folder = folder / row / f"seed{seed}"
    folder.mkdir(parents=True)
    count = 0 if failure else TILES
    np.save(folder / "fused.npy", np.full((count, 48, 48), 7 + seed, np.uint8))
    table = pd.DataFrame(values if values is not None else np.ones((count, 4)), columns=METRICS)
    table = table.iloc[:count]
    for place, (key, value) in enumerate(
        [
            ("dataset", "d"),
            ("method", row),
            ("seed", seed),
            ("tile", [f"t{i}" for i in range(count)]),
        ]
    ):
        table.insert(place, key, value)
    table.to_csv(folder / "scores.csv", index=False)
    for stage, record_file, artefact in (
        ("fuse", "fused.json", "fused.npy"),
        ("measure", "scores.json", "scores.csv"),
    ):
        record = Record(stage, {"method": row})
        if failure:
            record.fail(failure)
        record.write(folder / record_file, [folder / artefact])


def outline(folder, methods, rows, **changes):
    value = {
        "title": "Report",
        "demonstration": False,
        "metrics": METRICS,
        "methods": methods,
        "datasets": [{"name": "d", "rows": rows, "stands_for": "whu"}],
        **changes,
    }
    return read_outline(json.dumps(value), folder)


@pytest.fixture
def run(tmp_path):
    """Two methods, SegFANet, a control, and a failure; values known."""
    make_store(tmp_path / "d" / "tiles")
    for row, level in (("ydtr", 1.0), ("itfuse", 3.0), ("segfanet", 2.0), ("average", 9.0)):
        make_run(tmp_path / "d", row, np.full((TILES, 4), level))
    make_run(tmp_path / "d", "broken", failure="tile t0: no <b>luck</b>")
    methods = [
        method("segfanet", "proposed", "SegFANet"),
        method("ydtr"),
        method("itfuse"),
        method("broken"),
        method("average", "control"),
    ]
    return outline(tmp_path, methods, ["segfanet", "ydtr", "itfuse", "broken", "average"])


def rows_of(report, number=1):
    table = next(table for table in report.tables if table.number == number)
    return {row.name: row for row in table.rows}, table


def test_printed_values_are_the_paper_s():
    values = printed_values().set_index(["table", "method", "metric"])["printed"]
    assert len(values) == 2 * 6 * 4 + (3 + 4 + 4) * 4
    assert values.index.is_unique
    assert values[1, "segfanet", "sf"] == "16.8724"
    assert values[2, "umfusion", "scd"] == "0.5245"
    assert values[5, "segfanet_2sinet_no_cam", "scd"] == "1.317"
    repeated = [values[table, "segfanet", "vif"] for table in (1, 3, 4, 5)]
    assert repeated == ["1.0969"] * 4


def test_best_and_second_are_marked_among_methods_but_not_controls(run):
    rows, _ = rows_of(read_report(run))
    assert {name: row.cells[0].rank for name, row in rows.items()} == {
        "itfuse": 1,
        "segfanet": 2,
        "ydtr": 0,
        "broken": 0,
        "average": 0,
        "tardal": 0,
        "umfusion": 0,
        "limfusion": 0,
    }


def test_controls_stand_last_and_methods_not_run_keep_their_printed_values(run):
    rows, table = rows_of(read_report(run))
    assert table.rows[-1].name == "average"
    assert rows["tardal"].missing
    assert rows["tardal"].cells[0].printed == "15.465"
    assert math.isnan(rows["tardal"].cells[0].ours)


def test_mean_is_over_tiles_then_seeds_and_undefined_tiles_are_counted(tmp_path):
    make_store(tmp_path / "d" / "tiles")
    values = np.ones((TILES, 4))
    values[0, 2] = np.nan
    make_run(tmp_path / "d", "ydtr", values, seed=0)
    make_run(tmp_path / "d", "ydtr", 3 * values, seed=1)
    rows, _ = rows_of(read_report(outline(tmp_path, [method("ydtr", seeds=(0, 1))], ["ydtr"])))
    cell = rows["ydtr"].cells[2]
    assert cell.ours == 2.0
    assert cell.undefined == 2
    assert rows["ydtr"].seeds == 2


def test_ablation_tables_need_an_ablation(run, tmp_path):
    assert [table.number for table in read_report(run).tables] == [1]
    make_run(tmp_path / "d", "segfanet_1sinet")
    methods = [method("segfanet", "proposed"), method("segfanet_1sinet", "ablation")]
    tables = read_report(outline(tmp_path, methods, ["segfanet", "segfanet_1sinet"])).tables
    assert [table.number for table in tables] == [1, 3]
    assert [row.name for row in tables[1].rows] == [
        "segfanet_1sinet",
        "segfanet_2sinet",
        "segfanet",
    ]
    assert "segfanet_1sinet" not in {row.name for row in tables[0].rows}


def test_csv_and_latex_hold_every_row(run):
    _, table = rows_of(read_report(run))
    lines = list(csv.DictReader(StringIO(to_csv(table))))
    assert [line["row"] for line in lines] == [row.name for row in table.rows]
    assert next(line for line in lines if line["row"] == "itfuse")["sf_ours"] == "3.0"
    latex = to_latex(table)
    assert r"\textbf{3.0000}" in latex
    assert r"SF $\uparrow$" in latex
    assert latex.count(r"\midrule") == 2
    assert latex.count(r"\\") == len(lines) + 2


def test_latex_escapes_names():
    assert latex_text(r"a_b & 50% {x} \y") == r"a\_b \& 50\% \{x\} \textbackslash{}y"


class Tags(HTMLParser):
    """Collects tags; a script from a name would appear among them."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def test_names_from_outside_are_text(tmp_path):
    make_store(tmp_path / "d" / "tiles", name='<img src=x onerror="1">')
    make_run(tmp_path / "d", "ydtr", failure="<b>no</b>")
    hostile = method("ydtr", title="<script>alert(1)</script>")
    page = render(read_report(outline(tmp_path, [hostile], ["ydtr"], title="<i>t</i>")))
    parser = Tags()
    parser.feed(page)
    assert not {"script", "b", "i"} & set(parser.tags)
    assert "<script>alert(1)</script>" in "".join(parser.text)


def test_page_shows_failures_and_warns_about_demonstration_data(run, tmp_path):
    page = render(read_report(run))
    assert "1 failed run<" in page
    assert "no &lt;b&gt;luck&lt;/b&gt;" in page
    assert "Demonstration data" not in page
    demo = outline(tmp_path, [method("ydtr")], ["ydtr"], demonstration=True)
    assert "Demonstration data" in render(read_report(demo))


def test_all_methods_failed_still_renders(tmp_path):
    make_store(tmp_path / "d" / "tiles")
    make_run(tmp_path / "d", "ydtr", failure="out of memory")
    assert "out of memory" in render(read_report(outline(tmp_path, [method("ydtr")], ["ydtr"])))


def test_damaged_table_is_named(run, tmp_path):
    path = tmp_path / "d" / "ydtr" / "seed0" / "scores.csv"
    path.write_text(path.read_text().replace("1.0", "8.0"))
    with pytest.raises(HarnessError, match=r"ydtr/seed0/scores\.csv: content differs"):
        read_report(run)
