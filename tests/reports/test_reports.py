"""Tables and page from made-up per-image tables, without running a method."""

import csv
import json
import math
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import numpy as np
import pytest
from PIL import Image

from harness.errors import HarnessError
from harness.tiles.store import TileStore
from reports.analysis import Analysis
from reports.examples import choose_examples, choose_window, most_different
from reports.explorer import explorer_data
from reports.formats import latex_text, to_csv, to_latex, to_markdown
from reports.page import render
from reports.printed import printed_values
from reports.quality import quality_checks
from reports.run import read_report
from tests.helpers.made_up_runs import TILES, make_run, make_store, method, plan


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
    return plan(tmp_path, methods, ["segfanet", "ydtr", "itfuse", "broken", "average"])


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
    rows, _ = rows_of(read_report(plan(tmp_path, [method("ydtr", seeds=(0, 1))], ["ydtr"])))
    cell = rows["ydtr"].cells[2]
    assert cell.ours == 2.0
    assert cell.undefined == 2
    assert rows["ydtr"].seeds == 2


def test_ablation_tables_need_an_ablation(run, tmp_path):
    assert [table.number for table in read_report(run).tables] == [1]
    make_run(tmp_path / "d", "segfanet_1sinet")
    methods = [method("segfanet", "proposed"), method("segfanet_1sinet", "ablation")]
    tables = read_report(plan(tmp_path, methods, ["segfanet", "segfanet_1sinet"])).tables
    assert [table.number for table in tables] == [1, 3]
    assert [row.name for row in tables[1].rows] == [
        "segfanet_1sinet",
        "segfanet_2sinet",
        "segfanet",
    ]
    assert "segfanet_1sinet" not in {row.name for row in tables[0].rows}


def test_a_data_set_that_the_paper_has_not_gets_a_table_of_its_own(run):
    own = replace(run, datasets=(replace(run.datasets[0], stands_for=""),))
    (table,) = read_report(own).tables
    assert table.identifier == "comparison_d"
    assert [row.name for row in table.rows] == ["ydtr", "itfuse", "broken", "segfanet", "average"]
    assert not any(c.printed or c.judgement.verdict for row in table.rows for c in row.cells)
    assert to_markdown(table).startswith(
        r"Comparison on whu\_like (`d`); ours ± half the 95 % interval; default definitions, "
        "luma of"
    )
    assert r"Method & Output & SF $\uparrow$ & AG $\uparrow$" in to_latex(table)
    assert rf"\begin{{tabular}}{{ll{'r' * 4}}}" in to_latex(table)


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
    markdown = to_markdown(table)
    assert "**3.0000** ± 0 (6.6021)" in markdown
    assert "*2.0000* ± 0 (*16.8724*)" in markdown, "the paper's own marks stand beside its values"
    assert markdown.count("\n| ") == len(lines) + 1


def test_cells_carry_interval_difference_verdict_and_test(tmp_path):
    make_store(tmp_path / "d" / "tiles", scenes=12)
    rng = np.random.default_rng(0)
    base = rng.normal(14.365, 0.5, (12, 4))
    make_run(tmp_path / "d", "ydtr", base)
    make_run(tmp_path / "d", "segfanet", base + 1)
    methods = [method("segfanet", "proposed"), method("ydtr")]
    rows, table = rows_of(read_report(plan(tmp_path, methods, ["segfanet", "ydtr"])))
    cell = rows["ydtr"].cells[0]
    assert cell.interval.low < cell.ours < cell.interval.high
    assert cell.difference == pytest.approx((cell.ours - 14.365) / 14.365)
    assert cell.judgement.verdict == "undecided", "twelve other tiles cannot tell four digits"
    assert "other tiles, not known to us" in cell.judgement.decide
    assert rows["ydtr"].cells[1].judgement.verdict == "differs"
    assert cell.test.difference == pytest.approx(-1)
    assert cell.test.effect == -1
    assert cell.test.adjusted == pytest.approx(4 * cell.test.p)
    assert rows["segfanet"].cells[0].test is None
    assert table.orders[0].tau == 1
    demo = plan(tmp_path, methods, ["segfanet", "ydtr"], demonstration=True)
    cells = [cell for row in rows_of(read_report(demo))[0].values() for cell in row.cells]
    assert {cell.judgement.verdict for cell in cells} == {""}


