"""Give results from before there were identities theirs: `segfanet-bench adopt --help`."""

import argparse
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.cli import Commands, add_command
from harness.commands.configured import add_configfile, read_results
from harness.disk.files import write_json
from harness.disk.identity import content_of, differences
from harness.disk.inventory import Inventory
from harness.disk.records import SEAL, SOURCES, check_artefact, read_record, sealed
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.scenes.adapters import adapter_folder, source_places
from harness.tiles.store import INVENTORY, TileStore
from harness.workflow import KEPT, Job, Results

EPILOG = """\
Such a record does not state all that its result depends on. Of each result, this checks: its files
against their hashes, its configuration, the weights that it loaded, the number of its tiles, that
no image is newer than the tiles cut from it, and, by the commit in its record, that the folder of
its method or adapter is what it was. The code of the harness itself has changed since: that is not
compared. A result that passes keeps its values and gets an identity; of any other this says why
not. Values and feature maps are made again in any case, which takes minutes.

examples:
  segfanet-bench adopt --configfile config/paper.yaml
  segfanet-bench adopt --configfile config/paper.yaml --trust-code
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "check results from before records stated identities, and keep them"
    parser = add_command(commands, "adopt", run, summary, EPILOG)
    add_configfile(parser)
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="adoption also of results whose code is unknown or has changed: you know better",
    )


def run(arguments: argparse.Namespace) -> None:
    """Check every result without an identity; write its identity or say why not.

    Raises:
        HarnessError: if a result cannot be adopted, after all have been looked at.
    """
    results = read_results(arguments)
    adopted, refused = 0, 0
    for job in results.jobs():
        if job.stage not in KEPT or not job.record.is_file():
            continue
        try:
            record = read_record(job.record)
            if record.get("identity") or record["status"] == "failed":
                continue
            _adopt(results, job, record, trust_code=arguments.trust_code)
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
