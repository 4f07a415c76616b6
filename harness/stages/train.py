"""Train one method on one data set: `python -m harness.stages.train --help`."""

from pathlib import Path
from typing import Any

from harness.contract import MethodFailure
from harness.provenance import Record
from harness.stages.common import find_method, json_object, method_parser, run
from harness.training.checkpoints import load_checkpoint, save_checkpoint
from harness.training.job import Job, train
from harness.training.log import write_log


def main() -> None:
    """Parse the command line, train, and write checkpoint, log and record."""
    parser = method_parser(main.__doc__ or "")
    parser.add_argument("--recipe", type=json_object, default={}, help="JSON, over method.yaml's")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint.pt to write")
    arguments = parser.parse_args()
    job = _job(arguments)
    record = Record("train", job.config)
    try:
        record.details = train(job)
    except MethodFailure as failure:
        record.fail(str(failure))
        print(f"failed: {failure}")
        save_checkpoint(job.output, {})
    write_log(job.output.with_name("training_log.csv"), load_checkpoint(job.output).get("log", []))
    record.write(job.output.with_name("training.json"), [job.output])
    job.partial.unlink(missing_ok=True)


def _job(arguments: Any) -> Job:
    spec = find_method(arguments.method, arguments.options)
    return Job(
        spec=spec,
        recipe={**(spec.train or {}), **arguments.recipe},
        tiles=arguments.tiles,
        seed=arguments.seed,
        device=arguments.device,
        threads=arguments.threads,
        output=arguments.output,
    )


if __name__ == "__main__":
    run(main)
