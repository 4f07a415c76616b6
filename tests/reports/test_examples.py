"""Which tiles of several data sets the figures show, and what the page says about the choice."""

import numpy as np
import pytest

from reports.figures import drawings
from reports.page import render
from reports.run import read_report
from tests.helpers.made_up_runs import TILES, make_run, make_store, method, plan

NAMES = [f"s{index}_r00c00" for index in range(3)]
ROWS = {"first": ["ydtr", "average"], "second": ["itfuse", "average"], "third": ["ydtr", "average"]}


@pytest.fixture
def run(tmp_path):
    """Three data sets, the first and the last with examples that the configuration names."""
    rng = np.random.default_rng(0)
    for name, rows in ROWS.items():
        make_store(tmp_path / name / "tiles")
        for row in rows:
            make_run(tmp_path / name, row, rng.uniform(1, 2, (TILES, 4)))
    roles = {"first": "", "second": "whu", "third": "potsdam"}
    datasets = [
        {
            "name": name,
            "rows": rows,
            "stands_for": roles[name],
            "examples": [] if name == "second" else NAMES,
        }
        for name, rows in ROWS.items()
    ]
    kinds = {"ydtr": "baseline", "itfuse": "baseline", "average": "control"}
    methods = [method(name, kind) for name, kind in kinds.items()]
    return plan(tmp_path, methods, ROWS["first"], datasets=datasets)


def test_figure_2_shows_one_example_of_two_data_sets_and_no_other_figure_repeats_it(run):
    made = {drawing.name: drawing for drawing in drawings(run, read_report(run).analyses)}
    first, second = made["figure2"].labels
    assert first == f"first, {NAMES[0]}"
    assert second.startswith("second, ")
    assert made["figure6"].labels and second not in made["figure6"].labels
    assert made["figure7"].labels == [f"third, {name}" for name in NAMES[:2]]


def test_the_text_of_a_figure_names_the_columns_of_all_rows(run):
    (figure,) = (d for d in drawings(run, read_report(run).analyses) if d.name == "figure2")
    titles = [run.methods[name].title for name in ("ydtr", "itfuse")]
    assert all(figure.alt.count(title) == 1 for title in titles)
    assert figure.alt.count("Visible") == 1


def test_the_page_says_whose_examples_were_named(run, tmp_path):
    page = render(read_report(run), tmp_path / "report")
    assert "The configuration names those of first, third instead." in page