def test_footnotes_name_what_a_reader_must_know(tmp_path):
    make_store(tmp_path / "d" / "tiles")
    values = np.ones((TILES, 4))
    values[0, 2] = np.nan
    retrained = {"weights": {"origin": "retrained"}}
    make_run(tmp_path / "d", "ydtr", values, details=retrained)
    make_run(tmp_path / "d", "itfuse", failure="no luck")
    methods = [method("ydtr", notes="Reads one channel."), method("itfuse")]
    rows, table = rows_of(read_report(plan(tmp_path, methods, ["ydtr", "itfuse"])))
    text = "\n".join(table.footnotes)
    for part in (
        "Reads one channel.",
        "weights trained here",
        "SCD undefined on 1 tiles",
        "no luck",
    ):
        assert part in text
    assert table.marks(rows["ydtr"]) == [1, 2, 3]


def test_claims_need_agreeing_seeds(tmp_path):
    make_store(tmp_path / "d" / "tiles", scenes=8)
    rng = np.random.default_rng(1)
    base = rng.normal(10, 1, (8, 4))
    names = ["segfanet", "segfanet_2sinet", "segfanet_2sinet_no_irm", "segfanet_1sinet"]
    for seed in range(3):
        noise = rng.normal(0, 0.01, (4, 8, 4))
        make_run(tmp_path / "d", names[0], base + 1 + noise[0], seed=seed)
        make_run(tmp_path / "d", names[1], base + noise[1], seed=seed)
        make_run(tmp_path / "d", names[2], base + 5 * (seed - 1) + noise[2], seed=seed)
        make_run(tmp_path / "d", names[3], base + 2 + noise[3], seed=seed)
    methods = [method(name, "ablation", seeds=(0, 1, 2)) for name in names]
    report = read_report(plan(tmp_path, methods, names))
    claims = {(claim.text, claim.measure): claim for claim in report.claims()}
    claim = claims["3 SINets are better than 1", "SF"]
    assert claim.judgement.verdict == "contradicted"
    assert claim.printed == pytest.approx(0.0177)
    claim = claims["IRM helps 2 SINets", "SF"]
    assert claim.judgement.verdict == "undecided"
    assert claim.judgement.decide.endswith("seeds")
    assert claims["CAM helps 2 SINets", "SF"].judgement.verdict == "not run"
    assert claims["CAM helps 2 SINets", "SF"].backed is False
    assert claims["3 SINets are best in most metrics", "most metrics"].judgement.verdict == (
        "contradicted"
    )
    one = [method(name, "ablation") for name in names]
    verdicts = {
        claim.judgement.verdict for claim in read_report(plan(tmp_path, one, names)).claims()
    }
    assert verdicts == {"undecided", "not run"}


def test_table_of_other_tiles_is_refused(run, tmp_path):
    make_store(tmp_path / "d" / "tiles", prefix="other")
    with pytest.raises(HarnessError, match="its tiles are not those of the tile store"):
        read_report(run)


def test_latex_escapes_names():
    assert latex_text(r"a_b & 50% {x} \y") == r"a\_b \& 50\% \{x\} \textbackslash{}y"


class Tags(HTMLParser):
    """Collects tags; a script that comes from a name would be among them."""

    def __init__(self):
        super().__init__()
        self.tags, self.text, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text.append(data)


def test_names_from_outside_are_text(tmp_path):
    hostile = "<script>alert(1)</script>"
    make_store(tmp_path / "d" / "tiles", name='<img src=x onerror="1">', prefix="\"'</script><b>")
    make_run(tmp_path / "d", "ydtr", failure="<b>no</b>")
    make_run(tmp_path / "d", "itfuse")
    methods = [method("ydtr", title=hostile), method("itfuse", title=hostile, notes="<b>x</b>")]
    page = render(read_report(plan(tmp_path, methods, ["ydtr", "itfuse"], title="<i>t</i>")))
    parser = Tags()
    parser.feed(page)
    # Only the page's own scripts exist: its data and its code.
    assert parser.tags.count("script") == 2
    assert not {"b", "i"} & set(parser.tags)
    assert "onerror" not in parser.attributes
    assert hostile in "".join(parser.text)


def test_data_of_the_script_keep_the_order_of_metrics(run):
    data = explorer_data(run, read_report(run).analyses, None)
    assert [metric["name"] for metric in data["metrics"]] == list(run.metrics)
    page = render(read_report(run))
    embedded = json.loads(page.split('id="report-data">')[1].split("</script>")[0])
    assert embedded == data


