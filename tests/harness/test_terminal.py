"""Progress on logs, which are no terminals."""

from itertools import count

import pytest

from harness import terminal


@pytest.fixture
def clock(monkeypatch):
    """Let every look at the clock take half a minute."""
    ticks = count(0, 30)
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(ticks))


def test_lines_say_how_long_the_rest_will_take(clock, capsys):
    assert list(terminal.progress(range(5), "cutting", start=5)) == [0, 1, 2, 3, 4]
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "cutting: 6/10, about 2 min left"
    assert last == "cutting: 10 done"


def test_without_a_length_nothing_is_said_about_the_rest(clock, capsys):
    assert len(list(terminal.progress(iter(range(3)), "reading"))) == 3
    assert capsys.readouterr().err.splitlines() == [
        "reading: 1/?",
        "reading: 2/?",
        "reading: 3/?",
        "reading: 3 done",
    ]
