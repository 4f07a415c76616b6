"""Train one method on one data set: `python -m harness.stages.train --help`.

This module does not import torch: the training runs in a forked process, which loads it there.
"""

from pathlib import Path
from typing import Any

from harness.cli import json_object, run
from harness.disk.files import remove_stale, write_text
from harness.disk.records import Claim, Record
from harness.errors import MethodFailure
from harness.machine.isolation import Heartbeat, Work, supervise
from harness.methods.spec import find_method
from harness.stages import identity
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
    path = arguments.output.with_name("training.json")
    claim = Claim(
        path,
        arguments.asked,
        lambda: identity.train(spec, config["recipe"], arguments.seed, arguments.device),
    )
    record = Record("train", config, claim=claim)
    # Absolute paths, because a method may change the current folder.
    tiles, output = arguments.tiles.resolve(), arguments.output.resolve()
    include = tuple(folder.resolve() for folder in arguments.include)

    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        from harness.training.job import TrainingJob, train

        job = TrainingJob(config, tiles, output, include, claim.identity["request"])
        return train(job, heartbeat)

    log: list[dict[str, float]] = []
    try:
        record.details = _supervised(work, output, arguments.timeout)
        log = record.details.pop("log")
    except MethodFailure as failure:
        record.fail(str(failure))
        print(f"failed: {failure}")
        write_text(output, "")
    write_log(output.with_name("training_log.csv"), log)
    record.write(path, [output])
    if record.status == "ok":
        # After a failure, the next run continues from it.
        output.with_name("partial.pt").unlink(missing_ok=True)


def _supervised(work: Work, output: Path, timeout: float) -> dict[str, Any]:
    try:
        return supervise(work, timeout)
    finally:
        # A process that was killed while it wrote leaves temporary files.
        for name in (output.name, "partial.pt", "best.pt"):
            remove_stale(output.with_name(name))


if __name__ == "__main__":
    run(main)
