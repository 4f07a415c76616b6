"""Hashes of files: git blobs, several at once, from bytes that arrive, and contradictions."""

import hashlib
import subprocess
from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.disk.schema import check
from harness.errors import HarnessError
from harness.fetching import registry
from harness.fetching.checksums import Digests, contradiction, file_hashes
from harness.fetching.source import ExternalFile, fetch, locate
from harness.methods import spec as methods
from harness.methods.spec import MethodFile, discover, weight_source
from harness.methods.weights import choose_weights, official_file
from tests.helpers.downloads import DATA, QUICK, SHA, held, source
from tests.helpers.file_server import Script, serve

BLOB = hashlib.sha1(b"blob %d\0" % len(DATA) + DATA).hexdigest()
KINDS = ("sha256", "git_blob", "md5")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.mark.parametrize("content", [b"", b"x", bytes(100_000)])
def test_a_git_blob_is_what_git_says(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    run = subprocess.run(["git", "hash-object", path], check=True, capture_output=True, text=True)
    found = file_hashes(path, KINDS)
    assert found["git_blob"] == run.stdout.strip()
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["md5"] == hashlib.md5(content).hexdigest()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(0, 9))
def test_hashes_of_arriving_bytes_are_those_of_the_file(tmp_path_factory, pieces, cut):
    """The connection is lost after `cut` pieces; what was written is read again or rewound."""
    path = tmp_path_factory.mktemp("part") / "part"
    whole = b"".join(pieces)
    digests = Digests(KINDS, len(whole))
    for piece in pieces:
        digests.update(piece)
    start = len(b"".join(pieces[:cut]))
    path.write_bytes(whole[:start])
    digests.catch_up(path, start)
    for piece in pieces[cut:]:
        digests.update(piece)
    path.write_bytes(whole)
    expected = file_hashes(path, KINDS)
    assert {**expected, **digests.of(path)} == expected


@pytest.mark.parametrize("size", [0, len(DATA)])
def test_a_blob_alone_verifies_a_download(cache, size):
    wanted = source("", sha256="", git_blob=BLOB, bytes=size)
    with serve(Script(DATA, cuts=[1_000_000])) as root:
        path = fetch(replace(wanted, urls=(f"{root}/a",)), cache=cache, pause=QUICK)
    assert path.read_bytes() == DATA
    with (
        serve(Script(DATA[:-1] + b"?")) as root,
        pytest.raises(HarnessError, match=f"its git_blob is .*, expected {BLOB}"),
    ):
        fetch(replace(wanted, urls=(f"{root}/a",)), cache=cache / "other", pause=QUICK)
    assert held(cache / "other") == []


def test_addresses_of_one_blob_are_tried_in_turn(cache):
    page = Script(b"<html>gone</html>", content_type="text/html")
    with serve(page) as first, serve(Script(DATA[:-9])) as short, serve(Script(DATA)) as right:
        urls = (f"{first}/a", f"{short}/b", f"{right}/c")
        wanted = source("", urls=urls, sha256="", git_blob=BLOB)
        assert fetch(wanted, cache=cache, pause=QUICK).read_bytes() == DATA


def test_a_size_that_the_server_announces_is_compared_first(cache):
    script = Script(DATA)
    with serve(script) as root, pytest.raises(HarnessError, match="announces 3000000 bytes"):
        fetch(source(f"{root}/a", bytes=7), cache=cache, pause=QUICK)


def test_both_hashes_have_to_be_right(cache, tmp_path):
    mirror = tmp_path / "mirror" / "deep" / "er"
    mirror.mkdir(parents=True)
    (mirror / "any.zip").write_bytes(DATA)
    for stated in ({"git_blob": BLOB}, {"sha256": "", "git_blob": BLOB}, {}):
        found = locate(source("", **stated), cache=cache, mirrors=[tmp_path / "mirror"])
        assert found == mirror / "any.zip"
    for stated in ({"git_blob": "0" * 40}, {"git_blob": BLOB, "sha256": "0" * 64}):
        wrong = source("", bytes=len(DATA), **stated)
        with pytest.raises(HarnessError, match="contradict each other, correct the entry"):
            locate(wrong, cache=cache, mirrors=[tmp_path / "mirror"])
        with (
            serve(Script(DATA)) as root,
            pytest.raises(HarnessError, match=r"file\.zip: .*contradict"),
        ):
            fetch(replace(wrong, urls=(f"{root}/a",)), cache=cache, pause=QUICK)


def test_two_files_of_one_name_lie_beside_each_other(cache):
    other = DATA[::-1]
    for data in (DATA, other):
        wanted = source("", sha256=hashlib.sha256(data).hexdigest())
        with serve(Script(data)) as root:
            path = fetch(replace(wanted, urls=(f"{root}/a",)), cache=cache, pause=QUICK)
        assert (path.name, path.read_bytes()) == ("file.zip", data)
    assert locate(source(""), cache=cache).read_bytes() == DATA


