"""Fuse a data set's test tiles with one method: `python -m harness.stages.fuse --help`.

No torch here: the method runs in a process forked from this one, which loads it there.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from harness.cli import add_mirrors, run
from harness.disk.files import atomic_path, remove_stale
from harness.disk.records import Record
from harness.errors import MethodFailure
from harness.machine.isolation import Beat, supervise
from harness.methods.spec import MethodSpec, find_method
from harness.pixels import STRETCHES
from harness.stages.common import add_timeout, method_parser
from harness.tiles.store import TileStore


def main() -> None:
    """Fuse the test tiles of one data set with one method; write the stack and its record."""
    parser = method_parser(main.__doc__ or "")
    parser.add_argument("--stretch", choices=list(STRETCHES), default="none", help="of the output")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint.pt of a trained method")
    parser.add_argument(
        "--weights", default="official", help="official (default), or a weight file"
    )
    add_mirrors(parser, "the authors' weights under any name")
    add_timeout(parser)
    parser.add_argument("--output", type=Path, required=True, help="fused.npy to write")
    arguments = parser.parse_args()
    # A method may change the current folder.
    arguments.output = arguments.output.resolve()
    spec = find_method(arguments.method, arguments.options, arguments.include)
    config = {
        "method": spec.name,
        "options": dict(spec.options),
        "stretch": arguments.stretch,
        "seed": arguments.seed,
        "device": arguments.device,
    }
    record = Record("fuse", config)
    store = TileStore(arguments.tiles)
    shape = store.test.tiles.shape[2:]
    try:
        record.details = _fuse(spec, store, arguments)
    except MethodFailure as failure:
        record.fail(str(failure))
        print(f"failed: {failure}")
        with atomic_path(arguments.output) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.empty((0, *shape), np.uint8))
    record.write(arguments.output.with_name("fused.json"), [arguments.output])


def _fuse(spec: MethodSpec, store: TileStore, arguments: Any) -> dict[str, Any]:
    def work(beat: Beat) -> dict[str, Any]:
        from harness.fusing.job import fuse

        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        return fuse(spec, store, arguments, beat)

    before = store.state()
    try:
        # Of this process, because that of the method may be killed before it tidies up.
        with tempfile.TemporaryDirectory(prefix=f"{spec.name}-") as scratch:
            return supervise(work, arguments.timeout)
    finally:
        # Of a process that was killed while it wrote.
        remove_stale(arguments.output)
        changed = store.changed_since(before)
        if changed:
            raise MethodFailure(
                f"changed the tiles that it was given: {', '.join(changed)}; delete "
                f"{store.folder} to have them made again"
            )


if __name__ == "__main__":
    run(main)
