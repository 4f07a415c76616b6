"""List what would run again, and why: `segfanet-bench status --help`."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from harness.cli import Commands, add_command
from harness.commands.configured import add_configfile, read_results
from harness.errors import HarnessError
from harness.workflow import AGAIN, MISSING, RESULTS, Results

EPILOG = """\
Compares the identity in the record of every result below results/ with the one that the
configuration, the code and the inputs ask for now. Nothing is run and no result is changed. The
tables and the report follow whenever the values of a row change.

examples:
  segfanet-bench status
  segfanet-bench status --configfile config/paper.yaml
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "list results that would be made again, and why"
    add_configfile(add_command(commands, "status", run, summary, EPILOG))


def run(arguments: argparse.Namespace) -> None:
    """Print why results would be made again, and results that no row claims.

    Raises:
        HarnessError: if the configuration cannot be read or cannot work.
    """
    results = read_results(arguments)
    reasons: dict[str, str] = {}
    for job in [*results.jobs(), *results.features]:
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
