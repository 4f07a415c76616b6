"""Lines of text and, on a terminal, one line below them that is drawn again and again."""

import os
from typing import TextIO

ERASE = "\r\x1b[K"
"""Moves to the start of the line and erases it."""
COLOURS = {"good": "\x1b[32m", "bad": "\x1b[31m", "warning": "\x1b[33m", "": ""}
PLAIN = "\x1b[0m"


class Console:
    """Writes lines to one stream.

    Args:
        stream: where to write. It gets control characters only if it is a terminal that knows them.
        colours: whether lines may be coloured; the environment's `NO_COLOR` forbids it as well.
    """

    def __init__(self, stream: TextIO, *, colours: bool = True) -> None:
        self.stream = stream
        self.is_terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._colours = self.is_terminal and colours and not os.environ.get("NO_COLOR")
        self._status = ""

    def say(self, text: str, kind: str = "") -> None:
        """Write whole lines, above the status.

        Args:
            text: one or several lines, without the last line break.
            kind: a key of `COLOURS`.
        """
        if kind and self._colours:
            text = f"{COLOURS[kind]}{text}{PLAIN}"
        erase = ERASE if self._status else ""
        self._write(f"{erase}{text}\n{self._fitting(self._status)}")

    def show(self, status: str) -> None:
        """Draw the status again; "" removes it. Without a terminal, nothing is drawn."""
        if self.is_terminal and (status or self._status):
            self._status = status
            self._write(f"{ERASE}{self._fitting(status)}")

    def _fitting(self, status: str) -> str:
        # A line that the terminal breaks could not be erased any more.
        try:
            width = os.get_terminal_size(self.stream.fileno()).columns or 80
        except OSError:
            width = 80
        return status if len(status) < width else f"{status[: max(width - 4, 0)]}..."

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except BrokenPipeError:
            # Nobody reads any more: the run goes on, and its results count.
            self.stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
            self.is_terminal = False
        except UnicodeEncodeError:
            encoding = self.stream.encoding
            self._write(text.encode(encoding, "backslashreplace").decode(encoding))
