"""Parts of the networks against slow, plain references; no third-party data needed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.feature import hog
from skimage.metrics import structural_similarity

from baselines.limfusion.losses import gradient_loss, neighbour_loss
from baselines.limfusion.low import map_scales
from baselines.limfusion.preparation import diffuse, information_map, spread
from baselines.tardal.losses import gradient_magnitude
from baselines.tardal.model import TarDAL
from baselines.umfusion.losses import laplacian, multiscale_ssim
from baselines.ydtr.losses import local_frequency
from harness.blocks.layers import ConvNorm
from harness.blocks.saliency import histogram_contrast, saliency_weights
from harness.blocks.ssim import SourceMoments, ssim
from harness.blocks.transformer import Tokens, token_names
from harness.methods.contract import Batch
from harness.methods.spec import discover

BASELINES = ("ydtr", "itfuse", "tardal", "umfusion", "limfusion")


def images(*shape, seed=0):
    return torch.rand(2, *shape, generator=torch.Generator().manual_seed(seed))


def authors_block(tokens, state, heads):
    """Window attention with windows of one token, nothing left out, in double precision."""
    state = {key: value.double() for key, value in state.items()}
    dim = tokens.shape[1]

    def norm(x, name):
        return torch.nn.functional.layer_norm(
            x, (dim,), state[f"{name}.weight"], state[f"{name}.bias"]
        )

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    split = linear(norm(tokens, "norm1"), "attn.qkv").view(-1, 1, 3, heads, dim // heads)
    query, key, value = split.permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-1, -2) * (dim // heads) ** -0.5
    scores = scores + state["attn.relative_position_bias_table"].view(1, heads, 1, 1)
    mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(-1, dim)
    tokens = tokens + linear(mixed, "attn.proj")
    hidden = torch.nn.functional.gelu(linear(norm(tokens, "norm2"), "mlp.fc1"))
    return tokens + linear(hidden, "mlp.fc2")


@pytest.mark.parametrize(("height", "width"), [(41, 41), (64, 50), (7, 9)])
@pytest.mark.parametrize("dim", [16, 64])
def test_short_block_equals_full_attention(dim, height, width):
    generator = torch.Generator().manual_seed(1)
    shapes = {
        "norm1.weight": (dim,), "norm1.bias": (dim,), "norm2.weight": (dim,), "norm2.bias": (dim,),
        "attn.qkv.weight": (3 * dim, dim), "attn.qkv.bias": (3 * dim,),
        "attn.proj.weight": (dim, dim), "attn.proj.bias": (dim,),
        "attn.relative_position_bias_table": (1, 8),
        "mlp.fc1.weight": (4 * dim, dim), "mlp.fc1.bias": (4 * dim,),
        "mlp.fc2.weight": (dim, 4 * dim), "mlp.fc2.bias": (dim,),
    }  # fmt: skip
    state = {key: 0.2 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    block = Tokens(dim, 1)
    block.load_state_dict(token_names({f"blocks.0.{key}": value for key, value in state.items()}))
    features = torch.randn(2, dim, height, width, generator=generator)
    expected = authors_block(features.view(-1, dim).double(), state, heads=8).view_as(features)
    with_gradients = block(features)
    assert (with_gradients.double() - expected).abs().max() < 1e-5
    with torch.no_grad():
        assert torch.equal(block(features.clone()), with_gradients)


def test_convolution_with_folded_normalisation():
    layer = ConvNorm(3, 16)
    x = torch.randn(2, 3, 21, 34)
    layer.train()
    for _ in range(20):
        layer(x)
    layer.eval()
    plain = torch.relu(layer.bn(layer.conv(torch.nn.functional.pad(x, (1,) * 4, "replicate"))))
    assert (layer(x) - plain).abs().max() < 1e-5


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(2, 9),
    columns=st.integers(2, 9),
    seed=st.integers(0, 99),
    levels=st.integers(2, 256),
)
def test_information_map_is_the_summed_hog_image(rows, columns, seed, levels):
    pixels = np.random.default_rng(seed).integers(0, levels, (4 * rows, 4 * columns))
    image = (pixels / (levels - 1)).astype(np.float32)
    _, drawn = hog(
        image, orientations=8, pixels_per_cell=(4, 4), cells_per_block=(2, 2), visualize=True
    )
    cells = drawn.reshape(rows, 4, columns, 4).sum((1, 3))
    expected = spread(torch.from_numpy(cells)[None, None])
    found = information_map(torch.from_numpy(image)[None, None])[..., ::4, ::4]
    assert (found - expected).abs().max() < 1e-5


def test_map_scales_are_two_plain_means():
    image = images(1, 48, 40)[:1]
    expected = image
    for _ in range(2):
        expected = torch.nn.functional.avg_pool2d(expected, 19, stride=1, padding=9)
    assert (map_scales(image)[0] - expected).abs().max() < 1e-6
    assert [tuple(level.shape[-2:]) for level in map_scales(image)] == [
        (48, 40), (24, 20), (12, 10), (6, 5),
    ]  # fmt: skip


def test_diffusion_keeps_flat_images_and_smooths_others():
    assert torch.allclose(diffuse(torch.full((1, 1, 16, 16), 0.4)), torch.tensor(0.4))
    noise = images(1, 32, 32)
    assert diffuse(noise).std() < noise.std()


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("flat", ["infrared", "visible", "both"])
def test_flat_tiles_give_finite_output(name, flat):
    torch.manual_seed(0)
    method = discover()[name].load().eval()
    for size in ((48, 48), (41, 57)):
        pair = dict(zip(("infrared", "visible"), images(1, 1, *size), strict=True))
        for key in pair if flat == "both" else (flat,):
            pair[key] = torch.full((1, 1, *size), 0.3)
        with torch.no_grad():
            assert torch.isfinite(method.fuse(**pair)).all()


@pytest.mark.parametrize("name", BASELINES)
def test_training_lowers_the_loss_and_reaches_every_parameter(name):
    torch.manual_seed(0)
    method = discover()[name].load().train()
    infrared, visible = images(2, 1, 32, 32)
    batch = Batch(infrared, visible, torch.zeros(2, 32, 32, dtype=torch.long))
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-3)
    losses = []
    for step in range(4):
        terms = method.training_loss(batch)
        assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
        loss = sum(terms.values())
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            assert not [key for key, tensor in method.named_parameters() if tensor.grad is None]
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[2:]) < losses[0]


def test_tardal_generator_and_discriminators_do_not_touch_each_other():
    method = TarDAL().train()
    infrared, visible = images(2, 1, 48, 48)
    terms = method.training_loss(Batch(infrared, visible, torch.zeros(0)))
    terms["discriminate"].backward(retain_graph=True)
    assert all(tensor.grad is None for tensor in method.generator.parameters())
    method.zero_grad(set_to_none=True)
    (terms["content"] + terms["deceive"]).backward()
    assert all(tensor.grad is None for tensor in method.auxiliary.parameters())
    assert all(tensor.grad is not None for tensor in method.generator.parameters())


def test_tardal_statistics():
    infrared, visible = images(3, 1, 48, 48)
    with pytest.raises(ValueError, match="statistics"):
        TarDAL(statistics="none")
    outputs = {}
    for statistics in ("batch", "running"):
        torch.manual_seed(0)
        method = TarDAL(statistics=statistics).eval()
        before = {key: value.clone() for key, value in method.state_dict().items()}
        with torch.no_grad():
            outputs[statistics] = method.fuse(infrared, visible)
        after = method.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert not torch.allclose(outputs["batch"], outputs["running"], atol=1e-3)
    flags = {True: TarDAL(), False: TarDAL(), None: TarDAL(statistics="batch")}
    for flag, method in flags.items():
        method.official_state({"use_eval": bool(flag)})
        used = {getattr(module, "batch_statistics", None) for module in method.modules()} - {None}
        assert used == {not flag}


def test_ssim_against_scikit_image():
    first, second = images(1, 1, 30, 40)
    _, full = structural_similarity(
        first[0, 0].double().numpy(), second[0, 0].double().numpy(), full=True,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1,
    )  # fmt: skip
    assert abs(ssim(first, SourceMoments(second)).item() - full[5:-5, 5:-5].mean()) < 1e-5


def test_histogram_contrast_by_definition():
    pixels = torch.tensor([[[[0, 10], [10, 255]]], [[[7, 7], [7, 7]]]]) / 255
    expected = torch.tensor([[0 + 20 + 255, 10 + 245], [10 + 245, 255 + 490]]) / 745
    found = histogram_contrast(pixels)
    assert torch.allclose(found[0, 0], expected)
    assert torch.equal(found[1], torch.zeros(1, 2, 2))
    first, second = saliency_weights(pixels, pixels.flip(0))
    assert torch.allclose(first + second, torch.ones(()))


def test_edge_measures_on_a_ramp():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8) / 10
    assert torch.allclose(laplacian(ramp)[..., 1:-1], torch.zeros(()), atol=1e-6)
    assert torch.allclose(gradient_magnitude(ramp)[0, 0, 4, 4], torch.tensor(0.2), atol=1e-4)
    step_squares = 11 * 11 * 0.1**2
    middle = torch.arange(40.0).expand(1, 1, 40, 40) / 10
    assert torch.allclose(local_frequency(middle)[0, 0, 20, 20], torch.tensor(1 - step_squares))


def test_losses_vanish_where_the_fused_image_is_both_sources():
    image = images(1, 1, 48, 48)[0]
    assert gradient_loss(image, image, image) == 0
    assert neighbour_loss(image, image) == 0
    assert neighbour_loss(image + 0.25, image) > 0
    assert abs(multiscale_ssim(image, image).item() - 1) < 1e-6
    assert multiscale_ssim(image, image.flip(2)) < 1
