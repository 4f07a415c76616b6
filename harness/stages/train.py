"""Train one method on one data set: `python -m harness.stages.train --help`.

This module does not import torch: the training runs in a forked process, which loads it there.
"""

from pathlib import Path
from typing import Any

from harness.cli import json_object, run
from harness.disk.files import remove_stale, write_text
from harness.disk.records import Record
from harness.errors import MethodFailure
from harness.machine.isolation import Heartbeat, supervise
from harness.methods.spec import find_method
from harness.stages.common import add_timeout, method_parser
from harness.training.log import write_log


def main() -> None:
    """Train one method on one data set; write the checkpoint, the log and the record."""
    parser = method_parser(main.__doc__ or "")
    parser.add_argument(
        "--recipe", type=json_object, default={}, help="JSON object that overrides method.yaml"
    )
    add_timeout(parser)
    parser.add_argument("--output", type=Path, required=True, help="path of checkpoint.pt to write")
    arguments = parser.parse_args()
    spec = find_method(arguments.method, arguments.options, arguments.include)
    config = {
        "method": spec.name,
        "options": dict(spec.options),
        "recipe": {**(spec.train or {}), **arguments.recipe},
        "seed": arguments.seed,
        "device": arguments.device,
        "threads": arguments.threads,
    }
    record = Record("train", config)
    # Absolute paths, because a method may change the current folder.
    tiles, output = arguments.tiles.resolve(), arguments.output.resolve()
    log: list[dict[str, float]] = []
    try:
        include = tuple(folder.resolve() for folder in arguments.include)
        record.details = _train(config, tiles, output, include, arguments.timeout)
        log = record.details.pop("log")
        output.with_name("partial.pt").unlink(missing_ok=True)
    except MethodFailure as failure:
        # Keep `partial.pt`: the next run continues from it.
        record.fail(str(failure))
        print(f"failed: {failure}")
        write_text(output, "")
    write_log(output.with_name("training_log.csv"), log)
    record.write(output.with_name("training.json"), [output])


def _train(
    config: dict[str, Any], tiles: Path, output: Path, include: tuple[Path, ...], timeout: float
) -> dict[str, Any]:
    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        from harness.training.job import TrainingJob, train

        return train(TrainingJob(config, tiles, output, include), heartbeat)

    try:
        return supervise(work, timeout)
    finally:
        # A process that was killed while it wrote leaves temporary files.
        for name in (output.name, "partial.pt", "best.pt"):
            remove_stale(output.with_name(name))


if __name__ == "__main__":
    run(main)
