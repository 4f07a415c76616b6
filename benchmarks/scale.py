"""What a benchmark of full size costs: `python -m benchmarks.scale`.

There are five parts. Each works in a copy of the repository below a temporary folder; the last
one needs 10 GB.

paper   parses config/paper.yaml, makes a dry run, and reruns it when there is nothing to do.
        Parsing is the processor time from the first line of the Snakefile to its last, without
        the time of Snakemake's own parser.
images  compares 20,000 images with those that a tile store was cut from: nothing has changed.
many    makes a dry run of 200 trained methods on 4 data sets with 5 seeds.
sizes   runs everything, from prepare to the report, on made-up images of the 221 sizes of RoadScene
        with a control and a network of random weights (DATFuse).
full    runs the real stages and the real report, one stage after another on 2 cores, with
        controls that cost little, on made-up tiles as many as the paper's test tiles (20 scenes
        of 216 and 7 of 361, 320×320 px); then reruns it when there is nothing to do.

Seconds are elapsed time; processor seconds stand beside them, because they are meaningful on a
busy machine too. Memory is that of the largest process. All figures include Snakemake.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from benchmarks.made_up_images import aerial_image
from harness.disk.inventory import Inventory
from harness.methods.spec import discover
from harness.scenes.adapters import find_adapter
from tests.helpers.project import ROOT, add_method, copy_project

LIMITS = {
    "jobs of the paper": 200,
    "dry run of the paper, s": 3,
    "parse of the paper, s": 0.3,
    "no-op rerun of the paper, s": 5,
    "check of 20,000 images, s": 1,
    "measuring one method, s": 40,
    "report, s": 60,
    "memory, MiB": 3072,
    "memory of 221 images, MiB": 2048,
}

PARSE = """\
import sys, time
import snakemake.cli
import snakemake.workflow as workflow

spent = {"include": 0.0, "parse": 0.0}
def timed(name, function):
    depth = 0
    def call(*arguments, **options):
        nonlocal depth
        depth, start = depth + 1, time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            depth -= 1
            if not depth:
                spent[name] += time.process_time() - start
    return call
workflow.Workflow.include = timed("include", workflow.Workflow.include)
workflow.parse = timed("parse", workflow.parse)
try:
    snakemake.cli.main(sys.argv[1:])
except SystemExit:
    pass
print("PARSE", spent["include"] - spent["parse"])
"""

METHODS = ["average", "infrared", "visible"]
FULL = {
    "title": "Simulated run of full size",
    "demonstration": True,
    "device": "cpu",
    "threads": 2,
    "methods": METHODS,
    "stretched": {"average": ["minmax", "minmax_rgb", "minmax_rgb_batch2"]},
    "datasets": {
        name: {
            "adapter": "simulated",
            "stands_for": name,
            "options": {"scenes": scenes, "height": height, "width": width},
        }
        for name, scenes, height, width in (("whu", 20, 3704, 5556), ("potsdam", 7, 6000, 6000))
    },
}
TILES = {"whu": 4320, "potsdam": 2527}
STAGES = {
    "prepare": "results/{dataset}/tiles/prepare.json",
    "fuse": "results/{dataset}/{row}/seed0/fused.json",
    "measure": "results/{dataset}/{row}/seed0/scores.json",
    "audit": "results/{dataset}/audit.csv",
    "tables": "results/tables/index.csv",
    "examples": "results/{dataset}/examples.json",
    "report": "results/report/index.html",
    "complete": "results/report/complete.txt",
}
"""The results of each stage, in the order of the stages."""
NAMES = {"fuse": "fusing with one method, s", "measure": "measuring one method, s"}


@dataclass
class Run:
    """A finished Snakemake: its output, and what it and its jobs took (seconds, MiB)."""

    text: str
    seconds: float
    processor: float
    memory: float


def snakemake(folder, *arguments, program=("-m", "snakemake")):
    """Run Snakemake on two cores; if it fails, end with its output."""
    command = [sys.executable, *program, *arguments, "--cores", "2"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(f"{' '.join(command)}: failed\n{text[-3000:]}")
    return Run(text, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def show(name, value):
    """Print one figure, with its limit where it has one."""
    limit = f"  (limit {LIMITS[name]:g})" if name in LIMITS else ""
    print(f"{name:<40}{value:>10.2f}{limit}", flush=True)


def paper(folder):
    """Measure the paper's configuration, with empty files in place of results."""
    dry = ["--dry-run", "--configfile", "config/paper.yaml"]
    plan = snakemake(folder, *dry, "--quiet", "rules")
    show("jobs of the paper", int(re.search(r"^total +(\d+)$", plan.text, re.MULTILINE)[1]))
    show("dry run of the paper, s", plan.seconds)
    show("its processor s", plan.processor)
    text = snakemake(folder, *dry, "--quiet", program=("-c", PARSE)).text
    show("parse of the paper, s", float(re.search(r"PARSE (\S+)", text)[1]))
    summary = snakemake(folder, "--summary", "--configfile", "config/paper.yaml")
    for name in re.findall(r"^results/\S+", summary.text, re.MULTILINE):
        path = folder / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "benchmarks.pretend", "config/paper.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=True,
    )
    again = rerun(folder, "config/paper.yaml")
    show("no-op rerun of the paper, s", again.seconds)
    show("its processor s", again.processor)


