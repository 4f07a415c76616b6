"""Kill a run again and again, resume it, and compare it with one that was left alone.

    python -m benchmarks.kills --kills 20 --seed 0

Each kill is a SIGKILL of Snakemake and all its jobs after a random time, as when a machine goes
down. A run that ends before the last kill is compared, and another one is begun. Every file of
the results has to have the bytes of the undisturbed run, checkpoints included. Only what shows
measured times is left out: logs, the page with its figures, and the times in records.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from harness import cli
from harness.disk.records import read_record
from harness.disk.schema import ROOT
from harness.errors import HarnessError

CONFIG = {
    "title": "Kills",
    "demonstration": True,
    "device": "cpu",
    "threads": 1,
    "weights": "train",
    "methods": ["segfanet", "segfanet_1sinet", "average"],
    "stretched": {"average": ["minmax"]},
    "train": {"steps": 60, "checkpoint_seconds": 1},
    "overrides": {"segfanet": {"options": {"width": 4, "pool": [4, 4, 4]}}},
    "datasets": {
        "synthetic_urban": {"ablations": True, "tiling": {"size": 96, "stride": 96}},
    },
}
TIMED = ("training_log.csv", "index.html")
TIMED_FOLDERS = ("figures", "tensorboard")
IDENTIFYING = ("stage", "status", "reason", "config", "identity", "artefacts")
"""Keys of a record that are no times and no measurements of this run."""


def main() -> None:
    """Kill runs at random times, and compare what they end with."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--kills", type=cli.positive, default=20, help="kills in all; default 20")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random times; default 0")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        began = time.monotonic()
        expected = contents(finish(Path(scratch, "undisturbed")))
        longest = time.monotonic() - began
        print(f"undisturbed: {len(expected)} files after {longest:.0f} s", flush=True)
        done = runs = 0
        while done < arguments.kills:
            runs += 1
            folder = Path(scratch, f"killed{runs}")
            done += kill_until_finished(folder, arguments.kills - done, longest / 5, rng)
            compare(expected, contents(folder))
            print(f"{done} kills in {runs} runs: {len(expected)} files equal", flush=True)


def snakemake(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start the workflow in a process group of its own, with its results in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", *words, "--cores", "2", "--directory"]
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*command, str(folder), "--configfile", str(folder / "config.yaml")],
            cwd=ROOT,
            env={**os.environ, "FUSION_METRICS_COMPILED": "0"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish(folder: Path) -> Path:
    """Run the workflow to its end, and return the folder.

    Raises:
        HarnessError: with the end of its output, if it fails.
    """
    if snakemake(folder).wait():
        output = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
        raise HarnessError(f"the run failed:\n{output[-3000:]}")
    return folder


def kill_until_finished(folder: Path, most: int, longest: float, rng: random.Random) -> int:
    """Kill a run up to `most` times, each after up to `longest` s; return how often."""
    for killed in range(most):
        run = snakemake(folder)
        try:
            run.wait(rng.uniform(1, longest))
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            snakemake(folder, "--unlock").wait()
            continue
        finish(folder)
        return killed
    finish(folder)
    return most


def contents(folder: Path) -> dict[str, Any]:
    """Return the bytes of every file of the results by its name; of records, what is no time."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "results").rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or path.name in TIMED or set(TIMED_FOLDERS) & set(name.parts):
            continue
        found[str(name)] = _record(path) if path.suffix == ".json" else path.read_bytes()
    return found


def _record(path: Path) -> Any:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or "record_sha256" not in value:
        return value
    kept = {key: read_record(path)[key] for key in IDENTIFYING}
    artefacts = kept["artefacts"].items()
    timed = (*TIMED, *TIMED_FOLDERS)
    kept["artefacts"] = {n: digest for n, digest in artefacts if not n.startswith(timed)}
    return kept


def compare(expected: dict[str, Any], found: dict[str, Any]) -> None:
    """Refuse a run that differs.

    Raises:
        HarnessError: naming every file that is missing, new or another one.
    """
    names = sorted(n for n in expected.keys() | found if expected.get(n) != found.get(n))
    if names:
        raise HarnessError(f"not as in the undisturbed run: {', '.join(names)}")


if __name__ == "__main__":
    cli.run(main)