def test_a_damaged_file_of_the_cache_is_refused(cache):
    with serve(Script(DATA)) as root:
        path = fetch(source(f"{root}/a"), cache=cache, pause=QUICK)
    path.write_bytes(DATA[:-1] + b"?")
    with pytest.raises(HarnessError, match=f"{path}: its sha256 .* delete it"):
        fetch(source("http://127.0.0.1:9/x"), cache=cache)


def test_a_file_whose_hash_nobody_knows_is_searched_by_its_path(cache, tmp_path):
    mirror = tmp_path / "mirror"
    for folder in ("a/lbl", "a/optical", "a/b/lbl"):
        (mirror / folder).mkdir(parents=True)
        (mirror / folder / "x.dat").write_bytes(folder.encode())
    unknown = ExternalFile("lbl/x.dat")
    assert locate(unknown, cache=cache, mirrors=[mirror]) == mirror / "a/lbl/x.dat"
    (mirror / "c/lbl").mkdir(parents=True)
    (mirror / "c/lbl/x.dat").write_bytes(b"another")
    with pytest.raises(HarnessError, match="keep one of them"):
        locate(unknown, cache=cache, mirrors=[mirror])


ENTRIES = [
    ("a", {"sha256": SHA, "git_blob": BLOB, "bytes": 3}),
    ("b", {"sha256": SHA, "bytes": 3}),
    ("c", {"git_blob": BLOB}),
]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "0" * 64, "git_blob": BLOB},
        {"sha256": SHA, "git_blob": "0" * 40},
        {"sha256": SHA, "bytes": 4},
        {"git_blob": BLOB, "bytes": 4},
    ],
)
def test_entries_that_contradict_each_other_are_found(wrong):
    assert contradiction(ENTRIES) == ""
    assert "one of them is wrong" in contradiction([*ENTRIES, ("d", wrong)])


def test_a_registry_that_contradicts_itself_is_refused(tmp_path):
    terms = {"title": "t", "licence": "l", "citation": "c", "page": "p"}
    files = [
        {"name": "a.png", "sha256": SHA, "git_blob": BLOB},
        {"name": "b.png", "sha256": "0" * 64, "git_blob": BLOB},
    ]
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({x["name"][0]: {**terms, "files": [x]} for x in files}))
    with pytest.raises(HarnessError, match=r"b: b\.png: sha256 is 0+, but .*a: a\.png has"):
        registry.read_registry(path)


def test_methods_whose_weights_contradict_each_other_are_refused(tmp_path, monkeypatch):
    for name, sha256 in (("one", SHA), ("two", "0" * 64)):
        folder = tmp_path / name
        folder.mkdir()
        weights = {"file": "x.pth", "licence": "MIT", "sha256": sha256, "git_blob": BLOB}
        text = yaml.safe_dump({"name": name, "title": "x", "entry": "a:B", "weights": weights})
        (folder / "method.yaml").write_text(text)
    monkeypatch.setattr(methods, "method_folders", lambda: [])
    with pytest.raises(HarnessError, match=r"two/method\.yaml: weights: official: sha256 is 0+"):
        discover([tmp_path])


def test_umfusion_has_a_pinned_address_and_a_second_one():
    (entry,) = discover()["umfusion"].weight_files.values()
    wanted = weight_source(entry)
    assert len(wanted.urls) == 2
    assert all(url.startswith("https://raw.githubusercontent.com/") for url in wanted.urls)
    assert wanted.git_blob == "7cd235858341328e4cf19ed81bc1e87986183229"


def test_weights_are_known_by_their_blob(tmp_path, monkeypatch):
    mirror = tmp_path / "mirror" / "Checkpoint"
    mirror.mkdir(parents=True)
    (mirror / "UMF.pth").write_bytes(DATA)
    base = {"name": "x", "title": "x", "entry": "a:B"}
    entry = {"file": "UMF.pth", "git_blob": BLOB, "licence": "MIT", "urls": ["http://127.0.0.1:9/"]}
    check(MethodFile, {**base, "weights": entry}, "method.yaml")
    umfusion = replace(discover()["umfusion"], weights=entry)
    chosen = choose_weights(umfusion, mirrors=[tmp_path / "mirror"])
    assert (chosen.origin, chosen.sha256) == ("official", SHA)
    assert choose_weights(umfusion, file=mirror / "UMF.pth").origin == "official"
    monkeypatch.setattr("harness.fetching.download.TRIES", 1)
    with pytest.raises(HarnessError, match=r"or train it here: .*umfusion: \{weights: train\}"):
        official_file(umfusion, entry, [], cache=tmp_path / "cache")
