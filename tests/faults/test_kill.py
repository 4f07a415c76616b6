"""Each stage is killed by a signal before its result gets its name, and then runs again."""

import shutil
import signal

import pytest

from tests.helpers.faults import (
    STAGES,
    contents,
    copy_of,
    kill_at_replacement,
    litter,
    stage,
)

SIGNALS = {"SIGKILL": -signal.SIGKILL, "SIGTERM": 128 + signal.SIGTERM, "SIGINT": 130}


def forget(folder, outputs):
    for path in outputs:
        path = folder / path
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", STAGES)
def test_killed_stage_leaves_no_result_and_runs_again(finished, tmp_path, name, number):
    folder, expected = copy_of(finished, tmp_path), contents(finished)
    outputs = STAGES[name][2]
    forget(folder, outputs)
    if name == "report":
        # The page lies in the same folder as the result of the next stage.
        expected.pop("results/report/complete.txt")
    before = contents(folder)
    ended = stage(name, folder, before=kill_at_replacement(signal.Signals[number]))
    assert ended.status == SIGNALS[number], ended.output
    assert "Traceback" not in ended.output
    assert ("interrupted" in ended.output) == (number == "SIGINT")
    assert {key: value for key, value in contents(folder).items() if key in before} == before
    assert not [path for path in outputs if (folder / path).is_file()]
    if number != "SIGKILL":
        assert not litter(folder)
    again = stage(name, folder)
    assert again.status == 0, again.output
    assert not litter(folder)
    assert contents(folder) == expected
