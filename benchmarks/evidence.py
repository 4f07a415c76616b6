"""The figures about real tiles that the docs state: `python -m benchmarks.evidence --tiles FOLDER`.

FOLDER holds whu/ and potsdam/, each with tiles 1 to 10 in rgb/ and ir/. `--weights` is a folder
with the authors' weight files under any name; without it they are downloaded. Prints per data set

- SF, AG, SCD and VIF of the baselines with their authors' weights, TarDAL with both kinds of
  statistics, and how far each is from the paper's value;
- how much SF of these changes if the images are resized to 224×224 before they are measured;
- the plain average, its recomposed RGB min-max stretched over groups of tiles as the script of the
  paper's group does, relative to YDTR, beside the same ratio of the paper's SegFANet.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from harness.fusing.inference import call_fuse, load_method
from harness.methods.spec import discover
from harness.methods.weights import choose_weights
from harness.pixels import quantise, recompose
from metrics import score
from metrics.images import luma
from reports.printed import printed_table

TILES = range(1, 11)
METRICS = ("sf", "ag", "scd", "vif")
TABLES = {"whu": 1, "potsdam": 2}
ROWS = {
    "YDTR": ("ydtr", {}),
    "ITFuse": ("itfuse", {}),
    "LiMFusion": ("limfusion", {}),
    "TarDAL, image's statistics": ("tardal", {"statistics": "batch"}),
    "TarDAL, running statistics": ("tardal", {"statistics": "running"}),
    "TarDAL TT, running": ("tardal", {"weights": "tt", "statistics": "running"}),
    "TarDAL CT, running": ("tardal", {"weights": "ct", "statistics": "running"}),
}
SIDE = 224
"""Size at which the evaluator of the paper's group measures."""
CPU = torch.device("cpu")


def main():
    """Print both tables of each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=Path, required=True, help="folder of whu/ and potsdam/")
    parser.add_argument("--weights", type=Path, help="folder with the authors' weight files")
    parser.add_argument("--groups", type=int, nargs="+", default=[2, 4, len(TILES)])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, number in TABLES.items():
        rgb, infrared = _read(arguments.tiles / name)
        visible, printed = luma(rgb), printed_table(number)
        print(f"\n{name}, {len(rgb)} tiles: ours (from the printed value)")
        means, resized = {}, {}
        for title, row in ROWS.items():
            fused = _fused(*row, infrared, visible, arguments.weights)
            means[title] = _means(fused, infrared, visible)
            resized[title] = score(fused, infrared, visible, ["sf"], resize=SIDE)["sf"].mean()
            paper = np.array([float(printed[row[0], metric]) for metric in METRICS])
            _line(title, means[title], means[title] / paper - 1)
        changes = [resized[title] / means[title][0] - 1 for title in ROWS]
        span = f"{min(changes):+.0%} to {max(changes):+.0%}"
        print(f"{name}: SF at {SIDE}×{SIDE} relative to native size: {span}")
        print(f"{name}: relative to YDTR")
        average = (infrared / np.float32(255) + visible / np.float32(255)) / 2
        for size in arguments.groups:
            fused = _stretched(average.astype(np.float32), rgb, size)
            _line(f"average, groups of {size}", _means(fused, infrared, visible) / means["YDTR"])
        ours, theirs = (
            np.array([float(printed[method, metric]) for metric in METRICS])
            for method in ("segfanet", "ydtr")
        )
        _line("SegFANet, printed", ours / theirs)


def _read(folder):
    """Return visible images (N, 3, H, W) and infrared (N, H, W), uint8."""

    def images(kind):
        return np.stack([np.asarray(Image.open(folder / kind / f"{i}.png")) for i in TILES])

    infrared = images("ir")
    infrared = infrared if infrared.ndim == 3 else infrared[..., 0]
    return np.moveaxis(images("rgb")[..., :3], 3, 1), infrared


def _fused(method, options, infrared, visible, weights):
    """Fuse with the authors' weights, clamp, truncate: (N, H, W) uint8."""
    spec = discover()[method]
    spec = replace(spec, options={**spec.options, **options})
    found = choose_weights(spec, mirrors=[weights] if weights else [])
    network = load_method(spec, CPU, found.path, 0)
    results = []
    for pair in zip(infrared, visible, strict=True):
        images = (torch.from_numpy(image.astype(np.float32) / 255) for image in pair)
        fused = call_fuse(network, *(image[None, None] for image in images), what=method)
        results.append(fused[0, 0].numpy())
    return quantise(np.stack(results))


def _stretched(fused, rgb, size):
    """Stretch the recomposed RGB of each group to the full range; return its luma."""
    colour = recompose(fused, rgb)
    parts = [colour[start : start + size] for start in range(0, len(colour), size)]
    return luma(quantise(np.concatenate([(p - p.min()) / (p.max() - p.min()) for p in parts])))


def _means(fused, infrared, visible):
    values = score(fused, infrared, visible, list(METRICS))
    return np.array([np.nanmean(values[metric]) for metric in METRICS])


def _line(title, values, changes=None):
    texts = [f"{value:8.3f}" for value in values]
    if changes is not None:
        texts = [f"{text} ({change:+5.0%})" for text, change in zip(texts, changes, strict=True)]
    print(f"{title:<28}{' '.join(texts)}", flush=True)


if __name__ == "__main__":
    main()
