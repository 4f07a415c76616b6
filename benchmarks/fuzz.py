"""Throws broken input at every reader: `python -m benchmarks.fuzz [--seconds N] [READER ...]`.

Valid files are changed by bytes, and parsed values by parts. Only the errors meant for users may
come out; anything else, a reader that takes longer than `PATIENCE`, or one that needs more than
`MEMORY`, is an escape: it is printed with the smallest input found, and the status is 1. Each
reader runs in a process of its own.
"""

import argparse
import ast
import base64
import io
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

import harness.benchmark
import harness.files
import harness.ledger
from harness.archives import extract_member
from harness.benchmark import Benchmark
from harness.commands.pictures import read_pair
from harness.datasets import tiles as tiles_adapter
from harness.errors import HarnessError
from harness.files import write_json
from harness.methods import discover, read_method, read_variants
from harness.provenance import SEAL, Record, check_artefact, read_record
from harness.raster import Member, Raster, read_header
from harness.registry import read_registry
from harness.schema import ROOT, read_yaml
from harness.store import TileStore, read_fused
from harness.training.checkpoints import load_checkpoint
from harness.weights import load_weights
from metrics.errors import MetricError
from metrics.images import read_grey
from reports.audit import read_audit
from reports.outline import outline_of, read_outline
from reports.scores import read_runs

PATIENCE = 10
"""Seconds for one input."""
MEMORY = 8 << 30
ROUND = 200
"""Inputs between two looks at the clock."""

TOKENS = [
    b"", b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"-1", b"1e999", b"nan", b"{", b"}", b"[" * 50,
    b"&a", b"*a", b"!!python/name:os.system", b"%s", b"{0.__class__}", b"../../x", b"\r\n", b",",
    b'"', b"0x", b"2020-99-99", b"9" * 5000, b"\xef\xbb\xbf", "é".encode("latin-1"),
]  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """One reader: a file name, valid contents, and what reads the file.

    `structured` files are JSON or YAML, whose parsed value is changed as well.
    """

    name: str
    seeds: list[bytes]
    read: Callable[[Path], object]
    structured: bool = False


def changed_bytes(seeds):
    """Strategy: a seed after one to six changes."""
    place = st.floats(0, 1)
    piece = st.sampled_from(TOKENS) | st.binary(max_size=8)
    change = st.one_of(
        st.tuples(st.just("flip"), place, st.integers(0, 7)),
        st.tuples(st.just("cut"), place, st.none()),
        st.tuples(st.just("drop"), place, st.integers(1, 64)),
        st.tuples(st.just("insert"), place, piece),
        st.tuples(st.just("write"), place, piece),
        st.tuples(st.just("repeat"), place, st.integers(1, 64)),
        st.tuples(st.just("graft"), place, st.sampled_from(seeds)),
    )
    return st.builds(change_bytes, st.sampled_from(seeds), st.lists(change, min_size=1, max_size=6))


