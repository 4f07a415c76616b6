"""Memory of measuring a large image, in a process of its own."""

import sys

import pytest

from benchmarks.child import in_child


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory is held")
def test_a_large_image_takes_little_more_memory_than_itself(monkeypatch):
    """Sixteen metrics of a 7680×4320 triple, of which each image has one byte per pixel."""
    monkeypatch.setenv("FUSION_METRICS_COMPILED", "1")
    assert in_child("benchmarks.metrics", "--memory", threads=1) <= 60
