"""The pages of the documentation, their code blocks and their command lines."""

import re
import shlex
import textwrap
from dataclasses import dataclass

from harness.disk.schema import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.md")])
CONFIGURATIONS = sorted(ROOT.glob("config/*.yaml"))
PROGRAMS = ("snakemake", "segfanet-bench", "python", "make", "pytest")
"""Programs whose command lines stand in running text too, between backquotes."""


@dataclass(frozen=True)
class Line:
    """One command line of a page."""

    page: str
    text: str

    def __str__(self):
        return f"{self.page}: {self.text}"[:90]

    @property
    def words(self):
        """The program without its folder, and its arguments without redirections.

        `python -m snakemake` is the program `snakemake`.
        """
        words = shlex.split(self.text, comments=True)
        plain = words[: next((i for i, word in enumerate(words) if word in "<>|"), None)]
        if plain[:3] == ["python", "-m", "snakemake"]:
            return plain[2:]
        return [plain[0].rpartition("/")[2], *plain[1:]]

    @property
    def program(self):
        """Name of the program, without its folder."""
        return self.words[0]


def blocks(page, language):
    """Return the code blocks of one language, without their common indentation."""
    text = page.read_text(encoding="utf-8")
    return [
        textwrap.dedent(block)
        for block in re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    ]


def shell_lines(block):
    """Return the command lines of a shell block, continued lines joined, comments left out."""
    lines = block.replace("\\\n", " ").splitlines()
    return [line for line in lines if shlex.split(line, comments=True)]


def command_lines(program):
    """Return every line of one program: in shell blocks, in running text, and in comments of
    configurations."""
    found = []
    for page in [*PAGES, *CONFIGURATIONS]:
        text = page.read_text(encoding="utf-8")
        if page.suffix == ".md":
            lines = [line for block in blocks(page, "bash") for line in shell_lines(block)]
            prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
            spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+ [^`]+)`", prose)]
            lines += [span for span in spans if span.split()[0].rpartition("/")[2] in PROGRAMS]
        else:
            lines = re.findall(r"^# +((?:\S*/)?snakemake .*)", text, re.MULTILINE)
        found += [Line(page.stem, line) for line in dict.fromkeys(lines)]
    return [line for line in found if line.program == program]


def programs():
    """Return the first word of every line of every shell block."""
    return {
        Line(page.stem, line).program
        for page in PAGES
        for block in blocks(page, "bash")
        for line in shell_lines(block)
    }
