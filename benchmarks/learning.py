"""Does SegFANet learn? `python -m benchmarks.learning [--mirror FOLDER] [--figures docs/learning]`.

Trains width 16 on eight real tiles each of `potsdam_tiles` and `whu_tiles` and prints these
figures beside the values that they should reach:

- the fall of L_f (Eq. 15) from its first value, on the training batches;
- the mean IoU of the segmentation branch on the training tiles;
- the correlation of the IRMs' images with the mean of the sources, which both terms of Eq. 16
  pull them to, and with each source. The correlations of that mean itself are the limit;
- L_f on the two held-back tiles over its optimum there, which the control `loss_optimum` finds
  pixel by pixel without a network; L_f of the plain average stands beside it.

The ten labelled tiles of a set are fetched; a mirror FOLDER may hold them under any name.
"""

import argparse
import csv
import resource
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from baselines.loss_optimum.control import LossOptimum
from harness.machine.device import make_deterministic
from harness.methods.recipe import Recipe
from harness.pixels import IGNORE
from harness.scenes.adapters import find_adapter
from harness.tiles.cutting import Tiling, write_store
from harness.tiles.store import TileStore
from harness.training.batches import to_batch
from harness.training.engine import Task, Training
from segfanet.losses import Sources, similarity_loss
from segfanet.method import SegFANetMethod

CPU = torch.device("cpu")


def main():
    """Train on every data set, print the figures, and draw them where `--figures` says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mirror", nargs="*", default=[], help="folders that hold the tiles")
    parser.add_argument("--datasets", nargs="+", default=["potsdam", "whu"])
    parser.add_argument("--figures", type=Path, help="folder for the curves and images")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for name in arguments.datasets:
        with tempfile.TemporaryDirectory() as folder:
            study(name, _store(name, arguments.mirror, Path(folder)), arguments)


def _store(name, mirrors, folder):
    labelled = [f"train_{number}" for number in range(1, 11)]
    chosen = {"pairs": labelled, "test": labelled[8:], "train": labelled[:8], "mirrors": mirrors}
    dataset = find_adapter(f"{name}_tiles").open_dataset(chosen)
    write_store(dataset, Tiling(320, 320), folder)
    return TileStore(folder)


def study(name, store, arguments):
    """Train on one data set and print its figures."""
    make_deterministic(0, arguments.threads)
    recipe = Recipe(
        steps=arguments.steps,
        batch=arguments.batch,
        learning_rate=arguments.rate,
        schedule="cosine",
        warmup=120,
        precision=arguments.precision,
        checkpoint_seconds=1e9,
    )
    method = SegFANetMethod(len(store.classes), width=arguments.width)
    tiles, names = np.array(store.tiles("train")), store.names("train")
    before = _processor_minutes()
    run = Training(method, Task(recipe, tiles, names, CPU, fingerprint=name))
    run.run(store.folder / "partial.pt")
    minutes = _processor_minutes() - before
    method.eval()
    train, test = (to_batch(torch.from_numpy(np.array(store.tiles(s)))) for s in ("train", "test"))
    print(
        f"\n{store.meta['title']}: {len(names)} tiles, width {arguments.width}, "
        f"{arguments.steps} steps of {arguments.batch}, {minutes:.1f} processor minutes (≤ 20)"
    )
    _print_figures(run, method, train, test)
    if arguments.figures:
        arguments.figures.mkdir(parents=True, exist_ok=True)
        draw_curves(run.log, arguments.figures / f"{name}_curves.png")
        draw_images(method, test, store, arguments.figures / f"{name}_pictures.png")


def _processor_minutes():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) / 60


def _print_figures(run, method, train, test):
    with torch.no_grad():
        output = method(train.infrared, train.visible)
        fused = method.fuse(test.infrared, test.visible)
    first, last = run.log[0]["fusion"], np.mean([row["fusion"] for row in run.log[-8:]])
    print(f"  L_f falls from {first:.3f} to {last:.3f}: {1 - last / first:.0%} (≥ 40 %)")
    scores = iou(output.logits.argmax(1), train.label, method.config.classes)
    print(
        f"  mean IoU on training tiles {np.mean(scores):.3f} (> 0.8); by class "
        f"{', '.join(f'{score:.2f}' for score in scores)}"
    )
    for stage, image in enumerate(output.reconstructed, 1):
        print(
            f"  IRM {stage}: correlation with mean, infrared, visible "
            f"{_correlations(image, train)} (> 0.8)"
        )
    mean = (train.infrared + train.visible) / 2
    print(f"  limit: the sources' mean has {_correlations(mean, train)}")
    optimum = LossOptimum(steps=400, learning_rate=0.01).fuse(test.infrared, test.visible)
    average = (test.infrared + test.visible) / 2
    best = loss_of(optimum, test)
    print(
        f"  held-back L_f {loss_of(fused, test):.4f}, optimum {best:.4f}: "
        f"{loss_of(fused, test) / best - 1:+.1%} (≤ +10 %); "
        f"average {loss_of(average, test) / best - 1:+.1%}",
        flush=True,
    )


def loss_of(fused, batch):
    """Return Eq. 15, its mean over the images."""
    return similarity_loss(fused, Sources(batch.infrared, batch.visible)).item()


def iou(predicted, label, classes):
    """Return the IoU of every class that occurs; pixels without a label do not count."""
    known = label != IGNORE
    scores = []
    for index in range(classes):
        ours, theirs = (predicted == index) & known, label == index
        if theirs.any():
            scores.append(((ours & theirs).sum() / (ours | theirs).sum()).item())
    return scores


def _correlations(image, batch):
    sources = ((batch.infrared + batch.visible) / 2, batch.infrared, batch.visible)
    size = image.shape[-2:]
    values = [
        np.corrcoef(image.flatten(), F.interpolate(s, size, mode="area").flatten())[0, 1]
        for s in sources
    ]
    return ", ".join(f"{value:.3f}" for value in values)


def draw_curves(log, path):
    """Draw the three loss terms over the steps, and write them as CSV beside the figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    for term in ("fusion", "reconstruction", "segmentation"):
        axes.plot([row["step"] for row in log], [row[term] for row in log], label=term, lw=1)
    axes.set(xlabel="step", ylabel="loss term", yscale="log")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as stream:
        columns = ["step", "fusion", "reconstruction", "segmentation"]
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 5) for k, v in row.items()} for row in log)


def draw_images(method, batch, store, path):
    """Draw sources, reconstructions, fused image and classes of the held-back tiles."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    with torch.no_grad():
        output = method(batch.infrared, batch.visible)
    columns = {"infrared": batch.infrared, "visible": batch.visible}
    columns |= {f"IRM {i}": image for i, image in enumerate(output.reconstructed, 1)}
    columns |= {"fused": output.fused}
    classes = ListedColormap(np.array(store.meta["palette"]) / 255)
    figure = Figure(
        figsize=(1.7 * (len(columns) + 1), 1.85 * len(batch.label)), layout="constrained"
    )
    grid = figure.subplots(len(batch.label), len(columns) + 1)
    for row, line in enumerate(grid):
        for axes, (title, images) in zip(line, columns.items(), strict=False):
            axes.imshow(images[row, 0], cmap="gray", vmin=0, vmax=1)
            axes.set_title(title, fontsize=8)
        predicted = output.logits[row].argmax(0)
        line[-1].imshow(predicted, cmap=classes, vmin=-0.5, vmax=classes.N - 0.5)
        line[-1].set_title("predicted classes", fontsize=8)
        for axes in line:
            axes.set_axis_off()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
