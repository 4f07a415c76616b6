"""Both ways to the scores of a method: the stages of the workflow, and `fuse` with `score`."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from harness.__main__ import main
from harness.disk.records import Record, read_record
from harness.errors import MethodFailure
from harness.fetching.registry import dataset_sources
from harness.fusing.inference import load_method
from harness.methods.checkpoints import save_checkpoint
from harness.methods.contract import check_fused
from harness.methods.spec import discover
from harness.scenes.adapters import find_adapter
from harness.stages import fuse, measure, prepare
from harness.tiles.store import TileStore
from metrics.images import read_grey
from metrics.registry import PAPER
from metrics.scoring import score
from tests.helpers.samples import SETS, sample_files
from tests.helpers.shared_data import CHECKPOINTS, SHARED

METHODS = {name: spec for name, spec in discover().items() if spec.kind != "ablation"}
IN_CHECKPOINTS = ("itfuse", "limfusion", "tardal", "ydtr")
OUT_OF_REACH = ("cddfuse", "freefusion", "umfusion")
"""Methods whose authors' file is not at hand."""


def run(monkeypatch, module, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


def lay_out(folder, name, pairs):
    """Put the files of a set beside its store as `fuse` and `score` read them."""
    known, rows = dataset_sources(name), find_adapter(name).pairs
    samples = sample_files(name)
    store = TileStore(folder / "store")
    for kind, role in (("rgb", "visible"), ("ir", "infrared")):
        place = folder / "images" / kind
        place.mkdir(parents=True)
        for index, pair in enumerate(store.names("test")):
            if "infrared" in rows[pair]:
                source = samples[known[rows[pair][role]["path"]].git_blob]
                (place / f"{pair}{Path(source).suffix}").symlink_to(source)
                continue
            # One file holds both bands, which no command can tell apart.
            part = slice(index, index + 1)
            bands = (store.test.visible if kind == "rgb" else store.test.infrared)(part)[0]
            Image.fromarray(np.array(bands)).save(place / f"{pair}.png")
    assert len(store.names("test")) == len(pairs)


def prepare_set(monkeypatch, folder, name, pairs):
    """Store pairs of a set whole, from its samples, and lay their files out; return the store."""
    samples = SHARED / "datasets" / "samples" / SETS[name]
    options = json.dumps({"pairs": pairs, "test": pairs})
    places = ("--mirror", samples, "--cache", folder / "cache")
    common = ("--adapter", name, "--options", options, *places, "--whole")
    run(monkeypatch, prepare, *common, "--output", folder / "store")
    lay_out(folder, name, pairs)
    return TileStore(folder / "store")


def weights_of(name, folder):
    """Return the arguments that load the authors' file if it is at hand, else random weights."""
    spec = METHODS[name]
    if spec.weights is None and spec.train is None:
        return []
    place = CHECKPOINTS if name in IN_CHECKPOINTS else SHARED / "methods" / name
    if name not in OUT_OF_REACH and place.is_dir():
        return ["--mirror", place / "2021" if name == "stdfusionnet" else place]
    path, store = folder / name / "checkpoint.pt", TileStore(folder / "store")
    for seed in range(50):
        torch.manual_seed(seed)
        method = load_method(spec, torch.device("cpu"), None, len(store.classes))
        if is_usable(spec, method, store.test):
            break
    path.parent.mkdir(exist_ok=True)
    save_checkpoint(path, {"model": method.state_dict()})
    # The record of a training says for how many classes the network is.
    record = Record("train", {"method": name, "options": dict(spec.options)})
    record.details = {"classes": len(store.classes)}
    record.write(path.with_name("training.json"), [path])
    return ["--checkpoint", path]


def is_usable(spec, method, pairs):
    """Say whether every fused image varies, which random weights do not ensure."""
    for index in range(len(pairs)):
        part = slice(index, index + 1)
        images = (np.array(x(part)) for x in (pairs.infrared, pairs.visible))
        tensors = [torch.from_numpy(x)[:, None].float() / 255 for x in images]
        with torch.no_grad():
            fused = method.fuse(*(x.clone() for x in tensors))
        try:
            check_fused(fused, *tensors, tiles=["im"], clamp=spec.clamp)
        except MethodFailure:
            return False
    return True


def check_equal(monkeypatch, folder, name, weights, output):
    """Compare the per-image values of both ways; return the number of values."""
    store, images = folder / "store", folder / "images"
    method = ("--method", name, *weights, "--device", "cpu")
    run(monkeypatch, fuse, "--tiles", store, *method, "--output", output / "fused.npy")
    record = read_record(output / "fused.json")
    assert record["status"] == "ok", record["reason"]
    run(
        *(monkeypatch, measure, "--tiles", store, "--fused", output / "fused.npy"),
        *("--dataset", "d", "--method", name, "--seed", 0, "--metrics", *PAPER),
        *("--output", output / "scores.csv"),
    )
    sources = ("--infrared", images / "ir", "--visible", images / "rgb")
    command = ["fuse", name, *sources, *weights, "--gray", "--device", "cpu"]
    main([str(word) for word in (*command, "-o", output / "images")])
    table = pd.read_csv(output / "scores.csv", dtype={"tile": str}).set_index("tile")
    assert list(table.index) == TileStore(store).names("test")
    for image, row in table.iterrows():
        places = output / "images", images / "ir", images / "rgb"
        files = [next(place.glob(f"{image}.*")) for place in places]
        values = score(*(read_grey(file)[None] for file in files), names=list(PAPER))
        found = np.array([values[metric][0] for metric in PAPER])
        np.testing.assert_array_equal(row[list(PAPER)].to_numpy(float), found, err_msg=image)
    return table.size
