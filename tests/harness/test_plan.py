"""The planner: counts without data, measured costs, and a schedule that can be kept."""

import json
import math
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.benchmark import Benchmark
from harness.commands import plan
from harness.disk.schema import ROOT, read_yaml
from harness.errors import HarnessError
from harness.fetching.batch import bytes_of, bytes_to_unpack
from harness.methods.contract import Batch
from harness.planner.forecast import Plan, forecast
from harness.planner.jobs import downloads_of, jobs_of, tiles_of
from harness.planner.measuring import Setting, step_footprint, unpacking_rate
from harness.planner.schedule import Task, makespan
from harness.planner.table import number, render
from harness.scenes.adapters import find_adapter
from harness.tiles.cutting import Tiling, write_store
from harness.training.precision import Precision
from segfanet.method import SegFANetMethod
from tests.helpers.town import small_town

TOWN = small_town(96, train=2)
TINY = {
    "title": "tiny",
    "methods": ["segfanet", "average"],
    "seeds": [0, 1],
    "stretched": {"average": ["minmax"]},
    "train": {"epochs": 3, "batch": 2},
    "overrides": {"segfanet": {"options": {"width": 4, "pool": [4, 4, 4]}}},
    "datasets": {
        "town": {
            "adapter": "tiles",
            "tiling": {"size": 48, "stride": 48},
            "options": TOWN,
        }
    },
}
SETTING = Setting(torch.device("cpu"), threads=1, steps=1)


@pytest.fixture(scope="module")
def tiny():
    return forecast(Benchmark(TINY), SETTING)


def paper():
    return Benchmark(read_yaml(ROOT / "config" / "paper.yaml"))


def test_the_paper_s_tiles_are_counted_without_its_data():
    whu, potsdam = (tiles_of(paper(), name) for name in ("whu", "potsdam"))
    assert (whu.train, whu.test, whu.shape, whu.classes) == (17_280, 4_320, (320, 320), 7)
    assert (potsdam.train, potsdam.test) == (10_830, 2_527)
    assert (potsdam.shape, potsdam.classes) == ((320, 320), 6)


def test_options_of_fetched_data_change_the_counts():
    config = read_yaml(ROOT / "config" / "paper.yaml")
    config["datasets"]["potsdam"]["options"] = {"test": ["2_13"]}
    config["datasets"]["whu"]["options"] = {"background": True}
    config["datasets"]["whu"]["tiling"] = {"size": 512, "stride": 512}
    benchmark = Benchmark(config)
    assert tiles_of(benchmark, "potsdam").test == 361
    whu = tiles_of(benchmark, "whu")
    assert (whu.test, whu.classes) == (20 * 8 * 11, 8)


def test_the_paper_s_jobs():
    benchmark = paper()
    jobs = jobs_of(benchmark, {name: tiles_of(benchmark, name) for name in benchmark.datasets})
    by_name = {job.name: job for job in jobs}
    assert len(by_name) == len(jobs)
    assert by_name["train:whu:segfanet_2sinet:1"].amount == 432_000
    assert by_name["train:potsdam:segfanet:0"].amount == 270_750
    segfanet = [job for job in jobs if job.stage == "train" and "segfanet" in job.row]
    assert len(segfanet) == 3 * (7 + 1 + 2), "the literal network trains on both data sets"
    fused = by_name["fuse:whu:segfanet:2"]
    assert set(fused.after) == {"prepare:whu", "train:whu:segfanet:2"}
    assert fused.stacks == 3, "one job makes the raw outputs and two stretches"
    assert by_name["fuse:whu:ydtr:0"].after == ("prepare:whu",)
    assert by_name["fuse:whu:ydtr:0"].gpus == 1
    assert by_name["fuse:whu:average:0"].gpus == 0, "it is of no use to a method on the processor"
    done = set()
    for job in jobs:
        assert done.issuperset(job.after), job.name
        done.add(job.name)
    fused = [job for job in jobs if job.stage == "fuse"]
    stacks = sum(len(benchmark.runs(name)) for name in benchmark.datasets)
    assert sum(job.stacks for job in fused) == stacks > len(fused)
    assert len(jobs) < 200


