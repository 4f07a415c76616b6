"""The table of injected faults in docs/reliability.md against the tests that exist."""

import re
import subprocess
import sys
from fnmatch import fnmatchcase

import pytest

from harness.disk.schema import ROOT

NO_FAULTS = ("faults/test_docs.py", "faults/test_security.py")
"""This file, and what docs/security.md describes."""


def rows():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    return re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| `([^`]+)` \|$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def known():
    """Identifiers of all tests in the files of the table and in those of faults."""
    files = {test.split("::")[0] for *_, test in rows()}
    files |= {f"faults/{path.name}" for path in (ROOT / "tests/faults").glob("test_*.py")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT / "tests",
        check=True,
        capture_output=True,
        text=True,
    )
    return [line.removeprefix("tests/") for line in run.stdout.splitlines() if "::" in line]


def matches(name, test):
    # Brackets are part of a name here, and no set of letters.
    return fnmatchcase(name, test.replace("[", "[[]"))


def test_every_fault_of_the_table_has_its_test(known):
    faults = rows()
    assert len(faults) >= 40
    assert len({(fault, where) for fault, where, _, _ in faults}) == len(faults)
    for fault, where, _, test in faults:
        assert any(matches(name, test) for name in known), f"{fault} in {where}: no test {test}"


def test_every_injected_fault_is_in_the_table(known):
    tests = [test for *_, test in rows()]
    faults = [name for name in known if name.startswith("faults/")]
    injected = [name for name in faults if not name.startswith(NO_FAULTS)]
    assert injected
    for name in injected:
        assert any(matches(name, test) for test in tests), f"{name} has no row"
