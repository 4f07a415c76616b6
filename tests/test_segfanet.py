"""SegFANet against references written independently from the paper's equations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torch import nn

from harness.contract import Batch
from harness.datasets.base import IGNORE
from harness.methods import discover
from harness.ssim import SourceMoments, ssim, ssim_many
from segfanet.losses import (
    Sources,
    dice_loss,
    one_hot,
    reconstruction_loss,
    segmentation_loss,
    similarity_loss,
)
from segfanet.model import CAM, FFM, IRM, Config, SegFANet, pad

VARIANTS = [name for name, spec in discover().items() if spec.kind in ("proposed", "ablation")]


def images(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def variant(name, **options):
    return discover()[name].load(**{"classes": 5, "width": 4, "pool": (6, 5, 4), **options})


def batch(height=61, width=75):
    label = torch.randint(0, 5, (2, height, width), generator=torch.Generator().manual_seed(3))
    label[:, :4] = IGNORE
    return Batch(
        images(1, 2, 1, height, width).float(), images(2, 2, 1, height, width).float(), label
    )


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


def test_ssim_of_many_sources_is_ssim_of_each():
    a, sources = images(0, 2, 1, 30, 31), [SourceMoments(images(i, 2, 1, 30, 31)) for i in (1, 2)]
    together = ssim_many(a, tuple(sources))
    for value, source in zip(together, sources, strict=True):
        assert value.item() == pytest.approx(ssim(a, source).item(), abs=1e-12)


def test_fusion_loss_is_zero_only_for_equal_images():
    a = images(0, 1, 1, 20, 20)
    assert similarity_loss(a, Sources(a, a)).item() == pytest.approx(0)
    b = images(1, 1, 1, 20, 20)
    expected = 2 - ssim(a, SourceMoments(b)).item() - 1
    assert similarity_loss(a, Sources(a, b)).item() == pytest.approx(expected)


def test_reconstruction_loss_sums_over_stages_at_their_size():
    infrared, visible = images(0, 1, 1, 48, 48), images(1, 1, 1, 48, 48)
    same, sources = Sources(infrared, infrared), Sources(infrared, visible)
    assert reconstruction_loss([infrared], same).item() == pytest.approx(0, abs=1e-9)
    one = reconstruction_loss([infrared], sources)
    half = images(2, 1, 1, 24, 24)
    two = reconstruction_loss([half], sources)
    both = reconstruction_loss([infrared, half], sources)
    assert both.item() == pytest.approx((one + two).item())


def test_dice_follows_its_definition_and_skips_absent_classes():
    shares = torch.softmax(images(0, 1, 3, 4, 4), 1)
    label = torch.zeros(1, 4, 4, dtype=torch.long)
    label[0, 2:] = 1
    label[0, 0, 0] = IGNORE
    known = label != IGNORE
    scores = []
    for cls in (0, 1):
        overlap = area = 0.0
        for y in range(4):
            for x in range(4):
                if known[0, y, x]:
                    hit = float(label[0, y, x] == cls)
                    overlap += shares[0, cls, y, x].item() * hit
                    area += shares[0, cls, y, x].item() + hit
        scores.append((2 * overlap + 0.05) / (area + 0.05))
    assert dice_loss(shares, one_hot(label, 3)).item() == pytest.approx(1 - sum(scores) / 2)


def test_segmentation_loss_ignores_unlabelled_pixels():
    logits = images(0, 1, 3, 6, 6)
    label = torch.zeros(1, 6, 6, dtype=torch.long)
    label[0, :3] = IGNORE
    other = logits.clone()
    other[0, :, :3] += 5
    assert segmentation_loss(logits, label).item() == pytest.approx(
        segmentation_loss(other, label).item()
    )
    assert segmentation_loss(logits, torch.full_like(label, IGNORE)).item() == 0


def test_cam_is_single_head_attention_over_pooled_positions():
    cam = CAM(3, 4).double().eval()
    f_f, f_r = images(0, 2, 3, 8, 8), images(1, 2, 3, 8, 8)
    with torch.no_grad():
        joined, weights = cam(f_f, f_r)
    scale = 1 / math.sqrt(1 + 1e-5)  # batch norm before any training
    tokens_f = f_f.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)).reshape(2, 3, 16) * scale
    tokens_r = f_r.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)).reshape(2, 3, 16) * scale
    for b in range(2):
        for i in range(16):
            score = torch.stack([tokens_f[b, :, i] @ tokens_r[b, :, j] for j in range(16)])
            row = (score / math.sqrt(3)).softmax(0)
            torch.testing.assert_close(weights[b, i], row, atol=1e-9, rtol=0)
    attended = torch.einsum("bij,bcj->bci", weights, tokens_f).reshape(2, 3, 4, 4)
    expected = nn.functional.interpolate(attended, size=(8, 8), mode="bilinear")
    torch.testing.assert_close(joined[:, :3], expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(joined[:, 3:], f_f)


def naive_conv3(conv, x):
    """3×3 convolution with zero border as nine shifted products."""
    height, width = x.shape[-2:]
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    out = conv.bias.view(1, -1, 1, 1).expand(len(x), -1, height, width).clone()
    for dy in range(3):
        for dx in range(3):
            part = padded[..., dy : dy + height, dx : dx + width]
            out = out + torch.einsum("oi,bihw->bohw", conv.weight[..., dy, dx], part)
    return out


def test_irm_is_four_convolutions_with_relu_and_an_image_head():
    irm = IRM(3).double()
    x = images(0, 1, 3, 7, 6) - 0.5
    features = x
    for layer in irm.body:
        features = (
            naive_conv3(layer, features) if isinstance(layer, nn.Conv2d) else features.clamp(min=0)
        )
    assert sum(isinstance(layer, nn.Conv2d) for layer in irm.body) == 4
    f_r, image = irm(x)
    torch.testing.assert_close(f_r, features, atol=1e-9, rtol=0)
    torch.testing.assert_close(image, torch.sigmoid(naive_conv3(irm.head, features)))


def test_ffm_follows_equations_11_to_13():
    ffm = FFM(2).double()
    f_r, f_d = images(0, 1, 2, 6, 5), images(1, 1, 2, 6, 5)

    def twice(layers, x):
        first, _, second, _ = layers
        return naive_conv3(second, naive_conv3(first, x).clamp(min=0)).clamp(min=0)

    a = torch.cat([twice(ffm.align, f_r), f_d], 1)
    b = twice(ffm.merge, a)
    project = ffm.project
    expected = torch.einsum("oi,bihw->bohw", project.weight[..., 0, 0], torch.cat([b, f_d], 1))
    expected = expected + project.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(ffm(f_r, f_d), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains_all_its_parameters(name):
    method = variant(name)
    loss = torch.stack(list(method.training_loss(batch()).values())).sum()
    loss.backward()
    without = [key for key, value in method.named_parameters() if value.grad is None]
    assert without == []
    assert all(torch.isfinite(value.grad).all() for value in method.parameters())


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_has_the_modules_of_its_row(name):
    method = variant(name)
    output = method(batch().infrared, batch().visible)
    sinets = 1 if "1sinet" in name else 2 if "2sinet" in name else 3
    assert len(method.sinets) == sinets
    assert len(output.aligned) == len(output.fusion) == len(output.segmentation) == sinets
    assert len(output.reconstructed) == (0 if "no_irm" in name else sinets)
    assert len(output.attention) == (0 if "no_cam" in name else sinets)
    assert ("reconstruction" in method.training_loss(batch())) == ("no_irm" not in name)
    if "no_irm" in name:
        torch.testing.assert_close(output.aligned, output.segmentation)


@settings(max_examples=8, deadline=None)
@given(st.integers(41, 70), st.integers(41, 70))
def test_any_size_is_fused_at_its_own_size(height, width):
    method = variant("segfanet").eval()
    with torch.no_grad():
        output = method(
            images(0, 1, 1, height, width).float(), images(1, 1, 1, height, width).float()
        )
    assert output.fused.shape == (1, 1, height, width)
    assert output.logits.shape == (1, 5, height, width)
    assert 0 <= output.fused.min() <= output.fused.max() <= 1


def test_padding_repeats_the_border():
    padded = pad(images(0, 1, 1, 5, 6))
    assert padded.shape == (1, 1, 8, 8)
    torch.testing.assert_close(padded[..., 5, :], padded[..., 4, :])


def test_one_image_in_eval_does_not_depend_on_its_batch():
    method = variant("segfanet").eval()
    pair = batch()
    with torch.no_grad():
        together = method.fuse(pair.infrared, pair.visible)
        alone = method.fuse(pair.infrared[:1], pair.visible[:1])
    torch.testing.assert_close(together[:1], alone, atol=1e-6, rtol=0)


def test_without_cam_aligned_features_are_added():
    method = variant("segfanet_3sinet_no_cam").eval()
    pair = torch.cat([batch(64, 64).infrared, batch(64, 64).visible], 1)
    with torch.no_grad():
        output = method(pair[:, :1], pair[:, 1:])
        second = method.fusion_encoder[1](output.fusion[0] + output.aligned[0])
    torch.testing.assert_close(second, output.fusion[1])


@pytest.mark.parametrize("options", [{"sinets": 0}, {"sinets": 4}, {"pool": (8, 8)}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        SegFANet(Config(**options))


def test_ssim_of_a_numpy_image_by_hand():
    """A constant image against another: only the luminance term is left."""
    a, b = torch.full((1, 1, 12, 12), 0.5), torch.full((1, 1, 12, 12), 0.25)
    c1 = 0.01**2
    expected = (2 * 0.5 * 0.25 + c1) / (0.5**2 + 0.25**2 + c1)
    assert np.isclose(ssim(a, SourceMoments(b)).item(), expected, atol=1e-5)
