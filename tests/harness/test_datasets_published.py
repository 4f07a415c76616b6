"""Published sets: tables of files, fetched one by one from a server that plays their host."""

import hashlib
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from harness.benchmark import Benchmark
from harness.datasets import published
from harness.datasets.published import PublishedSet
from harness.disk.schema import ROOT, read_yaml
from harness.errors import HarnessError
from harness.fetching import registry
from harness.fetching.checksums import file_hashes
from harness.planner.jobs import tiles_of
from harness.scenes.adapters import FOLDER, find_adapter, layout_of
from tests.helpers.published_servers import Repositories, play
from tests.helpers.shared_data import SHARED

SETS = sorted(path.parent.name for path in FOLDER.glob("*/set.yaml"))
PAIRS = {
    "cwfid": (39, 21),
    "llvip_sample": (32, 12),
    "m3fd_sample": (0, 10),
    "mfnet_tiles": (10, 3),
    "msrs": (0, 361),
    "potsdam_tiles": (10, 3),
    "roadscene221": (0, 221),
    "roadscene50": (0, 50),
    "tno25": (0, 25),
    "tno42": (0, 42),
    "vifb21": (0, 21),
    "whu_tiles": (10, 3),
}
"""Training and test pairs of every set."""


def test_every_set_is_described_here():
    assert sorted(PAIRS) == SETS


@pytest.mark.parametrize("name", SETS)
def test_tables_are_complete_and_need_no_file(name):
    adapter = find_adapter(name)
    sizes = layout_of(adapter, {})
    splits = [scene.split for scene in sizes.scenes]
    assert (splits.count("train"), splits.count("test")) == PAIRS[name]
    assert all(scene.height > 100 and scene.width > 100 for scene in sizes.scenes)
    known = registry.dataset_sources(name)
    for rows in adapter.pairs.values():
        for row in rows.values():
            source = known[row["path"]]
            assert source.sha256 and source.git_blob and source.bytes and not source.optional
            assert source.urls[0].endswith(registry.quote(row["path"]))
    assert (adapter.folder / "README.md").is_file()
    assert all(path.is_file() for path in adapter.DATA_FILES)


def test_whole_images_are_the_default_of_sets_of_whole_images():
    names = dict.fromkeys(SETS)
    benchmark = Benchmark({"title": "t", "methods": ["average"], "datasets": names})
    tiled = {"whu_tiles", "potsdam_tiles", "mfnet_tiles", "cwfid"}
    assert {name for name in SETS if not benchmark.tiling(name)["whole"]} == tiled
    given = {"tno25": {"tiling": {"size": 128, "stride": 128}}}
    cut = Benchmark({"title": "t", "methods": ["average"], "datasets": given}).tiling("tno25")
    assert (cut["size"], cut["whole"]) == (128, False)


def test_configurations_say_how_many_tiles_and_images_they_use():
    counts = {}
    for name in ("field", "cwfid"):
        benchmark = Benchmark(read_yaml(ROOT / "config" / f"{name}.yaml"))
        for dataset in benchmark.datasets:
            tiles = tiles_of(benchmark, dataset)
            counts[dataset] = (tiles.train, tiles.test)
    assert counts.pop("cwfid") == (780, 420)
    assert counts == {"tno25": (0, 25), "roadscene50": (0, 50), "vifb21": (0, 21)}


def test_pairs_of_one_content_have_each_others_addresses():
    tno25, tno42 = (registry.dataset_sources(name) for name in ("tno25", "tno42"))
    by_blob = {item.git_blob: item.urls[0] for item in tno42.values()}
    assert all(by_blob[item.git_blob] in item.urls for item in tno25.values())


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


SIZE = (150, 200)
"""Rows and columns of the made-up images."""


class MadeUp:
    """A set of its own in a folder, and the files of the repository that it names."""

    BASE = "https://raw.githubusercontent.com/someone/images/0123abc/"

    def __init__(self, folder, monkeypatch):
        rng = np.random.default_rng(0)
        self.files, self.pixels, rows = {}, {}, []
        for name, split in (("a 1", "train"), ("b", "train"), ("c", "test")):
            for role in ("visible", "infrared", "label")[: 3 if split == "train" else 2]:
                shape = (*SIZE, 3) if role == "visible" else SIZE
                pixels = rng.integers(0, 3 if role == "label" else 256, shape, np.uint8)
                self.pixels[name, role] = pixels
                data, path = png(pixels), f"data/{role}/{name}.png"
                self.files[f"someone/images/0123abc/{path}"] = data
                hashes = (
                    hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
                    hashlib.sha256(data).hexdigest(),
                )
                other = f"https://example.org/copy/{role}{name[0]}.png"
                rows.append(
                    [
                        role,
                        name,
                        path,
                        str(len(data)),
                        *hashes,
                        str(SIZE[1]),
                        str(SIZE[0]),
                        split,
                        other,
                    ]
                )
        columns = "role\tpair\tpath\tbytes\tgit_blob\tsha256\twidth\theight\tsplit\talso_at"
        self.folder = folder / "made_up"
        self.folder.mkdir()
        table = "\n".join([columns, *("\t".join(row) for row in rows)])
        (self.folder / "files.tsv").write_text(f"# files\n{table}\n")
        (self.folder / "set.yaml").write_text(
            "title: Made up\nfamily: made_up\nclasses: [x, y]\ncodes: [1, 2]\nignore: [0]\n"
            "notes: Random numbers.\n"
        )
        group = registry.SourceGroup(
            title="Made up",
            licence="none stated",
            citation="nobody",
            page="https://example.org",
            manifest=str(self.folder / "files.tsv"),
            addresses=[self.BASE],
        )
        found = registry._sources(group, "sources.yaml: made_up")
        monkeypatch.setattr(published, "dataset_sources", lambda _: found)

    def opened(self, cache, **options):
        return PublishedSet(self.folder).open_dataset({"cache": str(cache), **options})


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    return MadeUp(tmp_path, monkeypatch)


