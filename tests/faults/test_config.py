"""Configurations and tables of a user that are empty, huge or odd."""

import pytest

from harness.benchmark import Benchmark
from harness.disk.schema import read_yaml
from harness.errors import HarnessError
from harness.fetching.first_use import NAME, FirstUseHashes

ODD = {
    "empty": b"",
    "null": b"null",
    "a list": b"[1, 2]",
    "a text": b"text",
    "no data sets": b"title: x\ndatasets: {}",
    "deep": b"title: " + b"[" * 5000 + b"]" * 5000,
    "huge": b"title: x\n" + b"".join(b"key%d: 1\n" % index for index in range(20_000)),
    "many digits": b"title: x\ndatasets: {a: {adapter: tiles}}\nseeds: [-" + b"9" * 4000 + b"]",
    "an impossible date": b"title: 2020-99-99",
    "not UTF-8": "title: Übersicht".encode("latin-1"),
    "zero bytes": b"title: \0\0",
    "tabs": b"title:\tx\n\tdatasets: y",
    "a name twice": b"title: x\ndatasets: {a: {adapter: no}}\ndatasets: {b: {adapter: no}}",
    "binary": bytes(range(256)) * 20,
    "not a number": b"title: x\ndatasets: {a: {adapter: tiles}}\ntimeout: .nan",
}


@pytest.mark.parametrize("what", ODD)
def test_odd_configuration_is_refused_by_name(tmp_path, what):
    path = tmp_path / "odd.yaml"
    path.write_bytes(ODD[what])
    with pytest.raises(HarnessError, match=r"odd\.yaml|the configuration|config: "):
        Benchmark(read_yaml(path))


LOCK_FILES = {
    "empty": b"",
    "cut": b'{"a.zip": "0000',
    "a list": b"[]",
    "no hash": b'{"a.zip": "xyz"}',
    "a number": b'{"a.zip": 5}',
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("what", LOCK_FILES)
def test_damaged_lock_file_of_hashes_is_refused(tmp_path, what):
    (tmp_path / NAME).write_bytes(LOCK_FILES[what])
    with pytest.raises(HarnessError, match=r"sources\.lock\.json"):
        FirstUseHashes(tmp_path).get("a.zip")
    with pytest.raises(HarnessError, match=r"sources\.lock\.json"):
        FirstUseHashes(tmp_path).record("b.zip", "0" * 64)
    assert (tmp_path / NAME).read_bytes() == LOCK_FILES[what]
