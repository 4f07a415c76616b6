"""The losses of SegFANet, Eqs. 14–18, against scikit-image and against their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from harness.blocks.ssim import SourceMoments, ssim, ssim_many
from harness.pixels import IGNORE
from segfanet.losses import (
    Sources,
    dice_loss,
    one_hot,
    reconstruction_loss,
    segmentation_loss,
    similarity_loss,
)
from tests.helpers import segfanet_reference as reference
from tests.helpers.segfanet_reference import images


@settings(max_examples=20, deadline=None)
@given(st.integers(11, 40), st.integers(11, 40), st.integers(0, 2**31))
def test_ssim_equals_the_interior_of_scikit_image(height, width, seed):
    a, b = images(seed, 1, 1, height, width), images(seed + 1, 1, 1, height, width)
    b = (a + b) / 2
    _, full = structural_similarity(
        a[0, 0].numpy(),
        b[0, 0].numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        full=True,
    )
    expected = full[5:-5, 5:-5].mean()
    assert ssim(a, SourceMoments(b)).item() == pytest.approx(expected, abs=1e-6)
    assert reference.ssim(a.numpy(), b.numpy()) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_many_sources_is_ssim_of_each():
    a, sources = images(0, 2, 1, 30, 31), [SourceMoments(images(i, 2, 1, 30, 31)) for i in (1, 2)]
    together = ssim_many(a, tuple(sources))
    for value, source in zip(together, sources, strict=True):
        assert value.item() == pytest.approx(ssim(a, source).item(), abs=1e-12)


def test_ssim_of_constant_images_by_hand():
    """Only the luminance term is left."""
    a, b = torch.full((1, 1, 12, 12), 0.5), torch.full((1, 1, 12, 12), 0.25)
    c1 = 0.01**2
    expected = (2 * 0.5 * 0.25 + c1) / (0.5**2 + 0.25**2 + c1)
    assert np.isclose(ssim(a, SourceMoments(b)).item(), expected, atol=1e-5)


def test_fusion_loss_is_equation_15():
    fused, infrared, visible = (images(i, 2, 1, 20, 23) for i in range(3))
    expected = reference.fusion_loss(*(x.numpy() for x in (fused, infrared, visible)))
    found = similarity_loss(fused, Sources(infrared, visible)).item()
    assert found == pytest.approx(expected, abs=1e-5)
    assert similarity_loss(fused, Sources(fused, fused)).item() == pytest.approx(0, abs=1e-9)


def test_reconstruction_loss_is_equations_16_and_17():
    infrared, visible = images(0, 2, 1, 48, 52), images(1, 2, 1, 48, 52)
    rebuilt = [images(2 + i, 2, 1, 48 // k, 52 // k) for i, k in enumerate((1, 2, 4))]
    expected = reference.reconstruction_loss(
        [x.numpy() for x in rebuilt], infrared.numpy(), visible.numpy()
    )
    found = reconstruction_loss(rebuilt, Sources(infrared, visible)).item()
    assert found == pytest.approx(expected, abs=1e-5)


def test_dice_of_all_classes_counts_those_that_do_not_occur():
    logits = images(0, 2, 4, 5, 6) * 3
    label = torch.randint(0, 3, (2, 5, 6), generator=torch.Generator().manual_seed(0))
    label[0, :2] = IGNORE
    expected = reference.segmentation_loss(logits.numpy(), label.numpy(), every_class=True)
    found = segmentation_loss(logits, label, "all").item()
    assert found == pytest.approx(expected, abs=1e-5)
    assert abs(found - segmentation_loss(logits, label).item()) > 0.05
    nothing = torch.full_like(label, IGNORE)
    assert segmentation_loss(logits, nothing, "all") == segmentation_loss(logits, nothing) == 0


def test_segmentation_loss_is_equation_18_and_skips_what_has_no_label():
    logits = images(0, 2, 4, 5, 6) * 3
    label = torch.randint(0, 3, (2, 5, 6), generator=torch.Generator().manual_seed(0))
    label[0, :2] = IGNORE
    assert not (label == 3).any(), "class 3 is absent and must not count"
    expected = reference.segmentation_loss(logits.numpy(), label.numpy())
    assert segmentation_loss(logits, label).item() == pytest.approx(expected, abs=1e-5)
    other = logits.clone()
    other[0, :, :2] += images(1, 4, 2, 6)
    assert segmentation_loss(other, label).item() == pytest.approx(expected, abs=1e-5)
    assert segmentation_loss(logits, torch.full_like(label, IGNORE)).item() == 0


def test_dice_of_a_perfect_and_of_a_wrong_segmentation():
    label = torch.arange(16).reshape(1, 4, 4) % 2
    perfect = one_hot(label, 2)
    assert dice_loss(perfect, perfect).item() == pytest.approx(0)
    wrong = 1 - 0.05 / (8 + 8 + 0.05)
    assert dice_loss(1 - perfect, perfect).item() == pytest.approx(wrong)