def images(folder):
    """Measure the comparison of 20,000 images with those that a tile store was cut from."""
    for index in range(20_000):
        path = folder / "images" / f"{index // 10_000}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % index)
    inventory = Inventory([folder / "images"], folder / "sources.json")
    inventory.content()
    start, began = time.perf_counter(), time.process_time()
    inventory.content()
    show("check of 20,000 images, s", time.perf_counter() - start)
    show("its processor s", time.process_time() - began)


def rerun(folder, config):
    """Run again, and check that there is nothing to do."""
    run = snakemake(folder, "--configfile", config)
    if "Nothing to be done" not in run.text:
        sys.exit(f"the rerun found something to do:\n{run.text[-3000:]}")
    return run


def many(folder):
    """Measure a dry run with 200 methods, all but one of them made up."""
    shutil.rmtree(folder / "baselines")
    for index in range(199):
        add_method(folder, f"method{index:03d}", "return visible", train="{epochs: 1}")
    datasets = {
        f"town{index}": {"adapter": "synthetic_urban", "stands_for": "whu"} for index in range(4)
    }
    config = {"title": "many", "weights": "train", "seeds": list(range(5)), "datasets": datasets}
    (folder / "many.yaml").write_text(yaml.safe_dump(config))
    run = snakemake(folder, "--dry-run", "--quiet", "rules", "--configfile", "many.yaml")
    show("jobs of 200 methods, 4 sets, 5 seeds", int(re.search(r"total +(\d+)", run.text)[1]))
    show("their dry run, s", run.seconds)
    show("its processor s", run.processor)
    show("its memory, MiB", run.memory)


def full(folder):
    """Measure the simulated run, stage by stage."""
    adapter = folder / "harness" / "datasets" / "simulated" / "adapter.py"
    adapter.parent.mkdir()
    shutil.copy2(ROOT / "benchmarks" / "simulated.py", adapter)
    (folder / "full.yaml").write_text(yaml.safe_dump(FULL))
    # The jobs of a method also make and measure its stretched rows.
    rows = len(METHODS) + len(FULL["stretched"]["average"])
    shares, largest = {"fuse": len(METHODS), "measure": rows}, 0.0
    for stage, pattern in STAGES.items():
        targets = sorted(
            {pattern.format(dataset=dataset, row=row) for dataset in TILES for row in METHODS}
        )
        run = snakemake(folder, *targets, "--configfile", "full.yaml")
        largest = max(largest, run.memory)
        of_each = shares.get(stage, 1)
        show(NAMES.get(stage, f"{stage}, s"), run.seconds / of_each)
        show(f"{stage}, processor s", run.processor / of_each)
        show(f"{stage}, MiB", run.memory)
    show("memory, MiB", largest)
    show("no-op rerun, s", rerun(folder, "full.yaml").seconds)


def sizes(folder):
    """Measure a run on 221 images of 218 sizes: prepare, fuse, measure, and the report."""
    rng = np.random.default_rng(0)
    for scene in find_adapter("roadscene221").layout({}).scenes:
        size = scene.height, scene.width
        for kind, bands in (("rgb", 3), ("ir", 1)):
            path = folder / "pairs" / kind / f"{scene.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.moveaxis(aerial_image(rng, bands, size), 0, 2)
            Image.fromarray(pixels.squeeze()).save(path)
    torch.manual_seed(0)
    torch.save(discover()["datfuse"].load().state_dict(), folder / "weights.pt")
    dataset = {"adapter": "tiles", "tiling": "none", "options": {"root": "pairs"}}
    config = {
        "title": "221 images",
        "device": "cpu",
        "methods": ["average", "datfuse"],
        "overrides": {"datfuse": {"weights": "weights.pt"}},
        "datasets": {"pairs": dataset},
    }
    (folder / "sizes.yaml").write_text(yaml.safe_dump(config))
    rows, spent, largest = ("average", "datfuse"), 0.0, 0.0
    stages = {name: STAGES[name] for name in ("prepare", "fuse", "measure")} | {"report": "all"}
    for stage, pattern in stages.items():
        targets = sorted({pattern.format(dataset="pairs", row=row) for row in rows})
        run = snakemake(folder, *targets, "--configfile", "sizes.yaml")
        spent, largest = spent + run.seconds, max(largest, run.memory)
        show(f"{stage} of 221 images, s", run.seconds)
        show("its processor s", run.processor)
        show("its memory, MiB", run.memory)
    show("all of 221 images, min", spent / 60)
    show("memory of 221 images, MiB", largest)


PARTS = {"paper": paper, "images": images, "many": many, "sizes": sizes, "full": full}


def main():
    """Run the parts that are named, by default all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "parts", nargs="*", default=list(PARTS), choices=list(PARTS), metavar="PART"
    )
    parser.add_argument("--scratch", type=Path, help="folder of the copies; default: $TMPDIR")
    arguments = parser.parse_args()
    for part in arguments.parts:
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
            PARTS[part](copy_project(Path(scratch, part)))


if __name__ == "__main__":
    main()