def test_every_job_of_a_small_configuration_is_forecast(tiny):
    jobs = {item.job.name: item for item in tiny.forecasts}
    assert {name.split(":")[0] for name in jobs} == {"prepare", "train", "fuse", "measure"}
    assert not [item.cost.failure for item in tiny.forecasts if item.cost.failure]
    training = jobs["train:town:segfanet:1"]
    assert training.job.amount == 3 * 4, "3 epochs of 8 tiles, two a step"
    assert training.hours == pytest.approx(training.cost.seconds * 12 / 3600)
    method = SegFANetMethod(classes=6, width=4, pool=(4, 4, 4))
    count = sum(parameter.numel() for parameter in method.parameters())
    fusing = jobs["fuse:town:segfanet:0"]
    assert training.cost.parameters == fusing.cost.parameters == count
    passes = training.cost.gflop / fusing.cost.gflop
    assert 2 * 3 < passes < 2 * 3 * 1.2, "the segmentation decoder only runs in training"
    assert training.cost.memory > 4 * 4 * count
    assert jobs["fuse:town:average:0"].cost.gflop is None
    assert all(item.hours > 0 for item in tiny.forecasts)


def test_disk_is_that_of_the_real_files(tiny, tmp_path):
    jobs = {item.job.name: item for item in tiny.forecasts}
    write_store(find_adapter("tiles").open_dataset(TOWN), Tiling(48, 48), tmp_path)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    header = 128
    assert jobs["prepare:town"].disk == sizes["train.npy"] + sizes["test.npy"] - 2 * header
    assert jobs["fuse:town:average:0"].disk == 2 * 4 * 48 * 48, "raw and stretched"
    training = jobs["train:town:segfanet:0"]
    states = 3 * 4 * training.cost.parameters
    assert states < training.disk < states + 200_000, "values and two moments, float32, and names"


def test_memory_that_autograd_keeps_by_hand():
    class Method(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 5, 3, padding=1)

        def training_loss(self, batch):
            return {"loss": torch.relu(self.conv(batch.infrared)).sum()}

    pair = torch.rand(2, 3, 1, 16, 20)
    batch = Batch(pair[0].clone(), pair[1].clone(), torch.zeros(3, 16, 20, dtype=torch.int64))
    single = Precision("fp32", torch.device("cpu"))
    gflop, kept = step_footprint(Method(), batch, single)
    pixels = 3 * 16 * 20
    assert kept == 4 * pixels * (1 + 5), "the convolution's input and the result of ReLU"
    forward = 2 * 9 * 5 * pixels
    assert gflop == pytest.approx(2 * forward / 1e9), "forward, and gradients of the weights"


@pytest.mark.parametrize("name", ["ydtr", "tardal", "itfuse", "limfusion", "umfusion"])
def test_every_baseline_s_training_is_measured(name):
    """TarDAL's loss takes gradients of gradients, in which a counter may not interfere."""
    config = {**TINY, "methods": [name], "weights": "train", "stretched": {}, "seeds": [0]}
    (training,) = [
        item
        for item in forecast(
            Benchmark({**config, "train": {"steps": 1, "batch": 1}}), SETTING
        ).forecasts
        if item.job.stage == "train"
    ]
    assert not training.cost.failure
    assert training.cost.seconds > 0
    assert training.cost.gflop > 0


def test_processes_share_a_step_and_take_a_gpu_each():
    recipe = {"epochs": 3, "batch": 4, "processes": 2, "accumulate": 2}
    two = forecast(Benchmark({**TINY, "methods": ["segfanet"], "train": recipe}), SETTING)
    training = {item.job.name: item for item in two.forecasts}["train:town:segfanet:0"]
    fusing = {item.job.name: item for item in two.forecasts}["fuse:town:segfanet:0"]
    assert training.job.gpus == 2
    assert 4 * 3 < training.cost.gflop / fusing.cost.gflop < 4 * 3 * 1.2
    assert two.makespans()[1] == math.inf
    assert 0 < two.makespans()[4] < math.inf


def test_what_cannot_be_measured_costs_its_own_row_alone(capsys, tmp_path):
    config = {**TINY, "seeds": [0], "overrides": {"segfanet": {"options": {"pool": [4]}}}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    run(path)
    text = capsys.readouterr().out
    assert "train segfanet: cannot be loaded: ValueError: pool is (4,)" in text
    assert "not included in the sums" in text
    assert "average" in text


def run(path, **changes):
    defaults = {"config": [], "device": "cpu", "threads": 1, "steps": 1, "json": False}
    plan.run(Namespace(configfile=path, **{"include": [], **defaults, **changes}))


def test_json_and_text_tell_the_same(tiny, capsys, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**TINY, "methods": ["average"]}))
    run(path, json=True, config=[("title", "renamed")])
    found = json.loads(capsys.readouterr().out)
    assert found["title"] == "renamed"
    assert found["memory_is_estimated"] is True
    assert found["hours"] == pytest.approx(sum(job["hours"] for job in found["jobs"]))
    assert set(found["makespan_hours"]) == {"1", "4", "8"}
    run(path)
    lines = capsys.readouterr().out.splitlines()
    rows = {(job["stage"], job["row"] or "1") for job in found["jobs"]}
    for stage, row in rows:
        assert any(line.split()[1:3] == [stage, row] for line in lines if len(line.split()) > 2)


