"""One finished run for all tests of identities, because it takes most of their time."""

import pytest

from tests.helpers.copies import copy_of_run, finished_run


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """The finished run that every case begins with."""
    return finished_run(tmp_path_factory.mktemp("original"))


@pytest.fixture
def project(original, tmp_path):
    """A copy of the finished run that a test may change."""
    return copy_of_run(original, tmp_path)
