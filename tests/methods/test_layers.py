"""Layers that several methods share."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.blocks.layers import BatchRenorm, stretched
from harness.blocks.renaming import flattened
from harness.blocks.ycrcb import to_rgb, to_ycrcb

COLOURS = arrays(np.uint8, (2, 3, 2, 5))


def batches(count):
    """Make noise of standard deviation 3 around means of standard deviation 4."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return [3 * normal(1, 2, 5, 4) + 4 * normal(1, 2, 1, 1) for _ in range(count)]


def test_batch_renorm_gives_in_training_what_it_gives_in_evaluation():
    norm = BatchRenorm(2).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    for x in batches(30):
        trained = norm.train()(x)
        torch.testing.assert_close(trained, norm.eval()(x))


def test_its_running_moments_become_those_of_all_pixels():
    norm = BatchRenorm(2, momentum=0.0).double()
    seen = batches(1000)
    for x in seen:
        norm(x)
    pixels = torch.cat(seen).numpy()
    np.testing.assert_allclose(norm.running_mean, pixels.mean((0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(norm.running_var, pixels.var((0, 2, 3)), rtol=0.05)


def test_its_first_step_is_that_of_batch_norm():
    x = batches(1)[0].requires_grad_()
    weight = torch.randn_like(x)
    gradients = []
    for norm in (BatchRenorm(2).double(), torch.nn.BatchNorm2d(2).double()):
        x.grad = None
        (norm(x) * weight).sum().backward()
        gradients.append(x.grad.clone())
    torch.testing.assert_close(*gradients)


@given(COLOURS)
def test_ycrcb_is_the_rounded_bt601_in_full_range(rgb):
    red, green, blue = np.moveaxis(rgb.astype(float), 1, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    exact = np.stack([y, 0.713 * (red - y) + 128, 0.564 * (blue - y) + 128], axis=1)
    found = to_ycrcb(torch.from_numpy(rgb)).numpy()
    # Cr and Cb are computed from the luma that is already rounded.
    assert np.abs(found - np.clip(exact, 0, 255)).max() <= 0.5 + 0.713 * 0.5 + 0.01


@given(COLOURS)
def test_colours_come_back_from_ycrcb(rgb):
    back = to_rgb(to_ycrcb(torch.from_numpy(rgb))).numpy()
    assert np.abs(back.astype(int) - rgb).max() <= 3
    gray = np.repeat(rgb[:, :1], 3, axis=1)
    assert np.array_equal(to_rgb(to_ycrcb(torch.from_numpy(gray))).numpy(), gray)


@given(arrays(np.int16, (3, 1, 4, 5), elements=st.integers(-9999, 9999)))
def test_each_image_is_stretched_by_itself(thousandths):
    images = np.float32(thousandths / 1000)
    found = stretched(torch.from_numpy(images)).numpy()
    assert found.min() >= 0
    assert found.max() <= 1
    for image, result in zip(images, found, strict=True):
        flat = image.max() == image.min()
        assert (result.min(), result.max()) == ((0, 0) if flat else (0, 1))
        alone = stretched(torch.from_numpy(image[None])).numpy()[0]
        assert np.array_equal(alone, result)


def test_nested_state_dicts_get_dotted_names():
    state = {"a": {"b": {"c": 1}, "d": 2}, "e": 3, "f": {}}
    assert flattened(state) == {"a.b.c": 1, "a.d": 2, "e": 3}
