"""Every reader of data, with the valid contents that broken ones are made from."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import yaml
from PIL import Image

import harness.benchmark
import harness.disk.files
import harness.fetching.first_use
from harness.benchmark import Benchmark
from harness.commands.folder_run import RECORD, FolderRun
from harness.commands.image_pairs import PairFiles, read_pair
from harness.datasets.tiles import adapter as tiles_adapter
from harness.disk.files import write_json
from harness.disk.records import SEAL, Record, check_artefact, read_record
from harness.disk.schema import ROOT, read_yaml
from harness.fetching.archives import extract_member
from harness.fetching.registry import read_registry
from harness.methods.checkpoints import load_checkpoint
from harness.methods.spec import discover, read_method, read_variants
from harness.methods.weights import load_weights
from harness.scenes.raster import Member, Raster, read_header
from harness.tiles.store import TileStore, read_fused
from metrics.images import read_codes, read_grey, read_stored
from reports.audit import read_audit
from reports.plan import plan_of, read_plan
from reports.scores import read_runs
from tests.helpers.made_up_runs import method, plan


@dataclass(frozen=True)
class Reader:
    """One reader: the name of its file, valid contents, and the function that reads the file.

    Files that are `structured` are JSON or YAML: their parsed value is changed as well.
    """

    name: str
    seeds: list[bytes]
    read: Callable[[Path], object]
    structured: bool = False


def readers(folder):
    """Return all readers by name; they may write into `folder`."""
    kinds = (_texts, _stores, _tables, _images, _folder_runs, _safetensors, _binaries)
    return dict(reader for kind in kinds for reader in kind(folder))


def _texts(folder):
    known = discover()
    harness.benchmark.discover = lambda include=(): known
    configs = [path.read_bytes() for path in sorted((ROOT / "config").glob("*.yaml"))]
    configs = [text for text in configs if b"\ndatasets:" in text]

    def config(path):
        benchmark = Benchmark(read_yaml(path))
        json.dumps(plan_of(benchmark))
        for name in benchmark.datasets:
            benchmark.tiling(name), benchmark.runs(name)

    def report_plan(path):
        read_plan(path.read_text("utf-8", "replace"), folder)

    yield "config", Reader("config.yaml", configs, config, True)
    methods = [path.read_bytes() for path in sorted((ROOT / "baselines").glob("*/method.yaml"))]
    methods = [b"name: method\n" + text.split(b"\n", 1)[1] for text in methods]
    yield (
        "method.yaml",
        Reader("method/method.yaml", methods, lambda path: list(read_method(path.parent)), True),
    )
    variants = [(ROOT / "segfanet/variants.yaml").read_bytes()]
    yield "variants.yaml", Reader("variants.yaml", variants, read_variants, True)
    sources = [(ROOT / "config/sources.yaml").read_bytes()]
    yield "sources.yaml", Reader("sources.yaml", sources, read_registry, True)
    value = plan_of(Benchmark(yaml.safe_load(configs[0])))
    yield "plan", Reader("plan.json", [json.dumps(value).encode()], report_plan, True)
    hashes = json.dumps({"a.zip": "0" * 64, "b.zip": "f" * 64}).encode()
    yield (
        "sources.lock.json",
        Reader(
            "cache/sources.lock.json",
            [hashes],
            lambda path: harness.fetching.first_use.FirstUseHashes(path.parent).get("a.zip"),
            True,
        ),
    )


def _store(folder):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 2, (2, 5, 48, 48), dtype=np.uint8)
    np.save(folder / "test.npy", pixels)
    rows = [f"test,{i},s{i},s{i},0,0,0,0" for i in range(2)]
    text = "\n".join(["split,index,tile,scene,row,col,y,x", *rows, ""])
    (folder / "manifest.csv").write_text(text)
    meta = {"title": "t", "classes": ["a", "b"], "palette": [[0, 0, 0], [9, 9, 9]], "tiles": {}}
    write_json(folder / "dataset.json", meta)
    return folder


def _stores(folder):
    def store(path):
        found = TileStore(path.parent)
        found.classes, found.names("test"), found.test.visible(slice(0, 2))

    for name in ("manifest.csv", "dataset.json", "test.npy"):
        place = _store(folder / f"store-{name}")
        seeds = [(place / name).read_bytes()]
        yield name, Reader(f"{place.name}/{name}", seeds, store, name.endswith("json"))

    (folder / "fused.npy").write_bytes(b"x")
    Record("fuse", {"method": "average"}).write(folder / "fused.json", [folder / "fused.npy"])
    record = (folder / "fused.json").read_bytes()

    def sealed(path):
        # The seal is made valid, so that the reader looks at the contents too.
        try:
            value = json.loads(path.read_bytes())
            content = {key: item for key, item in value.items() if key != SEAL}
            write_json(path, {**content, SEAL: harness.disk.files.sha256_json(content)})
        except (ValueError, AttributeError, TypeError, RecursionError):
            pass
        check_artefact(read_record(path), folder / "fused.npy")

    yield "record", Reader("record.json", [record], sealed, True)


def _tables(folder):
    report_plan = plan(folder / "results", [method("a")], ["a"], metrics=["sf", "ag"])
    run = folder / "results/d/a/seed0"
    run.mkdir(parents=True)
    (run / "fused.npy").write_bytes(b"x")
    Record("fuse", {}).write(run / "fused.json", [run / "fused.npy"])

    def scores(path):
        Record("measure", {}).write(path.with_name("scores.json"), [path])
        for item in read_runs(report_plan, report_plan.datasets[0]):
            item.scores.drop(columns=["tile"]).mean()

    table = b"dataset,method,seed,tile,sf,ag\nd,a,0,s0,1.5,2.5\nd,a,0,s1,,3.5\n"
    yield "scores.csv", Reader("results/d/a/seed0/scores.csv", [table], scores)

    def audit(path):
        Record("audit", {}).write(path.with_suffix(".json"), [path])
        read_audit(path)

    table = b"row,choice,metric,value,tiles\na,native,sf,1.5,2\na,resized,sf,,2\n"
    yield "audit.csv", Reader("audit.csv", [table], audit)


def _encoded(pixels, kind, **options):
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def _images(folder):
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    gray, deep = colour[..., 0], rng.integers(0, 65536, (48, 48), dtype=np.uint16)
    palette = Image.fromarray(colour).convert("P")
    alpha = Image.fromarray(np.dstack([colour, gray]))
    seeds = [
        *(_encoded(pixels, kind) for pixels in (colour, gray) for kind in ("png", "tiff", "bmp")),
        *(_encoded(colour, "tiff", compression=c) for c in ("tiff_lzw", "tiff_deflate", "jpeg")),
        _encoded(colour, "jpeg"),
        *(_encoded(item, "png") for item in (palette, alpha, deep)),
        _encoded(deep, "tiff"),
        _encoded(Image.fromarray(gray > 99), "png"),
        _encoded(gray.astype(np.float32), "tiff"),
        # Four bands of which the last has no stated meaning, and two images in one file.
        _encoded(np.dstack([colour, gray]), "tiff", tiffinfo={338: 0}),
        _encoded(np.dstack([colour, gray]), "tiff", tiffinfo={262: 1, 338: 0}),
        _encoded(gray, "tiff", save_all=True, append_images=[Image.fromarray(gray)]),
    ]
    good = folder / "good.png"
    good.write_bytes(_encoded(gray, "png"))
    yield "metrics image", Reader("grey.png", seeds, read_grey)
    yield "stored bands", Reader("stored.png", seeds, read_stored)
    yield "codes of classes", Reader("codes.png", seeds, read_codes)
    yield "image of a pair", Reader("pair.png", seeds, lambda path: read_pair(path, good))
    for kind in ("rgb", "ir", "seg"):
        root = folder / f"set-{kind}"
        for other in ("rgb", "ir", "seg"):
            (root / other).mkdir(parents=True)
            (root / other / "x.png").write_bytes(_encoded(gray, "png"))

        def read(path, root=root):
            codes = list(range(256))
            labels = {"classes": [str(code) for code in codes], "codes": codes}
            dataset = tiles_adapter.open_dataset({"root": str(root), **labels})
            for scene in dataset.scenes:
                scene.read(0, 0, min(scene.height, 48), min(scene.width, 48))

        yield f"tile folder, {kind}", Reader(f"{root.name}/{kind}/x.png", seeds, read)

    def raster(path):
        member = Member(path.name, path)
        header = read_header(member)
        with closing(Raster(member)) as opened:
            opened.read(0, 0, min(header.height, 48), min(header.width, 48), [0])

    def packed_header(path):
        packed = path.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, "x.tif")
        read_header(Member("x.tif", packed, "x.tif"))

    seeds = [seed for seed in seeds if seed[:2] in (b"II", b"MM")]
    yield "raster", Reader("raster.tif", seeds, raster)
    yield "packed raster", Reader("packed.tif", seeds, packed_header)


def _folder_runs(folder):
    """The record of `fuse` beside its images."""
    place = folder / "fused"
    place.mkdir()
    pair = PairFiles(place / "ir.png", place / "vi.png", place / "a.png")
    for path in pair:
        path.write_bytes(b"image")
    first = FolderRun([pair], place, {"method": "average"}, again=False)
    with first.attempt([pair]):
        pass

    def read(path):
        assert len(FolderRun([pair], place, {"method": "average"}, again=False).waiting()) <= 1

    yield "fused record", Reader(f"fused/{RECORD}", [first.record.read_bytes()], read)


def _safetensors(folder):
    network = torch.nn.Conv2d(1, 2, 3)
    tensors = safetensors.torch.save(dict(network.state_dict()))
    yield (
        "weights.safetensors",
        Reader("own.safetensors", [tensors], lambda path: load_weights(network, path)),
    )


def _binaries(folder):
    rng = np.random.default_rng(0)
    archives = []
    for compression in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA,
    ):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            archive.writestr("deep/data.tif", rng.bytes(200) + b"x" * 500)
            archive.writestr("readme.txt", "text")
        archives.append(stream.getvalue())
    target = folder / "unpacked"
    yield (
        "archive",
        Reader("a.zip", archives, lambda path: extract_member(path, "data.tif", target)),
    )

    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    checkpoints = []
    for state in (
        network.state_dict(),
        {"model": network.state_dict(), "step": 3, "log": [{"a": 1.0}]},
    ):
        for new in (True, False):
            stream = io.BytesIO()
            torch.save(state, stream, _use_new_zipfile_serialization=new)
            checkpoints.append(stream.getvalue())

    def checkpoint(path):
        load_checkpoint(path)
        load_weights(network, path)

    yield "checkpoint", Reader("checkpoint.pt", checkpoints, checkpoint)
    stream = io.BytesIO()
    np.savez(stream, **{key: value.numpy() for key, value in network.state_dict().items()})
    yield (
        "weights.npz",
        Reader("weights.npz", [stream.getvalue()], lambda path: load_weights(network, path)),
    )
    arrays = []
    for array in (np.zeros((2, 48, 48), np.uint8), np.zeros((0, 48, 48), np.uint8), np.ones(3)):
        stream = io.BytesIO()
        np.save(stream, array)
        arrays.append(stream.getvalue())

    def fused(path):
        record = {"artefacts": {path.name: harness.disk.files.sha256(path)}}
        read_fused(path, record, [(48, 48)] * 2)[0].sum()

    yield "fused.npy", Reader("fused.npy", arrays, fused)
