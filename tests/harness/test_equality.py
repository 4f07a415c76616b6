"""The workflow measures what `fuse --gray` and `score` measure, to the last bit, in all methods.

`python -m tests.equality` compares every method on every set, which takes longer.
"""

import json

import numpy as np
import pytest
from PIL import Image

from harness.stages import prepare
from tests.helpers.equality import METHODS, check_equal, prepare_set, run, weights_of
from tests.helpers.samples import SETS, sample_pairs

QUICK = ("average", "laplacian_pyramid", "densefuse", "ydtr")
SIZES = ((96, 113), (101, 90), (120, 97))


def noisy(rng, size):
    """Return smooth structure with noise, uint8."""
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9), np.uint8))
    smooth = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + rng.integers(-9, 10, size), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Write pairs of several sizes, the visible ones in colour, and their store."""
    folder, rng = tmp_path_factory.mktemp("equality"), np.random.default_rng(4)
    for kind, bands in (("rgb", 3), ("ir", 1)):
        (folder / "images" / kind).mkdir(parents=True)
        for index, size in enumerate(SIZES):
            pixels = np.stack([noisy(rng, size) for _ in range(bands)], axis=-1)
            Image.fromarray(pixels.squeeze()).save(folder / "images" / kind / f"im{index}.png")
    options = json.dumps({"root": str(folder / "images")})
    with pytest.MonkeyPatch.context() as patch:
        common = ("--adapter", "tiles", "--options", options)
        run(patch, prepare, *common, "--whole", "--output", folder / "store")
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in METHODS]
)
def test_every_method_on_images_of_many_sizes(made_up, tmp_path, monkeypatch, name):
    weights = weights_of(name, made_up)
    assert check_equal(monkeypatch, made_up, name, weights, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_every_set_is_measured_whole_and_equal(tmp_path, monkeypatch, name):
    store = prepare_set(monkeypatch, tmp_path, name, sample_pairs(name))
    coverage = store.meta["tiling"]["coverage"]["test"]
    assert coverage == {"covered": 1.0, "more_than_once": 0.0}
    assert check_equal(monkeypatch, tmp_path, "laplacian_pyramid", [], tmp_path / "run")
