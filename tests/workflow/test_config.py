"""A configuration that cannot work is refused before any work, with one clear message."""

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.benchmark import Benchmark, Row
from harness.configuration import Configuration
from harness.disk.schema import check, read_yaml
from harness.errors import HarnessError
from harness.fetching.registry import SourcesFile
from harness.pixels import STRETCHES
from tests.helpers.town import small_town

CONFIG = Path(__file__).resolve().parents[2] / "config"
SMALL = {
    "title": "t",
    "datasets": {"town": {"adapter": "tiles", "options": small_town(64)}},
}


def changed(path, value):
    config = copy.deepcopy(SMALL)
    place = config
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("trian",), {}, "unknown key 'trian'; did you mean 'train'"),
        (("train", "step"), 3, "train: unknown key 'step'; did you mean 'steps'"),
        (
            ("datasets", "town", "adaptor"),
            "x",
            "town: unknown key 'adaptor'; did you mean 'adapter'",
        ),
        (
            ("datasets", "town", "adapter"),
            "towns",
            "no data set adapter 'towns'; .*tiles",
        ),
        (
            ("datasets", "town", "options", "titel"),
            "x",
            "unknown key 'titel'; did you mean 'title'",
        ),
        (
            ("datasets", "town", "options", "infrared_band"),
            "last",
            "infrared_band: found 'last', expected a valid int",
        ),
        (("datasets", "town", "tiling"), {"size": 40}, "tiling.size: found 40, expected .* 41"),
        (("methods",), ["segfanett"], "no method 'segfanett'; did you mean 'segfanet'"),
        (("stretched",), {"nothing": ["minmax"]}, "stretched: no method 'nothing'"),
        (("overrides",), {"nothing": {}}, "overrides: no method 'nothing'"),
        (("metrics",), ["viff2"], "no metric 'viff2'; did you mean 'viff'"),
        (("seeds",), [], r"seeds: found .*, expected at least 1 item"),
        (("seeds",), [-1], r"seeds\[0\]: found -1, expected .* 0"),
        (("device",), "gpu", "device: found 'gpu', expected `auto`, `cpu`"),
        (("mirror",), "no/such/folder", "no/such/folder does not exist"),
    ],
)
def test_wrong_key_or_value_is_named(path, value, message):
    with pytest.raises(HarnessError, match=message):
        Benchmark(changed(path, value))


def test_missing_folder_of_tiles_is_named(tmp_path):
    config = changed(("datasets", "town"), {"adapter": "tiles", "options": {"root": str(tmp_path)}})
    with pytest.raises(HarnessError, match=r"datasets: town: tiles: the folder .*rgb does"):
        Benchmark(config)


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations_follow_the_schema(path):
    check(SourcesFile if path.stem == "sources" else Configuration, read_yaml(path), path.name)


def test_every_folder_found_takes_part_unless_methods_are_named():
    assert {"segfanet", "average", "visible"} <= set(Benchmark(SMALL).methods)
    chosen = Benchmark(changed(("methods",), ["average", "segfanet"]))
    assert set(chosen.methods) >= {"average", "segfanet", "segfanet_1sinet"}
    assert "visible" not in chosen.methods


def test_ablations_run_only_where_asked():
    without = {row.name for row in Benchmark(SMALL).rows("town")}
    asked = Benchmark(changed(("datasets", "town", "ablations"), True))
    extra = {row.name for row in asked.rows("town")} - without
    assert extra == {
        "segfanet_1sinet",
        "segfanet_2sinet",
        "segfanet_2sinet_no_irm",
        "segfanet_3sinet_no_irm",
        "segfanet_2sinet_no_cam",
        "segfanet_3sinet_no_cam",
    }


def test_only_trained_methods_repeat_with_every_seed():
    config = changed(("seeds",), [3, 4])
    runs = Benchmark(config).runs("town")
    assert {seed for row, seed in runs if row == "segfanet"} == {3, 4}
    assert {seed for row, seed in runs if row == "average"} == {3}


def test_official_weights_make_training_unnecessary(tmp_path):
    official = Benchmark(changed(("weights",), "official"))
    assert not official.is_trained("ydtr")
    assert not official.is_trained("umfusion")
    assert official.is_trained("segfanet"), "it has no official file"
    assert Benchmark(changed(("weights",), "train")).is_trained("ydtr")
    mine = tmp_path / "mine.pth"
    mine.touch()
    own = Benchmark(changed(("overrides",), {"umfusion": {"weights": str(mine)}}))
    assert not own.is_trained("umfusion")
    assert own.weights_file("umfusion") == str(mine)


def test_overrides_reach_options_and_recipe_of_every_variant():
    config = changed(("overrides",), {"segfanet": {"options": {"width": 8}, "train": {"steps": 5}}})
    methods = Benchmark({**config, "train": {"steps": 9, "batch": 1}}).methods
    for name in ("segfanet", "segfanet_3sinet_no_cam"):
        assert methods[name].options["width"] == 8
        assert methods[name].train["steps"] == 5
        assert methods[name].train["batch"] == 1
    assert methods["ydtr"].train["steps"] == 9


@given(st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True), st.sampled_from(sorted(STRETCHES)))
def test_row_name_round_trips(method, stretch):
    row = Row(method, stretch)
    assert Row.parse(row.name) == row
