"""What the console says about a job that failed, or that left a failed cell."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from snakemake_logger_plugin_segfanet.progress import Job


def failed_cell(job: Job) -> str:
    """Return the reason of the failed cell that a job left, by its record; "" if it left none."""
    for path in job.output:
        if path.endswith(".json"):
            # A record that cannot be read is refused by the job that needs it.
            with suppress(OSError, ValueError):
                record = json.loads(Path(path).read_text(encoding="utf-8"))
                if isinstance(record, dict) and record.get("status") == "failed":
                    return "\n".join([f"{job.name} failed: {record['reason']}", *_places(job.logs)])
    return ""


def failed_job(
    job: Job, message: str | None, details: Mapping[str, Any], logs: Sequence[str]
) -> str:
    """Return why a job ended with an error: what Snakemake says, and its whole logs.

    Args:
        job: the job.
        message: of Snakemake; most errors have none.
        details: what the executor adds, such as the job's number on a cluster.
        logs: the job's logs and those of the executor.
    """
    lines = [f"{job.name} failed" + (f": {message}" if message else "")]
    lines += [f"  {key}: {value}" for key, value in details.items()]
    for log in logs:
        lines += [*_places([log]), *_content(log)]
    return "\n".join(lines)


def _places(logs: Sequence[str]) -> list[str]:
    return [f"  log: {log}" for log in logs]


def _content(log: str) -> Iterator[str]:
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        yield f"    cannot be read: {error.strerror}"
        return
    yield from (f"    {line}" for line in text.splitlines() or ["is empty"])


def without_command(text: str) -> str:
    """Shorten an error of Snakemake: how a command ended matters, not its pages of arguments."""
    return re.sub(r"^Command '.*' (returned|died)", r"The command \1", text, flags=re.S | re.M)
