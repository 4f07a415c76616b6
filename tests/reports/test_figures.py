"""Figures, feature maps, the protocol audit, and results in which something is missing."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from harness.disk.records import Record
from harness.errors import MethodFailure
from harness.fusing.features import features
from harness.fusing.job import FusingJob
from harness.methods.spec import discover
from harness.pixels import quantise, recompose
from harness.tiles.array_file import Images
from harness.tiles.store import TileStore
from metrics import score
from metrics.colour import score_channels
from metrics.images import luma
from reports import panels
from reports.audit import choices, describe_audit, measure_choices
from reports.diagrams import cliques
from reports.figures import Drawing, draw, drawings
from reports.gallery import fused_stacks
from reports.page import render
from reports.run import read_report
from tests.helpers.made_up_runs import METRICS, SIDE, TILES, make_run, make_store, method, plan


@pytest.fixture
def run(tmp_path):
    """Two methods, SegFANet with feature maps, and a control, on four tiles."""
    folder = tmp_path / "d"
    make_store(folder / "tiles")
    rng = np.random.default_rng(0)
    names = ["segfanet", "ydtr", "itfuse", "average"]
    for row in names:
        make_run(folder, row, rng.uniform(1, 2, (TILES, 4)))
    maps = {
        name: scale * rng.random((3, 24, 24), np.float32)
        for name, scale in {"segmentation": 1, "aligned": 1e-3}.items()
    }
    maps |= {"fusion": np.ones((3, 24, 24), np.float32), "attention": rng.random((3, 4, 4))}
    features = folder / "segfanet" / "seed0" / "features.npz"
    np.savez(
        features,
        tiles=np.arange(3),
        **{f"{name}.{i}": one for name, several in maps.items() for i, one in enumerate(several)},
    )
    Record("features", {}).write(features.with_suffix(".json"), [features])
    kinds = {"segfanet": "proposed", "average": "control"}
    methods = [method(name, kinds.get(name, "baseline")) for name in names]
    return plan(tmp_path, methods, names, datasets=dataset(names, examples=True))


def dataset(rows, examples=False, stands_for="whu"):
    chosen = [f"s{i}_r00c00" for i in range(3)] if examples else []
    return [{"name": "d", "rows": rows, "stands_for": stands_for, "examples": chosen}]


def test_figures_are_the_paper_s(run):
    made = {drawing.name: drawing for drawing in drawings(run, read_report(run).analyses)}
    assert list(made) == ["figure1", "figure2", "figure6", "figure8", "figure9"]
    titles = [title for title, _ in made["figure6"].rows[0]]
    assert titles[:2] == ["Visible", "Infrared"]
    assert titles[2:] == ["UMFusion", "LiMFusion", "ITFUSE", "TarDAL", "YDTR", "SEGFANET"]
    assert made["figure6"].rows[0][2][1] is None, "a method that was not run has no image"
    assert len(made["figure8"].rows[0]) == 5
    assert len(made["figure9"].rows[0]) == 3


def test_feature_maps_print_their_own_ranges(run):
    made = {drawing.name: drawing for drawing in drawings(run, read_report(run).analyses)}
    maps = np.load(run.results / "d/segfanet/seed0/features.npz")
    for tile, row in enumerate(made["figure8"].rows):
        for name, (title, panel) in zip(("segmentation", "aligned"), row[2:4], strict=True):
            low, high = np.percentile(maps[f"{name}.{tile}"], [1, 99])
            assert title.splitlines()[1] == f"{low:.3g} to {high:.3g}"
            assert np.ptp(panel.astype(int).sum(axis=2)) > 200, "from dark to bright"
    assert made["figure8"].alt.endswith(
        "Columns: Visible, Infrared, Segmentation, f^S, Reconstructed, f^R, Fusion, f^F."
    )


def test_page_holds_figures_and_files_stand_beside_it(run, tmp_path):
    page = render(read_report(run), tmp_path / "page")
    assert page.count('src="data:image/png') == 5
    made = {path.name for path in (tmp_path / "page" / "figures").iterdir()}
    assert made == {f"figure{n}.{kind}" for n in (1, 2, 6, 8, 9) for kind in ("png", "pdf")}


def test_enlargement_stands_in_the_lower_left():
    image = np.zeros((60, 60, 3), np.uint8)
    image[10:20, 40:50] = 77
    result = panels.marked(image, (10, 40, 10))
    assert (result[10, 40:50] == panels.YELLOW).all()
    assert (result[42:58, 2:18] == 77).all()
    assert (result[40, :20] == panels.YELLOW).all()
    assert not image[42:58, 2:18].any(), "the source must not change"


def test_many_methods_are_drawn_in_several_lines_as_high_as_the_images():
    panel = np.zeros((30, 60, 3), np.uint8)
    row = [(f"method {i}", None if i == 3 else panel) for i in range(20)]
    figure = draw(Drawing("f", "Figure", "caption", [row, row], ["one", "two"]))
    titles = [*(title for title, _ in row), ""]
    assert [axis.get_title() for axis in figure.axes] == 2 * titles
    labels = [axis.get_ylabel() for axis in figure.axes[::7]]
    assert labels == ["", "one", "", "", "two", ""]
    width, height = figure.get_size_inches()
    assert height / width == pytest.approx(6 * 0.5 / 7, rel=0.25)


def test_a_set_beside_which_nothing_is_printed_shows_no_method_that_did_not_run(run):
    other = replace(run, datasets=[replace(d, stands_for="") for d in run.datasets])
    analyses = read_report(run).analyses
    shown = [d.alt for r in (run, other) for d in drawings(r, analyses) if d.name == "figure2"]
    assert ["TarDAL" in text for text in shown] == [True, False] and "YDTR" in shown[1]


def test_every_map_has_its_own_scale():
    steps = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    dim, outlier = 1e-3 * steps + 5, steps.copy()
    assert panels.own_range(dim) == pytest.approx(np.percentile(dim, [1, 99]))
    shown = panels.feature_map(dim, (16, 16)).astype(int)
    assert np.abs(shown[0, 0] - shown[15, 15]).max() > 150
    outlier[15, 15] = 1000
    again = panels.feature_map(outlier, (16, 16)).astype(int)
    assert np.abs(again - panels.feature_map(steps, (16, 16)).astype(int)).max() < 60
    flat = panels.feature_map(np.full((16, 16), 3, np.float32), (4, 6))
    assert flat.shape == (4, 6, 3)
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) == 1


def test_heat_is_where_the_weights_are():
    weights = np.zeros((4, 4), np.float32)
    weights[3, 3] = 1
    heat = panels.heat_map(weights, np.zeros((40, 40, 3), np.uint8)).sum(axis=2)
    assert heat[35:, 35:].min() > heat[:20, :20].max()


class Network:
    """Returns features whose means are known."""

    def __call__(self, infrared, visible):
        maps = torch.stack([infrared[:, 0], -infrared[:, 0]], dim=1)
        weights = torch.tensor([[[0.0, 1.0, 0.0, 0.0]] * 4])
        return SimpleNamespace(
            segmentation=[maps], aligned=[2 * maps], fusion=[maps], attention=[weights]
        )


def test_features_are_mean_activations_and_received_attention(tmp_path):
    make_store(tmp_path / "tiles")
    pairs = TileStore(tmp_path / "tiles").test
    found = features(Network(), pairs, [2, 0], torch.device("cpu"))
    expected = pairs.infrared(slice(2, 3))[0] / 255
    assert found["segmentation"][0] == pytest.approx(expected, abs=1e-6)
    assert found["aligned"][0] == pytest.approx(2 * expected, abs=1e-6)
    assert np.array(found["attention"]).tolist() == [[[0, 1], [0, 0]]] * 2
    with pytest.raises(MethodFailure, match="gives no features"):
        features(lambda *_: object(), pairs, [0], torch.device("cpu"))


def test_audit_measures_each_choice(run):
    analysis = read_report(run).analyses["d"]
    table = measure_choices(run, run.datasets[0], analysis)
    values = table.set_index(["row", "choice", "metric"])["value"]
    factor = 48 * 48 / (47 * 47)
    assert values["ydtr", "ag_mn1", "ag"] == pytest.approx(factor * values["ydtr", "ours", "ag"])
    assert values["ydtr", "vif_mean", "vif"] == pytest.approx(values["ydtr", "ours", "vif"] / 2)
    assert values["ydtr", "resize224", "sf"] < values["ydtr", "ours", "sf"]
    assert set(table["tiles"]) == {TILES}
    shown = describe_audit(run, "d", table)
    halved = next(c for c in shown["choices"] if c["title"].startswith("VIF"))
    assert halved["summary"] == ("VIF -50.0 %; no method changes place.")
    names = [c.name for c in choices(("sf",))]
    assert names[:3] == ["ours", "resize224", "minmax"]
    assert "viff" not in names


def test_audit_measures_colour_as_evaluators_do(run):
    analysis = read_report(run).analyses["d"]
    table = measure_choices(run, run.datasets[0], analysis).set_index(["row", "choice", "metric"])
    store, stack = run.store(run.datasets[0]), np.load(run.results / "d/ydtr/seed0/fused.npy")
    rgb = store.test.rgb(slice(0, TILES))
    colour = quantise(recompose(stack.astype(np.float32) / np.float32(255), rgb))
    infrared = store.test.infrared(slice(0, TILES))
    value = score(colour.max(axis=1), infrared, rgb.max(axis=1), ["sf", "scd"])
    bands = [score(colour[:, i], infrared, rgb[:, i], ["ag"])["ag"] for i in range(3)]
    assert table["value"]["ydtr", "hsv_value", "sf"] == pytest.approx(value["sf"].mean())
    assert table["value"]["ydtr", "hsv_value", "scd"] == pytest.approx(value["scd"].mean())
    assert table["value"]["ydtr", "channels", "ag"] == pytest.approx(np.mean(bands))
    assert table["value"]["ydtr", "viff", "vif"] == pytest.approx(
        score(stack, infrared, luma(rgb), ["viff"])["viff"].mean()
    )
    assert table["value"]["ydtr", "truncated", "sf"] == table["value"]["ydtr", "ours", "sf"]


def test_audit_counts_tiles_without_a_value(run, tmp_path, monkeypatch):
    infrared = run.store(run.datasets[0]).test.infrared(slice(0, 1))[0]

    def stacks(*arguments):
        found = fused_stacks(*arguments)
        changed = np.array(found["ydtr"].array)
        changed[0] = infrared
        return {**found, "ydtr": Images(changed, found["ydtr"].shapes)}

    monkeypatch.setattr("reports.audit.fused_stacks", stacks)
    report = read_report(run)
    table = measure_choices(run, run.datasets[0], report.analyses["d"])
    tiles = table.set_index(["row", "choice", "metric"])["tiles"]
    assert tiles["ydtr", "ours", "scd"] == TILES - 1, "nothing was added to the infrared"
    assert tiles["ydtr", "ours", "sf"] == TILES
    path = tmp_path / "d" / "audit.csv"
    table.to_csv(path, index=False)
    Record("audit", {}).write(path.with_suffix(".json"), [path])
    assert '<span class="interval">1 undefined</span>' in render(report)


def test_page_shows_the_audit(run, tmp_path):
    report = read_report(run)
    table = measure_choices(run, run.datasets[0], report.analyses["d"])
    path = tmp_path / "d" / "audit.csv"
    table.to_csv(path, index=False)
    Record("audit", {}).write(path.with_suffix(".json"), [path])
    page = render(report)
    assert "SCD on uint8 differences" in page
    assert "&lt;svg" not in page


def test_audit_from_before_a_choice_was_added_is_shown_without_it(run):
    table = measure_choices(run, run.datasets[0], read_report(run).analyses["d"])
    titles = [c["title"] for c in describe_audit(run, "d", table)["choices"]]
    older = table[table["choice"] != "viff"]
    shown = [c["title"] for c in describe_audit(run, "d", older)["choices"]]
    assert set(titles) - set(shown) == {"VIFF (Han, as cited), not VIF"}


def test_cliques_are_maximal():
    assert cliques([1.0, 1.5, 2.4, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert cliques([1.0, 3.0], 1.0) == []


def one_method(tmp_path, name="ydtr", **changes):
    return plan(tmp_path, [method(name)], [name], **changes)


def test_one_tile_renders_and_has_no_interval(tmp_path):
    make_store(tmp_path / "d" / "tiles", scenes=1)
    make_run(tmp_path / "d", "ydtr")
    report = read_report(one_method(tmp_path))
    assert not report.tables[0].rows[0].cells[0].interval.known
    assert "1 test tiles" in render(report)


def test_no_labels_no_printed_table_and_one_data_set_are_said(tmp_path):
    make_store(tmp_path / "d" / "tiles", classes=())
    make_run(tmp_path / "d", "ydtr")
    page = render(read_report(one_method(tmp_path, datasets=dataset(["ydtr"], stands_for=""))))
    assert "no labels" in page
    assert "Comparison on whu_like" in page
    assert "The paper prints no such table for this data set" in page
    assert "No ablation was run" in page
    assert "Mean ranks" not in page


def test_everything_failed_renders_with_reasons(tmp_path):
    make_store(tmp_path / "d" / "tiles")
    make_run(tmp_path / "d", "ydtr", failure="out of memory")
    run = one_method(tmp_path)
    report = read_report(run)
    page = render(report)
    assert "YDTR failed (seed 0): out of memory" in page
    table = measure_choices(run, run.datasets[0], report.analyses["d"])
    assert len(table) == 0


def test_one_failed_seed_fails_the_row(tmp_path):
    make_store(tmp_path / "d" / "tiles")
    make_run(tmp_path / "d", "ydtr", seed=0)
    make_run(tmp_path / "d", "ydtr", seed=1, failure="no luck")
    run = plan(tmp_path, [method("ydtr", seeds=(0, 1))], ["ydtr"])
    row = read_report(run).tables[0].rows[0]
    assert math.isnan(row.cells[0].ours)
    assert row.failure == "no luck"
    assert "YDTR failed (seed 1): no luck" in render(read_report(run))


def test_metric_without_any_value_renders(tmp_path):
    make_store(tmp_path / "d" / "tiles")
    values = np.ones((TILES, 4))
    values[:, 2] = np.nan
    make_run(tmp_path / "d", "ydtr", values)
    make_run(tmp_path / "d", "segfanet", values)
    methods = [method("segfanet", "proposed"), method("ydtr")]
    page = render(read_report(plan(tmp_path, methods, ["segfanet", "ydtr"])))
    data = json.loads(page.split('id="report-data">')[1].split("</script>")[0])
    column = METRICS.index("scd")
    assert data["datasets"][0]["values"]["ydtr"][column] == [None] * TILES
    assert "NaN" not in page.split('id="report-data">')[1].split("</script>")[0]


def audited(folder, rows, colour="luma"):
    """Audit rows of a made-up data set whose images have three channels, or one."""
    make_store(folder / "d" / "tiles")
    for row in rows:
        make_run(folder / "d", row)
    if colour == "per_channel":
        for row in rows:
            path = folder / "d" / row / "seed0" / "fused.npy"
            shape = (TILES, 3, SIDE, SIDE)
            np.save(path, np.random.default_rng(len(row)).integers(0, 256, shape, dtype=np.uint8))
            Record("fuse", {"method": row}).write(path.with_name("fused.json"), [path])
    kinds = {row: "ablation" if row == "tardal_running" else "baseline" for row in rows}
    methods = [{**method(row, kinds[row]), "shared": True} for row in rows]
    section = {"name": "d", "rows": list(rows), "colour": colour}
    made = plan(folder, methods, [], datasets=[section], metrics=["sf", "ag"])
    return made, read_report(made).analyses["d"]


def test_audit_follows_the_colour_rule_of_the_data_set(tmp_path):
    made, analysis = audited(tmp_path, ["ydtr", "itfuse"], "per_channel")
    table = measure_choices(made, made.datasets[0], analysis)
    values = table.set_index(["row", "choice", "metric"])["value"]
    pairs = made.store(made.datasets[0]).test
    fused = np.load(tmp_path / "d/ydtr/seed0/fused.npy")
    every = slice(0, TILES)
    near, rgb = np.repeat(pairs.infrared(every)[:, None], 3, axis=1), pairs.rgb(every)
    ours = score_channels({"ydtr": fused}, near, rgb, ["sf", "ag"])["ydtr"]
    grey = score(luma(fused), near[:, 0], luma(rgb), ["sf", "ag"])
    names = [choice.name for choice in choices(["sf", "ag"], "", "per_channel")]
    assert {"luma", "ag_mn1", "hsv_value"} <= set(names) and "channels" not in names
    for metric in ("sf", "ag"):
        assert values["ydtr", "ours", metric] == pytest.approx(ours[metric].mean())
        assert values["ydtr", "luma", metric] == pytest.approx(grey[metric].mean())
    assert values["ydtr", "ag_mn1", "ag"] > values["ydtr", "ours", "ag"]
    assert values["ydtr", "resize224", "sf"] != values["ydtr", "ours", "sf"]
    shown = describe_audit(made, "d", table)["choices"]
    assert len(shown) == len(names) - 2, "ours is no choice, and no run has rounded images"


def test_audit_of_a_dialect_compares_with_our_definitions():
    names = [choice.name for choice in choices(["ce", "sf"], "vifb", "per_channel")]
    assert "definitions" in names and "sf_diagonal" not in names
    found = {c.name: (c.dialect, c.colour) for c in choices(["sf"], "vifb", "per_channel")}
    assert found["ours"] == found["rounded"] == ("vifb", "per_channel")
    assert found["definitions"] == (None, "per_channel")
    assert found["luma"] == ("vifb", "luma")


def test_audit_shows_the_swing_of_a_method_s_other_reading(tmp_path):
    made, analysis = audited(tmp_path, ["ydtr", "tardal", "tardal_running"])
    table = measure_choices(made, made.datasets[0], analysis)
    assert set(table["row"]) == {"ydtr", "tardal"}
    values = table.set_index(["row", "choice", "metric"])["value"]
    stack = np.load(tmp_path / "d/tardal_running/seed0/fused.npy")
    pairs, every = made.store(made.datasets[0]).test, slice(0, TILES)
    other = score(stack, pairs.infrared(every), pairs.visible(every), ["sf"])["sf"].mean()
    assert values["tardal", "tardal_running", "sf"] == pytest.approx(other)
    assert values["tardal", "ours", "sf"] != pytest.approx(other)
    assert values["ydtr", "tardal_running", "sf"] == values["ydtr", "ours", "sf"]
    titles = [choice["title"] for choice in describe_audit(made, "d", table)["choices"]]
    assert "TarDAL in its other reading" in titles
    assert not made.method("tardal_running").trained, "its authors' weights are at hand"


def test_audit_measures_rounded_outputs_where_a_run_has_them(tmp_path):
    """An output between two levels: it is truncated in the tables, and rounded in the audit."""
    make_store(tmp_path / "d" / "tiles")
    pairs = TileStore(tmp_path / "d" / "tiles").test
    folder = tmp_path / "d" / "ydtr" / "seed0"
    folder.mkdir(parents=True)
    job = FusingJob(discover()["average"], pairs, list("abcd"), {"none": folder / "fused.npy"})
    rng = np.random.default_rng(3)
    output = rng.uniform(0, 1, (TILES, SIDE, SIDE)).astype(np.float32)
    with job.open_stacks() as write:
        for part in job.parts():
            write(part, output[part])
    truncated, rounded = (np.load(folder / name) for name in ("fused.npy", "rounded.npy"))
    np.testing.assert_array_equal(truncated, (output * np.float32(255)).astype(np.uint8))
    np.testing.assert_array_equal(rounded, np.floor(output * np.float32(255) + np.float32(0.5)))
    Record("fuse", {}).write(folder / "fused.json", job.artefacts("none"))
    names = [f"s{i}_r00c00" for i in range(TILES)]
    run = {"dataset": "d", "method": "ydtr", "seed": 0}
    table = pd.DataFrame({**run, "tile": names, "sf": 1.0})
    table.to_csv(folder / "scores.csv", index=False)
    Record("measure", {}).write(folder / "scores.json", [folder / "scores.csv"])
    section = {"name": "d", "rows": ["ydtr"]}
    made = plan(tmp_path, [method("ydtr")], [], datasets=[section], metrics=["sf"])
    found = measure_choices(made, made.datasets[0], read_report(made).analyses["d"])
    values = found.set_index(["row", "choice", "metric"])["value"]
    every = slice(0, TILES)
    expected = score(rounded, pairs.infrared(every), pairs.visible(every), ["sf"])["sf"].mean()
    assert values["ydtr", "rounded", "sf"] == pytest.approx(expected)
    assert values["ydtr", "rounded", "sf"] != values["ydtr", "ours", "sf"]