def check_pixels(made_up, dataset):
    for scene in dataset.scenes:
        bands = scene.read(0, 0, *SIZE)
        expected = np.moveaxis(made_up.pixels[scene.name, "visible"], 2, 0)
        np.testing.assert_array_equal(bands[:3], expected)
        np.testing.assert_array_equal(bands[3], made_up.pixels[scene.name, "infrared"])
        labels = made_up.pixels.get((scene.name, "label"), np.zeros(SIZE, np.uint8))
        np.testing.assert_array_equal(bands[4], labels.astype(np.uint8) - 1)


def test_a_set_arrives_once_and_says_what_it_is(tmp_path, monkeypatch, made_up, capsys):
    host = Repositories(made_up.files)
    with play(monkeypatch, host):
        dataset = made_up.opened(tmp_path / "cache")
        check_pixels(made_up, dataset)
        made_up.opened(tmp_path / "cache")
    assert [(scene.name, scene.split) for scene in dataset.scenes] == [
        ("a 1", "train"),
        ("b", "train"),
        ("c", "test"),
    ]
    assert len(host.asked) == 8
    assert "made_up: 0 of 8 files are here; 8 to download" in capsys.readouterr().err
    assert dataset.notes.startswith("3 of 3 pairs. ")
    assert dataset.sources[0]["files"] == 8


def test_pairs_and_splits_can_be_chosen_and_only_their_files_are_fetched(
    tmp_path, monkeypatch, made_up
):
    host = Repositories(made_up.files)
    with play(monkeypatch, host):
        dataset = made_up.opened(tmp_path / "cache", pairs=["a 1", "b"], test=["b"])
    assert [(scene.name, scene.split) for scene in dataset.scenes] == [
        ("a 1", "train"),
        ("b", "test"),
    ]
    assert len(host.asked) == 6
    assert dataset.notes.startswith("2 of 3 pairs. ")
    with pytest.raises(HarnessError, match=r"`pairs`: no pair 'd' in .*there are: a 1, b, c"):
        made_up.opened(tmp_path / "cache", pairs=["d"])
    with pytest.raises(HarnessError, match="`test` is empty"):
        made_up.opened(tmp_path / "cache", pairs=["a 1", "b"])


@pytest.mark.parametrize("same_size", [True, False])
def test_a_wrong_byte_is_refused_by_name_and_the_other_files_stay(
    tmp_path, monkeypatch, made_up, same_size
):
    path = "someone/images/0123abc/data/infrared/b.png"
    right = made_up.files[path]
    made_up.files[path] = right[:-1] + (b"?" if same_size else b"")
    with play(monkeypatch, Repositories(made_up.files)), pytest.raises(HarnessError) as error:
        made_up.opened(tmp_path / "cache")
    for part in ("7 of 8 are here, 1 missing: data/infrared/b.png", "refused", made_up.BASE):
        assert part in str(error.value)
    host = Repositories({**made_up.files, path: right})
    with play(monkeypatch, host):
        check_pixels(made_up, made_up.opened(tmp_path / "cache"))
    assert [asked for asked, _ in host.asked] == [path]


def test_a_second_address_of_the_same_content_is_tried(tmp_path, monkeypatch, made_up):
    path = "someone/images/0123abc/data/infrared/b.png"
    files = {**made_up.files, "copy/infraredb.png": made_up.files.pop(path)}
    with play(monkeypatch, Repositories({**files, path: b"other"})):
        check_pixels(made_up, made_up.opened(tmp_path / "cache"))


def test_an_interrupted_file_goes_on_where_it_stopped(tmp_path, monkeypatch, made_up):
    path = "someone/images/0123abc/data/visible/b.png"
    host = Repositories(made_up.files, cut={path: 70_000})
    with play(monkeypatch, host):
        check_pixels(made_up, made_up.opened(tmp_path / "cache"))
    assert [wanted for asked, wanted in host.asked if asked == path] == ["", f"bytes={1 << 16}-"]


