"""Settings of every test."""

import gc
import os
import signal
import sys

import pytest
import torch
from hypothesis import settings

from harness.machine.allocator import keep_freed_memory
from tests.helpers.faults import whole_run
from tests.helpers.project import copy_project, snakemake

# A run in the background may ignore Ctrl-C and a closed terminal, and so would every process that a
# test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Most processes of the tests run in copies of the repository, which each of them would compile.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# The tests themselves import methods from folders that they change from one second to the next.
sys.dont_write_bytecode = True
# No test may fail because the machine is busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# Imports and collected tests are objects that stay; looking through them took 7 % of the time.
gc.set_threshold(100_000, 20, 20)


def pytest_collection_modifyitems(config, items):
    """Start with files that take long: those of slow tests, then those that run the workflow.

    Parallel processes end together then.
    """
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (item.path not in slow, item.path.parent.name != "workflow"))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small tensors gain nothing from more threads, and lose much on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def kept_memory():
    """New pages for every array would cost the metrics' definitions a third of their time."""
    keep_freed_memory()


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run of the tiny configuration, its stages run without the workflow."""
    folder = tmp_path_factory.mktemp("finished")
    whole_run(folder)
    return folder


@pytest.fixture(scope="session")
def finished_workflow(tmp_path_factory):
    """A finished run of the workflow with the tiny configuration; who edits it undoes it."""
    folder = copy_project(tmp_path_factory.mktemp("finished_workflow"))
    run = snakemake(folder)
    assert run.returncode == 0, run.stdout[-3000:]
    return folder


@pytest.fixture
def public(tmp_path):
    """A folder that other users may enter."""
    folder = tmp_path
    while folder != folder.parent and folder.name.startswith(("pytest-", "popen-", tmp_path.name)):
        folder.chmod(0o755)
        folder = folder.parent
    return tmp_path