def test_downloads_are_counted(capsys, tmp_path):
    """Potsdam comes in one archive of archives; a trained method needs no file."""
    config = {
        **TINY,
        "methods": ["average", "ydtr", "segfanet"],
        "weights": "official",
        "datasets": {"potsdam": None, "mfnet_tiles": None},
    }
    found = downloads_of(Benchmark(config))
    assert {name: bytes_of(files) for name, files in found.items()} == {
        "potsdam": 13_300_000_000,
        "mfnet_tiles": 2_027_930,
        "ydtr": 893_678,
    }
    assert {name: bytes_to_unpack(files) for name, files in found.items()} == {
        "potsdam": 13_300_000_000,
        "mfnet_tiles": 0,
        "ydtr": 0,
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**config, "methods": ["average"]}))
    run(path, config=[("datasets", {"mfnet_tiles": None})])
    lines = capsys.readouterr().out.splitlines()
    assert ["mfnet_tiles", "36", "2.03", "MB", "<0.001"] in [line.split()[:5] for line in lines]


def test_unpacking_is_counted_in_bytes_and_minutes():
    """13.3 GB take 18 minutes on a line of 100 Mbit/s; copying them out of the archive is timed."""
    benchmark = Benchmark({**TINY, "methods": ["average"], "datasets": {"potsdam": None}})
    files = downloads_of(benchmark)
    plan = Plan("", Setting(torch.device("cpu"), 1, 1), {}, [], files, unpacking_rate())
    assert 1e6 < plan.unpacking_rate < 1e11
    text = render(plan)
    row = next(line.split() for line in text.splitlines() if line.startswith("potsdam"))
    assert row[1:6] == ["1", "about", "13.3", "GB", "0.296"]
    assert row[6:8] == ["13.3", "GB"]
    minutes = 13.3e9 / plan.unpacking_rate / 60
    assert float(row[8]) == pytest.approx(minutes, rel=0.01)


def test_a_missing_configuration_is_named():
    with pytest.raises(HarnessError, match=r"no\.yaml: cannot be"):
        run(Path("no.yaml"))


def test_longest_jobs_go_first_and_needs_are_kept():
    tasks = [Task(name, hours, 1) for name, hours in zip("abcde", (3, 3, 2, 2, 2), strict=True)]
    assert makespan(tasks, 1) == 12
    assert makespan(tasks, 2) == 7, "3 + 2 + 2 beside 3 + 2: the rule, not the best order"
    chain = [Task("p", 1, 0), Task("t", 5, 1, ("p",)), Task("f", 2, 1, ("t", "p"))]
    assert makespan(chain, 8) == 8
    assert makespan([*chain, Task("other", 2, 1)], 1) == 9
    wide = [Task("wide", 2, 2), Task("a", 3, 1), Task("b", 1, 1)]
    assert makespan(wide, 2) == 5, "the longest starts, the wide one waits for both"
    assert makespan(wide, 1) == math.inf
    assert makespan([], 4) == 0


@given(
    st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1), st.integers(0, 50)), max_size=12),
    st.integers(1, 9),
)
def test_a_schedule_lies_between_its_bounds(drawn, gpus):
    tasks, path = [], {}
    for i, (hours, needed, link) in enumerate(drawn):
        after = (str(link % i),) if i and link % 3 else ()
        tasks.append(Task(str(i), hours, needed, after))
        path[str(i)] = hours + max((path[name] for name in after), default=0)
    total = makespan(tasks, gpus)
    work = sum(task.hours for task in tasks if task.gpus)
    assert total >= max([work / gpus, *path.values()]) - 1e-9
    assert total <= sum(task.hours for task in tasks) + 1e-9


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "?"), (0, "0.000"), (0.0004, "<0.001"), (0.25, "0.250"), (12.34, "12.3"),
     (43210, "43,210")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert number(value) == text
