"""The console of a run, a logger plug-in of Snakemake: `python -m snakemake --logger segfanet`.

Snakemake finds it by the name of this package where the repository's folder is on Python's path, as
it is with `python -m`. A terminal shows one line of progress; a file or a pipe gets plain lines.
"""

import logging
import sys
import threading
import time
from dataclasses import dataclass, field
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from snakemake_logger_plugin_segfanet.console import Console
from snakemake_logger_plugin_segfanet.ending import finish
from snakemake_logger_plugin_segfanet.failures import failed_cell, failed_job, without_command
from snakemake_logger_plugin_segfanet.progress import Job, Progress

NOTHING = "Nothing to be done"
"""How the message begins with which Snakemake ends if no job has to run."""
REASONS = 8
"""Reasons for making a result again that are shown; `segfanet-bench status` lists all."""
REDRAWN = 0.5
"""Seconds until the line of progress is drawn again."""


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Options of the command line, each behind `--logger-segfanet-`."""

    everything: bool = field(
        default=False, metadata={"help": "all messages of Snakemake instead of one line per stage"}
    )
    open: bool = field(
        default=False, metadata={"help": "the report opened in a browser at the end"}
    )


class LogHandler(LogHandlerBase):
    """Turns the events of a run into lines; one thread of Snakemake calls it for each in turn."""

    writes_to_stream = True
    writes_to_file = False
    # Snakemake adds its own filter, which heeds `--quiet`, and its own formatter.
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Begin without any job; the events bring them."""
        common = self.common_settings
        given = self.settings
        self.chosen = given if isinstance(given, LogHandlerSettings) else LogHandlerSettings()
        # A dry run exists for its text, and these options ask for more of it.
        self.everything = self.chosen.everything or any(
            (common.dryrun, common.verbose, common.debug_dag, common.printshellcmds)
        )
        stream = sys.stdout if common.stdout else sys.stderr
        self.console = Console(stream, colours=not common.nocolor)
        self.run = Progress()
        self.is_current = False
        self.reasons = self.tenths = 0
        self.cells: set[str] = set()
        self.stopped = threading.Event()
        self.ticker = threading.Thread(target=self._tick, daemon=True)
        self.events = {
            LogEvent.RUN_INFO: self._planned,
            LogEvent.JOB_INFO: self._started,
            LogEvent.JOB_FINISHED: self._finished,
            LogEvent.JOB_ERROR: self._broke,
        }

    def emit(self, record: LogRecord) -> None:
        """Write what a reader wants to know of one event."""
        try:
            self.is_current |= record.getMessage().startswith(NOTHING)
            event = getattr(record, "event", None)
            if self.everything:
                self.console.say(self.format(record))
            elif event not in self.events:
                self._message(record)
            if event in self.events:
                self.events[event](record)
            self._draw()
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """End the line of progress, report what did not finish, and show the results."""
        if self.stopped.is_set():  # Python closes all handlers once more when it exits.
            return
        self.stopped.set()
        if self.ticker.is_alive():
            self.ticker.join()
        self.console.show("")
        if unfinished := self.run.unfinished():
            self._say(f"Not finished: {unfinished}", "warning")
        if not self.common_settings.dryrun and (self.is_current or self.run.is_made("report")):
            finish(self.console, open_page=self.chosen.open)
        super().close()

    def _tick(self) -> None:
        while not self.stopped.wait(REDRAWN):
            self.acquire()
            try:
                self._draw()
            finally:
                self.release()

    def _draw(self) -> None:
        if self.run.total and not self.everything:
            self.console.show(self.run.status(time.monotonic()))

    def _say(self, text: str, kind: str = "") -> None:
        if not self.everything:
            self.console.say(text, kind)

    def _message(self, record: LogRecord) -> None:
        """Write a warning, an error, or why a result is made again."""
        if record.levelno >= logging.WARNING:
            kind = "bad" if record.levelno >= logging.ERROR else "warning"
            self.console.say(without_command(self.format(record)), kind)
        elif hasattr(record, "made_again"):
            self.reasons += 1
            if self.reasons <= REASONS:
                self.console.say(record.getMessage())
        elif record.getMessage().startswith(NOTHING):
            self.console.say("Every result is what is asked for: nothing to do.", "good")

    def _planned(self, record: LogRecord) -> None:
        self.run.plan(vars(record)["stats"], time.monotonic())
        if self.reasons > REASONS:
            self._say(f"and {self.reasons - REASONS} more: `segfanet-bench status` lists them")
        stages = ", ".join(f"{count} {stage}" for stage, count in self.run.planned.items())
        self._say(f"{self.run.total} jobs: {stages}")
        if self.console.is_terminal and not self.everything:
            self.ticker.start()

    def _started(self, record: LogRecord) -> None:
        told = vars(record)
        job = Job(
            told["rule_name"], told["wildcards"], told["log"], told["output"], time.monotonic()
        )
        self.run.start(told["jobid"], job)

    def _finished(self, record: LogRecord) -> None:
        number = vars(record)["job_id"]
        job = self.run.known[number]
        reason = failed_cell(job)
        self.run.end(number, time.monotonic(), failed=bool(reason))
        # The later stages of a failed cell repeat the reason of the first.
        if reason and job.cell not in self.cells:
            self.cells.add(job.cell)
            self._say(reason, "bad")
        self._progressed(job)

    def _broke(self, record: LogRecord) -> None:
        told = vars(record)
        job = self.run.known[told["jobid"]]
        self.run.end(told["jobid"], time.monotonic(), failed=True)
        self._say(failed_job(job, told["rule_msg"], told["aux"], told["log"]), "bad")
        self._progressed(job)

    def _progressed(self, job: Job) -> None:
        """Report a stage that finished; without a terminal, also each tenth of the run."""
        if self.run.is_finished(job.stage):
            kind = "warning" if self.run.has_failures(job.stage) else "good"
            self._say(self.run.summary(job.stage), kind)
        tenths = 10 * self.run.done // self.run.total
        if self.tenths < tenths < 10 and not self.console.is_terminal:
            self.tenths = tenths
            self._say(self.run.status(time.monotonic()))
