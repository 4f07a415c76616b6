"""Fuse the test tiles of a data set with one method: `python -m harness.stages.fuse --help`.

This module does not import torch: the method runs in a forked process, which loads it there.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from harness.cli import add_mirrors, run
from harness.disk.files import remove_stale
from harness.disk.records import Claim, Record
from harness.errors import MethodFailure
from harness.fusing.job import FusingJob
from harness.machine.isolation import Heartbeat, supervise
from harness.methods.chosen_weights import OFFICIAL, given_file, weights_content
from harness.methods.spec import MethodSpec, find_method
from harness.stages import identity
from harness.stages.common import (
    add_colour,
    add_stretches,
    add_timeout,
    method_parser,
    stacks_of,
)
from harness.tiles.store import TileStore, write_empty_stack


def main() -> None:
    """Fuse the test tiles of one data set with one method; write each stack and its record."""
    arguments = _parser().parse_args()
    spec = find_method(arguments.method, arguments.options, arguments.include)
    # Absolute paths, because a method may change the current folder.
    outputs = {stretch: path.resolve() for stretch, path in stacks_of(arguments).items()}
    records = {stretch: _record(arguments, spec, stretch) for stretch in outputs}
    store = TileStore(arguments.tiles)
    job = FusingJob(
        spec,
        store.test,
        store.names("test"),
        outputs,
        classes=len(store.classes),
        colour=arguments.colour == "per_channel",
        seed=arguments.seed,
        device=arguments.device,
        threads=arguments.threads,
        checkpoint=arguments.checkpoint,
        weights=given_file(spec, arguments.weights),
        mirrors=arguments.mirror,
    )
    details, failure = {}, ""
    try:
        details = _fuse(job, store, arguments.timeout)
    except MethodFailure as error:
        failure = str(error)
        print(f"failed: {failure}")
    for stretch, record in records.items():
        record.details = details
        if failure:
            record.fail(failure)
            write_empty_stack(outputs[stretch], job.pairs)
        files = [outputs[stretch]] if failure else job.artefacts(stretch)
        record.write(outputs[stretch].with_name("fused.json"), files)


def _record(arguments: argparse.Namespace, spec: MethodSpec, stretch: str) -> Record:
    """Begin the record of one stack."""
    weights, trained = arguments.weights, arguments.checkpoint is not None
    seed, device = arguments.seed, arguments.device
    claim = Claim(
        stacks_of(arguments)[stretch].with_name("fused.json"),
        arguments.asked,
        lambda: identity.fuse(
            spec,
            (stretch, arguments.colour),
            weights_content(spec, weights, trained=trained),
            seed,
            device,
        ),
    )
    run = {"method": spec.name, "options": dict(spec.options)}
    config = {**run, "stretch": stretch, "colour": arguments.colour, "seed": seed, "device": device}
    return Record("fuse", config, claim=claim)


def _parser() -> argparse.ArgumentParser:
    parser = method_parser(main.__doc__ or "")
    add_stretches(parser, "fused.npy to write")
    parser.add_argument("--checkpoint", type=Path, help="path of a trained method's checkpoint.pt")
    parser.add_argument(
        "--weights",
        default=OFFICIAL,
        help="official (default), demonstration, or the path of a weight file",
    )
    add_colour(parser)
    add_mirrors(parser, "the authors' weights under any name")
    add_timeout(parser)
    return parser


def _fuse(job: FusingJob, store: TileStore, timeout: float) -> dict[str, Any]:
    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        from harness.fusing.execution import fuse

        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        return fuse(job, heartbeat)

    before = store.state()
    try:
        # This process owns the folder: the method's process may be killed before it cleans up.
        with tempfile.TemporaryDirectory(prefix=f"{job.spec.name}-") as scratch:
            return supervise(work, timeout)
    finally:
        # A process that was killed while it wrote leaves a temporary file.
        for path in (path for output in job.outputs for path in job.artefacts(output)):
            remove_stale(path)
        changed = store.changed_since(before)
        if changed:
            raise MethodFailure(
                f"changed the tiles that it was given: {', '.join(changed)}; delete "
                f"{store.folder} so that they are prepared again"
            )


if __name__ == "__main__":
    run(main)
