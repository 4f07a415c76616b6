"""Mistakes that can be known before the first job are refused before it, by name."""

import importlib
import inspect

import pytest

from harness.benchmark import Benchmark
from harness.commands.key_tables import generated
from harness.disk.schema import read_yaml
from harness.errors import HarnessError
from harness.methods.spec import discover

POTSDAM = {"adapter": "potsdam"}
FOUND = discover()


def config(**changes):
    return {"title": "t", "datasets": {"landsat7": {}}, **changes}


def overrides(**methods):
    return {"overrides": methods}


REFUSED = {
    "a batch that does not split": (
        {"train": {"batch": 3, "accumulate": 2}},
        "config: segfanet: train: a batch of 3 does not split into 2",
    ),
    "a batch that does not split together with the method's own recipe": (
        overrides(ydtr={"train": {"accumulate": 3}}),
        "config: ydtr: train: a batch of 32 does not split into 3",
    ),
    "best weights without measurements": (
        {"train": {"select": "best"}},
        "segfanet: train: `select: best` needs `validate_every`",
    ),
    "an unknown option": (
        overrides(segfanet={"options": {"widht": 8}}),
        "overrides: segfanet: options: no option 'widht'; did you mean 'width'",
    ),
    "an unknown option of a variant": (
        overrides(segfanet_1sinet={"options": {"widht": 8}}),
        "overrides: segfanet_1sinet: options: no option 'widht'",
    ),
    "unknown weights": (
        overrides(umfusion={"weights": "offical"}),
        "overrides: umfusion: weights: found 'offical', expected .*did you mean 'official'",
    ),
    "a weight file that is not there": (
        overrides(umfusion={"weights": "mine.pth"}),
        "umfusion: weights: found 'mine.pth', expected official, train, demonstration or an "
        "existing file",
    ),
    "the authors' weights of an unknown name": (
        overrides(tardal={"options": {"weights": "td"}}),
        "tardal: options: weights: no weights 'td'",
    ),
    "an example that cannot be": (
        {"datasets": {"potsdam": {"examples": ["2_10_r00c99"]}}},
        "datasets: potsdam: examples: no test tile '2_10_r00c99'; did you mean",
    ),
    "a number as a name": ({"datasets": {1: POTSDAM}}, "datasets: the name 1 cannot be used"),
    "a boolean as a name": ({"datasets": {True: POTSDAM}}, "the name True .*YAML reads yes"),
    "upper case in a name": (
        {"datasets": {"Potsdam": POTSDAM}},
        "the name 'Potsdam' cannot be used, expected lower-case",
    ),
    "a folder that is missing": (
        {"datasets": {"potsdam": {"options": {"root": "no/such"}}}},
        "datasets: potsdam: .*no/such",
    ),
    "an unknown stretch": (
        {"stretched": {"average": ["minmx"]}},
        "stretched: average: no stretch 'minmx'; did you mean 'minmax'",
    ),
    "a published row of a method without a rule": (
        {"stretched": {"average": ["published"]}},
        "average: its method.yaml does not say how the authors save",
    ),
    "an unknown adapter": ({"datasets": {"potsdm": {}}}, "adapter 'potsdm'; did you mean 'pots"),
    "a text for a number": ({"threads": "3"}, "threads: found '3', expected a valid integer"),
    "a boolean for a number": ({"threads": True}, "threads: found True, expected a valid integer"),
    "a list with a number twice": ({"seeds": [1, 1]}, "seeds: found .*, expected every item once"),
    "an outside folder that is missing": ({"include": "no/such"}, "include: the folder no/such"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistake_is_refused_by_name(mistake):
    changes, message = REFUSED[mistake]
    with pytest.raises(HarnessError, match=message):
        Benchmark(config(**changes))


def test_an_override_of_a_variant_holds_for_that_variant_alone(tmp_path):
    weights = tmp_path / "mine.pt"
    weights.touch()
    override = {"options": {"width": 6}, "train": {"epochs": 7}, "weights": str(weights)}
    for_all = {"options": {"width": 4, "pool": [4, 4, 4]}, "train": {"steps": 3}}
    benchmark = Benchmark(config(overrides={"segfanet": for_all, "segfanet_1sinet": override}))
    variant, others = benchmark.methods["segfanet_1sinet"], ("segfanet", "segfanet_2sinet")
    assert (variant.options["width"], variant.options["pool"]) == (6, [4, 4, 4])
    assert (variant.train["epochs"], variant.train["steps"]) == (7, 3)
    assert not benchmark.is_trained("segfanet_1sinet")
    assert benchmark.weights_file("segfanet_1sinet") == str(weights)
    for name in others:
        assert benchmark.methods[name].options["width"] == 4
        assert benchmark.methods[name].train["epochs"] == 50
        assert benchmark.is_trained(name)


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "x: {b: 1, c: 2, b: 3}\n"])
def test_a_key_that_stands_twice_is_refused(tmp_path, text):
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    with pytest.raises(HarnessError, match=r"twice\.yaml: .*the key '[ab]' stands twice"):
        read_yaml(path)


def test_merged_keys_may_be_overridden(tmp_path):
    path = tmp_path / "merged.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\n")
    assert read_yaml(path)["other"] == {"a": 1, "b": 3}


def test_the_name_of_a_data_set_is_its_adapter_unless_given():
    assert Benchmark(config(datasets={"landsat7": None})).adapter_name("landsat7") == "landsat7"


@pytest.mark.parametrize("path", [path for path, _ in generated()], ids=lambda path: path.name)
def test_schemas_and_key_tables_are_those_of_the_models(path):
    assert path.read_text(encoding="utf-8") == dict(generated())[path], "run `make schemas`"


@pytest.mark.parametrize("name", [name for name, spec in FOUND.items() if spec.entry])
def test_method_yaml_lists_every_option_with_its_default(name):
    spec = FOUND[name]
    module, entry = spec.entry.split(":")
    signature = inspect.signature(
        getattr(importlib.import_module(f"{spec.package}.{module}"), entry)
    )
    parameters = {key: value for key, value in signature.parameters.items() if key != "classes"}
    assert set(spec.options) - {"weights"} == set(parameters)
    for key, parameter in parameters.items():
        if spec.kind != "ablation" and parameter.default is not parameter.empty:
            default = parameter.default
            expected = list(default) if isinstance(default, tuple) else default
            assert spec.options[key] == expected