def test_images_inside_the_page_are_bounded_and_the_rest_lie_beside_it(run, tmp_path, monkeypatch):
    monkeypatch.setattr("reports.explorer.EMBEDDED_BYTES", 30_000)
    data = explorer_data(run, read_report(run).analyses, tmp_path / "page")
    places = [tile["pictures"]["ydtr"][:5] for tile in data["datasets"][0]["tiles"]]
    assert set(places) == {"data:", "tiles"}
    beside = list((tmp_path / "page" / "tiles" / "d").glob("*/ydtr.png"))
    assert len(beside) == places.count("tiles")
    store = TileStore(tmp_path / "d" / "tiles")
    index = int(beside[0].parent.name)
    stack = np.load(tmp_path / "d" / "ydtr" / "seed0" / "fused.npy")
    assert np.array_equal(np.asarray(Image.open(beside[0])), stack[index])
    visible = np.asarray(Image.open(beside[0].with_name("visible.png")))
    assert np.array_equal(np.moveaxis(visible, 2, 0), store.test.rgb(slice(index, index + 1))[0])


def test_quality_checks_find_what_is_wrong(tmp_path):
    make_store(tmp_path / "d" / "tiles")
    bad = np.ones((TILES, 4))
    bad[0, 0], bad[1, 2] = 0, 3
    make_run(tmp_path / "d", "ydtr", bad)
    make_run(tmp_path / "d", "average", 2 * np.ones((TILES, 4)))
    folder = tmp_path / "d"
    make_run(folder, "itfuse", failure="no luck")
    copied = folder / "umfusion"
    shutil.copytree(folder / "ydtr", copied)
    methods = [method("ydtr"), method("umfusion"), method("itfuse"), method("average", "control")]
    rows = ["ydtr", "umfusion", "itfuse", "average"]
    report = read_report(plan(tmp_path, methods, rows))
    checks = quality_checks(report)
    found = {check.title.split(" (")[0]: " ".join(check.findings) for check in checks}
    assert "no luck" in found["Failed runs"]
    assert "TarDAL" in found["Printed methods that were not run"]
    assert "ydtr: 1 tiles" in found["Constant outputs"]
    assert "ydtr: SCD on 1 tiles" in found["Values outside a metric's range"]
    assert "ydtr (seed 0), umfusion (seed 0) are the same" in found["Identical outputs"]
    assert "raw beats 2 of 2 rows of methods in AG" in found["Controls that beat methods"]


def test_configured_examples_come_first_and_must_exist(run):
    report = read_report(run)
    dataset = replace(run.datasets[0], examples=("s2_r00c00",))
    assert choose_examples(run, dataset, report.analyses["d"]) == [2]
    with pytest.raises(HarnessError, match="no test tile 'x'; the first ones are s0_r00c00"):
        choose_examples(run, replace(dataset, examples=("x",)), report.analyses["d"])


def test_examples_differ_most_and_come_from_different_scenes():
    values = {"a": np.zeros((1, 4, 1)), "b": np.array([[[3.0], [9.0], [8.0], [0.0]]])}
    analysis = Analysis(list("wxyz"), ["s", "t", "t", "s"], ("sf",), values)
    assert most_different(analysis, ["a", "b"], 3) == [1, 0, 2]


def test_window_is_where_images_differ():
    first = np.zeros((50, 50), np.uint8)
    second = first.copy()
    second[20:30, 35:45] = 200
    assert choose_window([first, second]) == (20, 35, 10)
    second[:] = 0
    second[40:50, :10] = 200
    y, x, side = choose_window([first, second])
    assert y + side <= 30 or x >= 20, "the enlargement would cover it"


def test_page_shows_failures_and_warns_about_demonstration_data(run, tmp_path):
    page = render(read_report(run))
    assert "1 failed run<" in page
    assert "no &lt;b&gt;luck&lt;/b&gt;" in page
    assert "Demonstration data" not in page
    demo = plan(tmp_path, [method("ydtr")], ["ydtr"], demonstration=True)
    assert "Demonstration data" in render(read_report(demo))


def test_all_methods_failed_still_renders(tmp_path):
    make_store(tmp_path / "d" / "tiles")
    make_run(tmp_path / "d", "ydtr", failure="out of memory")
    assert "out of memory" in render(read_report(plan(tmp_path, [method("ydtr")], ["ydtr"])))


def test_damaged_table_is_named(run, tmp_path):
    path = tmp_path / "d" / "ydtr" / "seed0" / "scores.csv"
    path.write_text(path.read_text().replace("1.0", "8.0"))
    with pytest.raises(HarnessError, match=r"ydtr/seed0/scores\.csv: content differs"):
        read_report(run)
