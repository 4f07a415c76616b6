"""Fuse the test tiles of a data set with one method: `python -m harness.stages.fuse --help`.

This module does not import torch: the method runs in a forked process, which loads it there.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from harness.cli import add_mirrors, run
from harness.disk.files import atomic_path, remove_stale
from harness.disk.records import Claim, Record
from harness.errors import MethodFailure
from harness.fusing.job import FusingJob
from harness.machine.isolation import Heartbeat, supervise
from harness.methods.spec import OFFICIAL, find_method, weights_content
from harness.pixels import STRETCHES
from harness.stages import identity
from harness.stages.common import add_timeout, method_parser
from harness.tiles.store import TileStore


def main() -> None:
    """Fuse the test tiles of one data set with one method; write the stack and its record."""
    arguments = _parser().parse_args()
    spec = find_method(arguments.method, arguments.options, arguments.include)
    config = {
        "method": spec.name,
        "options": dict(spec.options),
        "stretch": arguments.stretch,
        "seed": arguments.seed,
        "device": arguments.device,
    }
    path = arguments.output.with_name("fused.json")
    weights, trained = arguments.weights, arguments.checkpoint is not None
    claim = Claim(
        path,
        arguments.asked,
        lambda: identity.fuse(
            spec,
            arguments.stretch,
            weights_content(spec, weights, trained=trained),
            arguments.seed,
            arguments.device,
        ),
    )
    record = Record("fuse", config, claim=claim)
    store = TileStore(arguments.tiles)
    job = FusingJob(
        spec,
        store.test,
        store.names("test"),
        # An absolute path, because a method may change the current folder.
        arguments.output.resolve(),
        classes=len(store.classes),
        stretch=arguments.stretch,
        seed=arguments.seed,
        device=arguments.device,
        threads=arguments.threads,
        checkpoint=arguments.checkpoint,
        weights=None if weights == OFFICIAL else Path(weights),
        mirrors=arguments.mirror,
    )
    try:
        record.details = _fuse(job, store, arguments.timeout)
    except MethodFailure as failure:
        record.fail(str(failure))
        print(f"failed: {failure}")
        with atomic_path(job.output) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.empty((0, *job.pairs.tiles.shape[2:]), np.uint8))
    record.write(path, [job.output])


def _parser() -> argparse.ArgumentParser:
    parser = method_parser(main.__doc__ or "")
    parser.add_argument(
        "--stretch",
        choices=list(STRETCHES),
        default="none",
        help="stretch of the fused images; default none",
    )
    parser.add_argument("--checkpoint", type=Path, help="path of a trained method's checkpoint.pt")
    parser.add_argument(
        "--weights", default=OFFICIAL, help="official (default) or the path of a weight file"
    )
    add_mirrors(parser, "the authors' weights under any name")
    add_timeout(parser)
    parser.add_argument("--output", type=Path, required=True, help="path of fused.npy to write")
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
        remove_stale(job.output)
        changed = store.changed_since(before)
        if changed:
            raise MethodFailure(
                f"changed the tiles that it was given: {', '.join(changed)}; delete "
                f"{store.folder} so that they are prepared again"
            )


if __name__ == "__main__":
    run(main)
