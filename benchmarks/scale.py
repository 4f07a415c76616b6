"""What a benchmark of full size costs: `python -m benchmarks.scale`.

Three parts, each in a copy of the repository below a temporary folder (10 GB for the last one):

paper   parse, dry run and rerun without work of config/paper.yaml. Parsing is the time from the
        first line of the Snakefile to its last, less what Snakemake's own parser takes of it;
        the least of three times counts.
many    dry run of 200 trained methods on 4 data sets with 5 seeds.
full    the paper's test tiles (20 scenes of 216 and 7 of 361, 320×320 px, made-up), controls
        that cost little, the real stages and the real report, one stage after another on 2
        cores; then a rerun without work.

Seconds are on the clock, memory is the largest process of a stage; Snakemake is in both.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tests.project import ROOT, add_method, copy_project

LIMITS = {
    "jobs of the paper": 200,
    "dry run of the paper, s": 5,
    "parse of the paper, s": 0.3,
    "no-op rerun of the paper, s": 15,
    "measuring one method, s": 40,
    "report, s": 60,
    "memory, MiB": 3072,
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
        depth, start = depth + 1, time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            depth -= 1
            if not depth:
                spent[name] += time.perf_counter() - start
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
"""Results of every stage, in order."""


def snakemake(folder, *arguments, program=("-m", "snakemake")):
    """Run Snakemake; give its output, the seconds and the memory (MiB) of its largest process."""
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
    return text, seconds, usage.ru_maxrss / 1024


def show(name, value):
    """Print one figure, with its limit where it has one."""
    limit = f"  (limit {LIMITS[name]:g})" if name in LIMITS else ""
    print(f"{name:<40}{value:>10.2f}{limit}", flush=True)


def paper(folder):
    """Figures of the paper's configuration, with empty files in the place of results."""
    dry = ["--dry-run", "--configfile", "config/paper.yaml"]
    text, seconds, _ = snakemake(folder, *dry, "--quiet", "rules")
    show("jobs of the paper", int(re.search(r"^total +(\d+)$", text, re.MULTILINE)[1]))
    show("dry run of the paper, s", seconds)
    texts = [snakemake(folder, *dry, "--quiet", program=("-c", PARSE))[0] for _ in range(3)]
    parses = [float(re.search(r"PARSE (\S+)", text)[1]) for text in texts]
    show("parse of the paper, s", min(parses))
    summary, _, _ = snakemake(folder, "--summary", "--configfile", "config/paper.yaml")
    for line in summary.splitlines():
        if not line.startswith("results/"):
            continue
        path = folder / line.split("\t")[0]
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    snakemake(folder, "--touch", "--configfile", "config/paper.yaml")
    text, seconds, _ = snakemake(folder, "--configfile", "config/paper.yaml")
    if "Nothing to be done" not in text:
        sys.exit(f"the rerun found something to do:\n{text[-3000:]}")
    show("no-op rerun of the paper, s", seconds)


def many(folder):
    """Dry run with 200 methods, made up where they are missing."""
    shutil.rmtree(folder / "baselines")
    for index in range(199):
        add_method(folder, f"method{index:03d}", "return visible", train="{epochs: 1}")
    datasets = {
        f"town{index}": {"adapter": "synthetic_urban", "stands_for": "whu"} for index in range(4)
    }
    config = {"title": "many", "weights": "train", "seeds": list(range(5)), "datasets": datasets}
    (folder / "many.yaml").write_text(yaml.safe_dump(config))
    text, seconds, memory = snakemake(
        folder, "--dry-run", "--quiet", "rules", "--configfile", "many.yaml"
    )
    show("jobs of 200 methods, 4 sets, 5 seeds", int(re.search(r"total +(\d+)", text)[1]))
    show("their dry run, s", seconds)
    show("its memory, MiB", memory)


def full(folder):
    """The simulated run, stage by stage."""
    shutil.copy2(ROOT / "benchmarks" / "simulated.py", folder / "harness" / "datasets")
    (folder / "full.yaml").write_text(yaml.safe_dump(FULL))
    rows = [*METHODS, *(f"average+{name}" for name in FULL["stretched"]["average"])]
    largest = 0.0
    for stage, pattern in STAGES.items():
        targets = sorted(
            {pattern.format(dataset=dataset, row=row) for dataset in TILES for row in rows}
        )
        _, seconds, memory = snakemake(folder, *targets, "--configfile", "full.yaml")
        largest = max(largest, memory)
        if stage == "measure":
            show("measuring one method, s", seconds / len(rows))
        elif stage == "fuse":
            show("fusing with one method, s", seconds / len(rows))
        else:
            show(f"{stage}, s", seconds)
        show(f"memory of {stage}, MiB", memory)
    show("memory, MiB", largest)
    show("no-op rerun, s", snakemake(folder, "--configfile", "full.yaml")[1])


PARTS = {"paper": paper, "many": many, "full": full}


def main():
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "parts", nargs="*", default=list(PARTS), choices=list(PARTS), metavar="PART"
    )
    parser.add_argument("--scratch", type=Path, help="where the copies go; default: $TMPDIR")
    for part in parser.parse_args().parts:
        with tempfile.TemporaryDirectory(dir=parser.parse_args().scratch) as scratch:
            PARTS[part](copy_project(Path(scratch, part)))


if __name__ == "__main__":
    main()