def change_bytes(data, changes):
    """Apply changes to bytes."""
    for kind, place, what in changes:
        at = int(place * len(data))
        if kind == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << what)]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + what :]
        elif kind == "insert":
            data = data[:at] + what + data[at:]
        elif kind == "write":
            data = data[:at] + what + data[at + len(what) :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + what] * 3 + data[at:]
        elif kind == "graft":
            data = data[:at] + what[int(place * len(what)) :]
    return data


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**20, 10**40)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["..", "/", "a\n", "{x}", "$(x)", "-1", "official", "train", "auto"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def changed_value(seeds):
    """Strategy: a parsed seed with one to four parts replaced, removed or added."""
    step = st.tuples(st.lists(st.integers(0, 30), max_size=6), st.sampled_from("rda"), VALUES)
    steps = st.lists(step, min_size=1, max_size=4)
    return st.builds(change_value, st.sampled_from([yaml.safe_load(s) for s in seeds]), steps)


def change_value(value, steps):
    """Apply changes to a copy of a value; JSON is YAML, so one text serves both."""
    value = json.loads(json.dumps(value))
    for path, kind, new in steps:
        value = _change(value, path, kind, new)
    try:
        return json.dumps(value).encode()
    except ValueError:
        return b"null"


def _change(value, path, kind, new):
    if not path or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    if len(path) == 1 and kind == "d":
        del value[key]
    elif len(path) == 1 and kind == "a":
        if isinstance(value, dict):
            value[str(new)] = new
        else:
            value.append(new)
    else:
        value[key] = _change(value[key], path[1:], kind, new)
    return value


def readers(folder):
    """All readers by name; `folder` is theirs to write to."""
    found = [*_texts(folder), *_results(folder), *_pictures(folder), *_binaries(folder)]
    return dict(found)


def _texts(folder):
    known = discover()
    harness.benchmark.discover = lambda: known
    configs = [path.read_bytes() for path in sorted((ROOT / "config").glob("*.yaml"))]
    configs = [text for text in configs if b"\ndatasets:" in text]

    def config(path):
        benchmark = Benchmark(read_yaml(path))
        json.dumps(outline_of(benchmark))
        for name in benchmark.datasets:
            benchmark.tiling(name), benchmark.runs(name)

    def outline(path):
        read_outline(path.read_text("utf-8", "replace"), folder)

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
    value = outline_of(Benchmark(yaml.safe_load(configs[0])))
    yield "outline", Reader("outline.json", [json.dumps(value).encode()], outline, True)
    ledger = json.dumps({"a.zip": "0" * 64, "b.zip": "f" * 64}).encode()
    yield (
        "sources.lock.json",
        Reader(
            "cache/sources.lock.json",
            [ledger],
            lambda path: harness.ledger.Ledger(path.parent).get("a.zip"),
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


def _results(folder):
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
        # With a valid seal, so that the reader looks further.
        try:
            value = json.loads(path.read_bytes())
            content = {key: item for key, item in value.items() if key != SEAL}
            write_json(path, {**content, SEAL: harness.files.sha256_json(content)})
        except (ValueError, AttributeError, TypeError, RecursionError):
            pass
        check_artefact(read_record(path), folder / "fused.npy")

    yield "record", Reader("record.json", [record], sealed, True)

    outline = read_outline(
        json.dumps(
            {
                "title": "t", "demonstration": False, "metrics": ["sf", "ag"],
                "methods": [{"name": "a", "title": "A", "kind": "baseline", "seeds": [0],
                             "trained": False}],
                "datasets": [{"name": "d", "rows": ["a"], "stands_for": "", "examples": []}],
            }
        ),
        folder / "results",
    )  # fmt: skip
    run = folder / "results/d/a/seed0"
    run.mkdir(parents=True)
    (run / "fused.npy").write_bytes(b"x")
    Record("fuse", {}).write(run / "fused.json", [run / "fused.npy"])

    def scores(path):
        Record("measure", {}).write(path.with_name("scores.json"), [path])
        for item in read_runs(outline, outline.datasets[0]):
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


def _pictures(folder):
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
    ]
    good = folder / "good.png"
    good.write_bytes(_encoded(gray, "png"))
    yield "metrics picture", Reader("grey.png", seeds, read_grey)
    yield "picture of a pair", Reader("pair.png", seeds, lambda path: read_pair(path, good))
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
        with Raster(Member(path.name, path)) as opened:
            header = opened.header
            opened.read(0, 0, min(header.height, 48), min(header.width, 48), [0])

    def packed_header(path):
        packed = path.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, "x.tif")
        read_header(Member("x.tif", packed, "x.tif"))

    seeds = [seed for seed in seeds if seed[:2] in (b"II", b"MM")]
    yield "raster", Reader("raster.tif", seeds, raster)
    yield "packed raster", Reader("packed.tif", seeds, packed_header)


def _binaries(folder):
    rng = np.random.default_rng(0)
    archives = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
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
        record = {"artefacts": {path.name: harness.files.sha256(path)}}
        np.asarray(read_fused(path, record)[:1]).sum()

    yield "fused.npy", Reader("fused.npy", arrays, fused)


class TooSlow(Exception):
    """An input took longer than it may."""


def fuzz(label, reader, folder, seconds, start):
    """Fuzz one reader for some seconds; give the number of inputs tried and the escape."""
    path = folder / reader.name
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = changed_bytes(reader.seeds)
    if reader.structured:
        inputs = inputs | changed_value(reader.seeds)
    tried = 0

    def alarm(*_):
        raise TooSlow(f"more than {PATIENCE} s")

    signal.signal(signal.SIGALRM, alarm)

    def attempt(data):
        nonlocal tried
        tried += 1
        path.write_bytes(data)
        signal.alarm(PATIENCE)
        try:
            reader.read(path)
        except (HarnessError, MetricError):
            return
        finally:
            signal.alarm(0)

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        start += 1
        search = given(data=inputs)(attempt)
        search = settings(
            max_examples=ROUND, deadline=None, database=None, report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
        )(search)  # fmt: skip
        try:
            seed(start)(search)()
        except Exception as error:
            where = error.__traceback__
            while where.tb_next is not None:
                where = where.tb_next
            place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}"
            data = base64.b64encode(path.read_bytes()[:2000]).decode()
            return tried, f"{type(error).__name__}: {str(error)[:300]} at {place}; input {data}"
    return tried, ""


def main():
    """Fuzz all readers, or those named, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--seconds", type=float, default=600, help="for all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        known = readers(Path(scratch))
        names = arguments.readers or list(known)
        if arguments.alone:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            (name,) = names
            result = fuzz(name, known[name], Path(scratch), arguments.seconds, arguments.seed)
            print(repr(result))
            return
    total, escapes = 0, 0
    for name in names:
        command = [sys.executable, "-m", "benchmarks.fuzz", "--alone", name]
        command += ["--seconds", str(arguments.seconds / len(names)), "--seed", str(arguments.seed)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            tried, escape = ast.literal_eval(run.stdout.strip().splitlines()[-1])
        except (IndexError, SyntaxError, ValueError):
            tried, escape = 0, f"ended with {run.returncode}: {run.stderr[-1000:]}"
        total += tried
        escapes += bool(escape)
        print(f"{name:<20}{tried:>9} inputs  {escape or 'no escape'}", flush=True)
    print(f"{'all':<20}{total:>9} inputs  {escapes} readers with an escape")
    sys.exit(bool(escapes))


if __name__ == "__main__":
    main()
