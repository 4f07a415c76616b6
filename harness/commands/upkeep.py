"""The results that a configuration asks for: their state, and the adoption of older ones."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.benchmark import Benchmark
from harness.commands.configured import read_config
from harness.disk.files import write_json
from harness.disk.identity import content_of, differences
from harness.disk.inventory import Inventory
from harness.disk.records import SEAL, SOURCES, check_artefact, read_record, sealed
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.scenes.adapters import adapter_folder, source_places
from harness.tiles.store import INVENTORY, TileStore
from harness.workflow import AGAIN, KEPT, MISSING, RESULTS, Job, Results


def read_results(configfile: Path) -> Results:
    """Return the results below the current folder that the configuration asks for.

    Raises:
        HarnessError: if the configuration cannot be read or cannot work.
    """
    return Results(Benchmark(read_config(configfile)))


def adopt_results(results: Results, *, trust_code: bool) -> None:
    """Check every result without an identity; write its identity or say why not.

    Raises:
        HarnessError: if a result cannot be adopted, after all have been looked at.
    """
    adopted, refused = 0, 0
    for job in results.jobs():
        if job.stage not in KEPT or not job.record.is_file():
            continue
        try:
            record = read_record(job.record)
            if record.get("identity") or record["status"] == "failed":
                continue
            _adopt(results, job, record, trust_code=trust_code)
            adopted += 1
            print(f"{job.record}: adopted")
        except HarnessError as error:
            refused += 1
            print(f"{job.record}: not adopted: {str(error).removeprefix(f'{job.record}: ')}")
    if refused:
        raise HarnessError(
            f"{refused} results were not adopted, {adopted} were; snakemake refuses to replace the "
            "others: delete their records to have them made again"
        )
    print(f"{adopted} results adopted")


def _adopt(results: Results, job: Job, record: dict[str, Any], *, trust_code: bool) -> None:
    request = results.request(job)
    for name in record["artefacts"]:
        check_artefact(record, job.record.parent / name)
    config = _comparable(record["config"])
    both = config.keys() & request.keys()
    changed = differences({k: config[k] for k in both}, {k: request[k] for k in both})
    if changed:
        raise HarnessError(f"it was made with another configuration: {changed}")
    inputs = {}
    for source in results.inputs(job):
        content = read_record(source.record)
        if not content.get("identity"):
            raise HarnessError(f"{source.record}, which it was made from, is not adopted")
        inputs[str(source.record)] = content_of(content)
    if job.stage == "prepare":
        inputs[SOURCES] = _images(results, job, record)
    if job.stage == "fuse":
        _check_fused(job, record, request["weights"])
    if not trust_code:
        _check_code(_folder(results, job), record.get("git", {}))
    value = {**record, "identity": {"request": request, "inputs": inputs}, "adopted": True}
    value.pop(SEAL)
    write_json(job.record, sealed(value))


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of an old record without what is no part of an identity."""
    left = {"options": ("root",), "recipe": ("checkpoint_seconds",)}
    return {
        key: {k: v for k, v in value.items() if k not in left.get(key, ())}
        if isinstance(value, dict)
        else value
        for key, value in config.items()
    }


def _images(results: Results, job: Job, record: Mapping[str, Any]) -> str:
    from datetime import datetime

    places = source_places(results.benchmark.dataset_options(job.dataset))
    inventory = Inventory(places, job.record.with_name(INVENTORY))
    if inventory.newest() > datetime.fromisoformat(record["started"]).timestamp():
        raise HarnessError("an image is newer than the tiles that were cut from it")
    return inventory.content()


def _check_fused(job: Job, record: Mapping[str, Any], weights: str) -> None:
    found = (record["details"].get("weights") or {}).get("sha256", "")
    if weights == "train":
        training = read_record(replace(job, stage="train").target)
        weights = training["artefacts"]["checkpoint.pt"]
    if found != weights:
        raise HarnessError(f"it was fused with the weights {found[:12]}, not {weights[:12]}")
    stack = np.load(job.record.with_name("fused.npy"), mmap_mode="r")
    tiles = len(TileStore(Job("prepare", job.dataset).record.parent).names("test"))
    if len(stack) != tiles:
        raise HarnessError(f"it has {len(stack)} images, and the data set {tiles} test tiles")


def _folder(results: Results, job: Job) -> Path:
    if job.stage == "prepare":
        return adapter_folder(
            results.benchmark.adapter_name(job.dataset), results.benchmark.include
        )
    return results.spec(job).folder


def _check_code(folder: Path, git: Mapping[str, Any]) -> None:
    again = "; check it yourself, then use --trust-code"
    commit = git.get("commit")
    if not commit or git.get("dirty"):
        raise HarnessError(f"its record does not say which code made it{again}")
    if not folder.is_relative_to(ROOT):
        raise HarnessError(f"the commit {commit[:12]} does not hold {folder}{again}")
    changed = _git("diff", "--name-only", commit, "--", str(folder))
    changed += _git("ls-files", "--others", "--exclude-standard", "--", str(folder))
    code = [name for name in changed if not name.endswith(".md")]
    if code:
        raise HarnessError(f"changed since the commit {commit[:12]}: {', '.join(code[:3])}{again}")


def _git(*words: str) -> list[str]:
    try:
        command = ["git", "-C", str(ROOT), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split(
            "\n"
        )[:-1]
    except (OSError, subprocess.CalledProcessError) as error:
        raise HarnessError(
            f"the repository does not know its commit: {error}; check the code yourself, then use "
            "--trust-code"
        ) from error


def print_status(results: Results) -> None:
    """Print why results would be made again, and results that no row claims."""
    reasons: dict[str, str] = {}
    for job in [*results.jobs(), *results.learning, *results.features]:
        try:
            reasons[str(job.record)] = results.reason(job)
        except HarnessError as error:
            reasons[str(job.record)] = str(error).removeprefix(f"{job.record}: ")
    count = {
        end: sum(reason.endswith(end) for reason in reasons.values()) for end in (MISSING, AGAIN)
    }
    for path, reason in reasons.items():
        if reason and not reason.endswith((MISSING, AGAIN)):
            print(f"{path}: {reason}")
    for folder in unclaimed(results):
        print(f"{folder}: no row of the configuration claims it")
    fresh = sum(not reason for reason in reasons.values())
    print(
        f"{len(reasons)} results: {fresh} as asked for, {count[MISSING]} missing, "
        f"{count[AGAIN]} after others, {len(reasons) - fresh - sum(count.values())} out of date"
    )


def unclaimed(results: Results) -> Iterator[Path]:
    """Yield the folders of runs, rows and data sets that the configuration does not ask for."""
    claimed = {parent for job in results.jobs() for parent in job.record.parents}
    claimed |= {RESULTS / name for name in ("tables", "report")}
    for folder in sorted(path for path in RESULTS.glob("*") if path.is_dir()):
        if folder not in claimed:
            yield folder
            continue
        rows = folder.glob("*") if folder.name in results.benchmark.datasets else ()
        for row in sorted(path for path in rows if path.is_dir()):
            if row not in claimed:
                yield row
                continue
            yield from (seed for seed in sorted(row.glob("seed*")) if seed not in claimed)
