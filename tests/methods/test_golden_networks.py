"""Networks against the outputs of their authors' code."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from harness.__main__ import main
from harness.fusing.inference import load_method
from harness.fusing.publishing import Source, publish
from harness.methods.spec import discover
from harness.methods.weights import choose_weights
from tests.helpers.seeded_weights import cddfuse, freefusion, seeded
from tests.helpers.shared_data import SHARED, need, tensor

CPU = torch.device("cpu")
TOLERANCE = 1e-5
PAIRS = range(4)
WHOLE = (2, 3)
"""Pairs of a golden file whose saved 8-bit images it holds."""


class Golden(NamedTuple):
    """What a golden file holds beside outputs of the raw network.

    odd: key of the output of the pair with odd sides. differing: pixels of a saved image that may
    differ by one level, because the order of sums is not that of the authors. rule: how the weights
    of a network follow from a formula, if the authors' file cannot be had.
    """

    odd: str = "out_1"
    differing: int = 0
    rule: Callable[..., np.ndarray] | None = None


NETWORKS = {
    "datfuse": Golden(),
    "lrrnet": Golden(),
    # The authors crop odd sides; the extension to every size has a key of its own. An AMD EPYC
    # gives all pixels, an Intel Xeon, which sums in another order, all but one.
    "sfdfusion": Golden(odd="extension_1", differing=1),
    "mmdrfuse": Golden(),
    "sage": Golden(),
    "pfcfuse": Golden(differing=3),
    "cddfuse": Golden(differing=3, rule=cddfuse),
    "freefusion": Golden(differing=8, rule=freefusion),
}
PUBLISHED = [name for name, golden in NETWORKS.items() if golden.rule is None]
"""Networks whose weight file is small enough to be at hand."""
LOADED: dict[str, torch.nn.Module] = {}


def golden(name):
    return np.load(need(SHARED / "methods" / name / "golden.npz"), allow_pickle=False)


def loaded(name, folder):
    """Load a method with the weights of its golden file, once per session."""
    if name not in LOADED:
        spec, reference = discover()[name], need(SHARED / "methods" / name)
        rule = NETWORKS[name].rule
        if rule is None:
            weights = choose_weights(spec, mirrors=[reference])
            assert weights.origin == "official"
        else:
            torch.save(seeded(reference / "keys.tsv", rule), folder / "seeded.pth")
            weights = choose_weights(spec, file=folder / "seeded.pth")
        LOADED[name] = load_method(spec, CPU, weights.path, 0)
    return LOADED[name]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", NETWORKS)
def test_output_is_the_authors(name, pair, tmp_path):
    data, method = golden(name), loaded(name, tmp_path)
    with torch.no_grad():
        fused = method.fuse(tensor(data, f"ir_{pair}"), tensor(data, f"vi_{pair}"))
    key = NETWORKS[name].odd if pair == 1 else f"out_{pair}"
    assert np.abs(fused.numpy() - data[key]).max() <= TOLERANCE


def published(name, method, data, pair, rgb=None):
    source = Source(f"pair {pair}", data[f"ir_{pair}"][0, 0], data[f"vi_{pair}"][0, 0], rgb)
    return publish(discover()[name], method, [source], CPU)[0]


@pytest.mark.parametrize("pair", WHOLE)
@pytest.mark.parametrize("name", NETWORKS)
def test_saved_image_is_the_authors(name, pair, tmp_path):
    data = golden(name)
    found = published(name, loaded(name, tmp_path), data, pair)
    distance = np.abs(found.astype(int) - data[f"saved_{pair}"])
    assert distance.max() <= 1
    assert distance.sum() <= NETWORKS[name].differing


@pytest.mark.parametrize("pair", WHOLE)
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_command_writes_the_saved_image_of_a_pair_on_disk(name, pair, tmp_path):
    data = golden(name)
    paths = {"ir": tmp_path / "ir.png", "vi": tmp_path / "vi.png"}
    for short, path in paths.items():
        Image.fromarray(np.uint8(255 * data[f"{short}_{pair}"][0, 0] + 0.5)).save(path)
    output, mirror = tmp_path / "fused.png", SHARED / "methods" / name
    words = ["fuse", name, "--infrared", str(paths["ir"]), "--visible", str(paths["vi"])]
    words += ["-o", str(output), "--as-published", "--mirror", str(mirror), "--device", "cpu"]
    main(words)
    with Image.open(output) as image:
        distance = np.abs(np.asarray(image).astype(int) - data[f"saved_{pair}"])
    assert distance.max() <= 1
    assert distance.sum() <= NETWORKS[name].differing


def test_sfdfusion_publishes_the_even_crop(tmp_path):
    data = golden("sfdfusion")
    found = published("sfdfusion", loaded("sfdfusion", tmp_path), data, 1)
    assert np.array_equal(found, np.uint8(data["out_1"][0, 0] * np.float32(255)))


def test_sage_tints_gray_pixels_of_an_image_in_colour(tmp_path):
    data = golden("sage")
    rgb = np.repeat(np.uint8(255 * data["vi_2"][0] + 0.5), 3, axis=0)
    found = published("sage", loaded("sage", tmp_path), data, 2, rgb)
    expected = data["saved_rgb_2"]
    assert np.array_equal(found, np.moveaxis(expected, -1, 0) if len(expected) != 3 else expected)


def test_pfcfuse_keeps_the_chroma_of_the_visible_image(tmp_path):
    data, method = golden("pfcfuse"), loaded("pfcfuse", tmp_path)
    gray = np.uint8(255 * data["vi_2"][0] + 0.5)
    luma = published("pfcfuse", method, data, 2)
    found = published("pfcfuse", method, data, 2, np.repeat(gray, 3, axis=0))
    assert (found == found[0]).all()
    # The luma of a colour file is not rounded, and a truncation shows the last digit.
    assert np.abs(found[0].astype(int) - luma).max() <= 1
    tinted = published("pfcfuse", method, data, 2, np.concatenate([gray, gray // 2, gray // 2]))
    assert (tinted[0].astype(int) >= tinted[2]).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_a_batch_are_independent_whatever_the_batch_size(name):
    torch.manual_seed(0)
    method = load_method(discover()[name], CPU, None, 0)
    infrared, visible = torch.rand(2, 3, 1, 25, 38)
    with torch.no_grad():
        together = method.fuse(infrared, visible)
        alone = [
            method.fuse(*pair) for pair in zip(infrared.split(1), visible.split(1), strict=True)
        ]
    assert (together - torch.cat(alone)).abs().max() < TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("flat", ["infrared", "visible", "both"])
def test_flat_images_give_finite_output(name, flat):
    torch.manual_seed(0)
    method = load_method(discover()[name], CPU, None, 0)
    pair = dict(zip(("infrared", "visible"), torch.rand(2, 1, 1, 21, 34), strict=True))
    for key in pair if flat == "both" else (flat,):
        pair[key] = torch.full((1, 1, 21, 34), 0.3)
    with torch.no_grad():
        assert torch.isfinite(method.fuse(**pair)).all()
