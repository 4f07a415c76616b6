"""A configuration that cannot work is refused before any work, with one clear message."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.benchmark import Benchmark
from harness.configuration import Configuration
from harness.disk.schema import check, read_yaml
from harness.errors import HarnessError
from harness.fetching.registry import SourcesFile
from harness.methods.rows import Row, beside
from harness.pixels import STRETCHES
from reports.plan import plan_of, read_plan
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


def test_other_readings_run_only_where_asked():
    without = {row.name for row in Benchmark(SMALL).rows("town")}
    literal = Benchmark(changed(("datasets", "town", "literal"), True))
    assert {row.name for row in literal.rows("town")} - without == {
        "segfanet_literal",
        "tardal_running",
    }
    assert literal.methods["tardal_running"].options["statistics"] == "running"
    assert literal.methods["segfanet_literal"].options["norm"] == "batch"
    assert literal.methods["segfanet_literal"].options["width"] == 32


def test_the_paper_trains_the_literal_network_beside_ours():
    paper = Benchmark(read_yaml(CONFIG / "paper.yaml"))
    for dataset in ("whu", "potsdam"):
        runs = paper.runs(dataset)
        for name in ("segfanet", "segfanet_literal"):
            assert {seed for row, seed in runs if row == name} == {0, 1, 2}


def test_only_trained_methods_repeat_with_every_seed():
    config = changed(("seeds",), [3, 4])
    runs = Benchmark(config).runs("town")
    assert {seed for row, seed in runs if row == "segfanet"} == {3, 4}
    assert {seed for row, seed in runs if row == "average"} == {3}


def test_official_weights_make_training_unnecessary(tmp_path):
    official = Benchmark(changed(("weights",), "official"))
    assert not official.is_trained("ydtr")
    assert not official.is_trained("umfusion")
    assert official.is_trained("segfanet"), "its authors published no file"
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


WORDS = st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True)


@given(
    WORDS,
    st.just("") | WORDS,
    st.sampled_from(sorted(STRETCHES)) | WORDS.filter(lambda word: word != "none"),
)
def test_row_name_round_trips(method, weights, stretch):
    row = Row(method, weights, stretch)
    assert Row.parse(row.name) == row
    assert row.run.raw
    assert row.run.stretched(stretch) == row
    folder = Path("results/town") / row.run.name / "seed3"
    assert beside(folder, stretch) == Path("results/town") / row.name / "seed3"


def test_rows_have_the_names_that_paths_show():
    assert Row("umfusion").name == "umfusion"
    assert Row("umfusion", "train").name == "umfusion@train"
    assert Row("umfusion", "train", "minmax_rgb").name == "umfusion@train+minmax_rgb"
    assert Row("average", stretch="minmax").name == "average+minmax"


@pytest.mark.parametrize("name", ["", "@train", "a@", "a+", "a+minmax@train", "a@b@c", "a/b", "A"])
def test_a_name_that_is_no_row_is_refused(name):
    with pytest.raises(HarnessError, match=r"found the row .* expected METHOD, METHOD@WEIGHTS"):
        Row.parse(name)


def rows_of(config, dataset="town"):
    benchmark = Benchmark(config)
    return [(name, seed) for name, seed in benchmark.runs(dataset)], benchmark


def test_a_list_of_weights_gives_one_row_each():
    config = {**changed(("weights",), ["official", "train"]), "seeds": [3, 4]}
    config["stretched"] = {"ydtr": ["minmax"]}
    rows, benchmark = rows_of(config)
    ydtr = [(name, seed) for name, seed in rows if name.startswith("ydtr")]
    # The authors' weights run once, and a training once per seed.
    assert ydtr == [
        *(("ydtr", 3), ("ydtr+minmax", 3)),
        *(("ydtr@train", 3), ("ydtr@train", 4)),
        *(("ydtr@train+minmax", 3), ("ydtr@train+minmax", 4)),
    ]
    assert not benchmark.is_trained("ydtr")
    assert benchmark.is_trained("ydtr@train+minmax")
    assert benchmark.weights_file("ydtr@train") == benchmark.weights_file("ydtr") == "official"
    # A method with one kind of weights has one row, and so has one without any.
    names = [name for name, seed in rows]
    assert {"umfusion", "umfusion@train", "segfanet"} <= set(names)
    assert benchmark.is_trained("segfanet"), "its authors published no file"
    assert not {"segfanet@train", "segfanet@official", "average@train"} & set(names)
    assert names.count("average") == 1


def test_the_first_of_the_weights_is_the_unmarked_one():
    rows, benchmark = rows_of(changed(("weights",), ["train", "official"]))
    assert benchmark.is_trained("ydtr")
    assert not benchmark.is_trained("ydtr@official")
    assert {"ydtr", "ydtr@official"} <= {name for name, seed in rows}


def test_an_override_of_the_weights_may_be_a_list(tmp_path):
    mine = tmp_path / "mine.pth"
    mine.touch()
    weights = {"ydtr": {"weights": [str(mine), "train"]}, "itfuse": {"weights": ["train"]}}
    rows, benchmark = rows_of({**changed(("overrides",), weights), "weights": "official"})
    names = {name for name, seed in rows}
    assert {"ydtr", "ydtr@train", "itfuse"} <= names
    assert benchmark.weights_file("ydtr") == str(mine)
    assert benchmark.is_trained("ydtr@train")
    assert benchmark.is_trained("itfuse")
    assert "itfuse@train" not in names
    for wrong, message in (
        (["train", str(mine)], "cannot follow another item"),
        (["official", "offical"], "did you mean 'official'"),
        (["train", "train"], "expected every item once"),
    ):
        with pytest.raises(HarnessError, match=message):
            Benchmark(changed(("overrides",), {"ydtr": {"weights": wrong}}))
    with pytest.raises(HarnessError, match="weights"):
        Benchmark(changed(("weights",), []))


def test_the_plan_of_a_report_names_every_row_and_its_seeds():
    config = {**changed(("weights",), ["official", "train"]), "seeds": [3, 4]}
    plan = read_plan(json.dumps(plan_of(Benchmark(config))), Path("results"))
    assert plan.method("ydtr+minmax").seeds == [3]
    assert plan.method("ydtr@train+minmax").seeds == [3, 4]
    titles = [plan.method(name).title for name in ("ydtr", "ydtr@train")]
    assert titles == ["YDTR", "YDTR, trained here"]
