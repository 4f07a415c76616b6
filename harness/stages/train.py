"""Train one method on one data set: `python -m harness.stages.train --help`.

No torch here: the training runs in a process forked from this one, which loads it there.
"""

from pathlib import Path
from typing import Any

from harness.cli import json_object, run
from harness.disk.files import remove_stale, write_text
from harness.disk.records import Record
from harness.errors import MethodFailure
from harness.machine.isolation import Beat, supervise
from harness.methods.spec import find_method
from harness.stages.common import add_timeout, method_parser
from harness.training.log import write_log


def main() -> None:
    """Train one method on one data set; write checkpoint, log and record."""
    parser = method_parser(main.__doc__ or "")
    parser.add_argument("--recipe", type=json_object, default={}, help="JSON, over method.yaml's")
    add_timeout(parser)
    parser.add_argument("--output", type=Path, required=True, help="checkpoint.pt to write")
    arguments = parser.parse_args()
    # A method may change the current folder.
    output = arguments.output = arguments.output.resolve()
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
    log: list[dict[str, float]] = []
    try:
        record.details = _train(config, arguments)
        log = record.details.pop("log")
        output.with_name("partial.pt").unlink(missing_ok=True)
    except MethodFailure as failure:
        # `partial.pt` stays: the next run goes on from it.
        record.fail(str(failure))
        print(f"failed: {failure}")
        write_text(output, "")
    write_log(output.with_name("training_log.csv"), log)
    record.write(output.with_name("training.json"), [output])


def _train(config: dict[str, Any], arguments: Any) -> dict[str, Any]:
    def work(beat: Beat) -> dict[str, Any]:
        from harness.training.job import Job, train

        # A method may change the current folder.
        include = tuple(folder.resolve() for folder in arguments.include)
        return train(Job(config, arguments.tiles.resolve(), arguments.output, include), beat)

    try:
        return supervise(work, arguments.timeout)
    finally:
        # Of a process that was killed while it wrote.
        for name in (arguments.output.name, "partial.pt", "best.pt"):
            remove_stale(arguments.output.with_name(name))


if __name__ == "__main__":
    run(main)