@pytest.mark.parametrize("kind", ["repository", "any name", "earlier cache", "plain names"])
def test_a_mirror_replaces_the_network(tmp_path, monkeypatch, made_up, kind):
    mirror = tmp_path / "mirror"
    if kind == "earlier cache":
        with play(monkeypatch, Repositories(made_up.files)):
            made_up.opened(mirror)
    for index, (path, data) in enumerate(made_up.files.items()):
        inside = path.removeprefix("someone/images/0123abc/")
        place = mirror / {"any name": f"x/{index}", "plain names": inside}.get(kind, path)
        if kind != "earlier cache":
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    (mirror / "data/visible").mkdir(parents=True, exist_ok=True)
    check_pixels(made_up, made_up.opened(tmp_path / "cache", mirrors=[str(mirror)]))
    assert not (tmp_path / "cache").exists()


def test_one_name_of_two_files_needs_no_two_caches(tmp_path, monkeypatch, made_up):
    """`c.png` is a visible and an infrared image; both lie in one cache."""
    with play(monkeypatch, Repositories(made_up.files)):
        made_up.opened(tmp_path / "cache")
    names = [path.name for path in (tmp_path / "cache").rglob("*.png")]
    assert names.count("c.png") == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("data/visible/b.png", "../b.png"), r"line \d+: found"),
        (lambda text: text.replace("\t200\t150", "\t200", 1), "one cell for each"),
        (lambda text: text.replace("path", "paht", 1), "no heading with a column `path`"),
    ],
)
def test_a_broken_table_is_refused(made_up, change, message):
    table = made_up.folder / "files.tsv"
    table.write_text(change(table.read_text()))
    with pytest.raises(HarnessError, match=message):
        registry.read_manifest(table)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published files are not at hand")
@pytest.mark.parametrize("name", ["whu", "potsdam"])
def test_published_tiles_from_their_own_address(tmp_path, monkeypatch, name):
    adapter = find_adapter(f"{name}_tiles")
    known = registry.dataset_sources(f"{name}_tiles")
    labelled = [f"train_{number}" for number in range(1, 11)]
    kinds = {"visible": "rgb", "infrared": "ir", "label": "seg"}
    files = {}
    for pair in labelled:
        for role, kind in kinds.items():
            path = adapter.pairs[pair][role]["path"]
            place = SHARED / "real_tiles" / name / kind / f"{pair.removeprefix('train_')}.png"
            address = known[path].urls[0].removeprefix("https://raw.githubusercontent.com/")
            files[address] = place.read_bytes()
    options = {"pairs": labelled, "test": labelled[8:], "cache": str(tmp_path / "cache")}
    with play(monkeypatch, Repositories(files)):
        dataset = adapter.open_dataset(options)
    assert [scene.split for scene in dataset.scenes].count("test") == 2
    for scene in dataset.scenes:
        bands = scene.read(0, 0, 320, 320)
        with Image.open(
            io.BytesIO(files[next(a for a in files if f"/rgb/input/{scene.name[6:]}.png" in a)])
        ) as image:
            np.testing.assert_array_equal(bands[:3], np.moveaxis(np.asarray(image), 2, 0))
        assert set(np.unique(bands[4])) <= {*range(len(dataset.classes)), 255}
    mirror = {"mirrors": [str(SHARED / "real_tiles")], "cache": str(tmp_path / "other")}
    again = adapter.open_dataset({**options, **mirror})
    assert again.sources == dataset.sources
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published files are not at hand")
@pytest.mark.parametrize("name", sorted(set(SETS) - {"whu_tiles", "potsdam_tiles"}))
def test_samples_of_every_set_are_read_as_the_table_says(tmp_path, name):
    # Those of the larger TNO and RoadScene lie among the samples of the smaller.
    folder = {
        "msrs": "msrs361",
        "mfnet_tiles": "freefusion_tiles",
        "tno42": "tno25",
        "roadscene221": "roadscene50",
    }.get(name, name)
    samples = SHARED / "datasets" / "samples" / folder
    blobs = {
        file_hashes(path, ["git_blob"])["git_blob"] for path in samples.rglob("*") if path.is_file()
    }
    adapter = find_adapter(name)
    here = [
        pair
        for pair, rows in adapter.pairs.items()
        if all(row["git_blob"] in blobs for row in rows.values())
    ]
    assert here
    shutil.copytree(samples, tmp_path / "mirror")
    options = {"pairs": here, "test": here, "mirrors": [str(tmp_path / "mirror")]}
    dataset = adapter.open_dataset({**options, "cache": str(tmp_path / "cache")})
    for scene in dataset.scenes:
        row = adapter.pairs[scene.name]["visible"]
        assert (scene.height, scene.width) == (int(row["height"]), int(row["width"]))
        bands = scene.read(0, 0, scene.height, scene.width)
        assert bands.shape == (5, scene.height, scene.width)
        assert set(np.unique(bands[4])) <= {*range(len(dataset.classes)), 255}
