"""A store of small tiles with blobs, and trainings of a small SegFANet on it, on any device."""

import numpy as np

from harness.methods.checkpoints import load_checkpoint
from harness.scenes.scene import Dataset, Scene
from harness.tiles.cutting import Tiling, write_store
from harness.training.job import TrainingJob

RECIPE = {"labels": True, "steps": 8, "batch": 4, "learning_rate": 1e-3}
OPTIONS = {"width": 4, "pool": [4, 4, 4]}


def write_blobs(folder):
    """Write a store of eight training tiles with random blocks; some pixels have no label."""

    def read(y, x, height, width):
        rng = np.random.default_rng([y, x])
        coarse = rng.integers(0, 256, (5, height // 8, width // 8), dtype=np.uint8)
        pixels = coarse.repeat(8, 1).repeat(8, 2)
        pixels[4] = np.where(pixels[4] < 20, 255, pixels[4] % 3)
        return pixels

    scenes = (Scene("a", "train", 96, 192, read), Scene("b", "test", 48, 48, read))
    palette = tuple((9 * i, 0, 0) for i in range(3))
    write_store(Dataset("blobs", scenes, ("x", "y", "z"), palette), Tiling(48, 48), folder)
    return folder


def job(store, folder, device="cpu", options=None, **recipe):
    """Return the training of SegFANet on a store; `recipe` replaces keys of `RECIPE`."""
    config = {
        "method": "segfanet",
        "options": {**OPTIONS, **(options or {})},
        "recipe": {**RECIPE, **recipe},
        "seed": 0,
        "device": device,
        "threads": 1,
    }
    return TrainingJob(config, store, folder / "checkpoint.pt")


def curve(path):
    """Return the logged losses of a training."""
    return np.array([row["loss"] for row in load_checkpoint(path)["log"] if "loss" in row])
