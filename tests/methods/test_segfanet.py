"""The network of SegFANet against a second network in numpy, written from the equations."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.methods.contract import Batch
from harness.pixels import IGNORE
from segfanet.config import CHOICES, Config
from segfanet.model import (
    CAM,
    FFM,
    IRM,
    EncoderStage,
    NormalisedConv,
    SegFANet,
    pad,
)
from tests.helpers import segfanet_reference as reference
from tests.helpers.segfanet_reference import images
from tests.helpers.segfanet_variants import FOUND, VARIANTS

LITERAL = "segfanet_literal"
TOLERANCE = {"atol": 1e-5, "rtol": 0}
SHIFTS_EVERY_SCORE = "norm_k.bias"
"""It adds q·β to all scores of a query; the softmax cancels this, so it has no gradient."""


def lively(module, seed=0):
    """Give each parameter and running moment its own random value, in float64.

    The initial weights would hide errors: residual branches are zero, norms do nothing.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor, scale, centre=0.0):
        tensor.data = centre + scale * torch.randn(tensor.shape, generator=generator).double()

    module.double()
    for name, parameter in module.named_parameters():
        if parameter.dim() == 4:
            normal(parameter, 1.2 / parameter[0].numel() ** 0.5)
        elif name.endswith("weight"):
            normal(parameter, 0.2, 1.0)
        else:
            normal(parameter, 0.1)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            normal(buffer, 0.1)
        elif name.endswith("running_var"):
            buffer.data = 0.5 + torch.rand(buffer.shape, generator=generator).double()
    return module


def state_of(module):
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


def variant(name, **options):
    return FOUND[name].load(**{"classes": 5, "width": 4, "pool": (6, 5, 4), **options})


def batch(height=61, width=75):
    label = torch.randint(0, 5, (2, height, width), generator=torch.Generator().manual_seed(3))
    label[:, :4] = IGNORE
    return Batch(images(1, 2, 1, height, width), images(2, 2, 1, height, width), label)


def assert_equal(found, expected):
    torch.testing.assert_close(found.detach(), torch.from_numpy(expected), **TOLERANCE)


@pytest.mark.parametrize("halve", [False, True])
def test_encoder_stage(halve):
    stage = lively(torch.nn.ModuleDict({"e": EncoderStage(2, 3, halve=halve)}))
    x = images(0, 2, 2, 10, 14)
    expected = reference.encoder_stage(state_of(stage), "e", x.numpy(), halve)
    assert expected.shape[-2:] == ((5, 7) if halve else (10, 14))
    assert_equal(stage["e"](x), expected)


def test_irm_is_equation_3():
    module = lively(torch.nn.ModuleDict({"irm": IRM(3)}))
    x = images(0, 2, 3, 7, 6) - 0.5
    expected = reference.irm(state_of(module), "irm", x.numpy())
    for found, value in zip(module["irm"](x), expected, strict=True):
        assert_equal(found, value)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("side", "shape"), [(4, (8, 8)), (5, (13, 11)), (6, (4, 9))])
def test_cam_is_equations_6_to_10(training, side, shape):
    module = lively(torch.nn.ModuleDict({"cam": CAM(3, side)})).train(training)
    f_f, f_r = images(0, 2, 3, *shape), images(1, 2, 3, *shape)
    state = state_of(module)
    expected = reference.cam(state, "cam", f_f.numpy(), f_r.numpy(), side, training)
    for found, value in zip(module["cam"](f_f, f_r), expected, strict=True):
        assert_equal(found, value)
    np.testing.assert_allclose(expected[1].sum(2), 1)


def test_ffm_is_equations_11_to_13():
    module = lively(torch.nn.ModuleDict({"ffm": FFM(2)}))
    f_r, f_d = images(0, 2, 2, 6, 5) - 0.5, images(1, 2, 2, 6, 5) - 0.5
    expected = reference.ffm(state_of(module), "ffm", f_r.numpy(), f_d.numpy())
    assert_equal(module["ffm"](f_r, f_d), expected)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_output_of_every_variant(name, training):
    method = lively(variant(name)).train(training)
    pair = images(1, 2, 1, 44, 52), images(2, 2, 1, 44, 52)
    state = state_of(method)
    expected = reference.forward(state, method.config, *(x.numpy() for x in pair), training)
    output = method(*pair)
    for field in dataclasses.fields(output):
        found, values = getattr(output, field.name), expected[field.name]
        if isinstance(found, torch.Tensor):
            found, values = [found], [values]
        assert len(found) == len(values), field.name
        for tensor, value in zip(found, values, strict=True):
            assert value.std() > 1e-4, f"{field.name} is flat and would hide errors"
            assert_equal(tensor, value)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_term_of_the_loss_of_every_variant(name):
    method, tiles = lively(variant(name)).train(), batch(45, 50)
    padded = [np.pad(x, ((0, 0), (0, 0), (0, 3), (0, 2)), mode="edge") for x in tiles_of(tiles)]
    output = reference.forward(state_of(method), method.config, *padded, training=True)
    inside = np.s_[..., :45, :50]
    expected = {
        "fusion": reference.fusion_loss(output["fused"][inside], *tiles_of(tiles)),
        "segmentation": reference.segmentation_loss(
            output["logits"][inside],
            tiles.label.numpy(),
            every_class=method.config.dice == "all",
        ),
    }
    if method.config.irm:
        images_i = output["reconstructed"]
        expected["reconstruction"] = reference.reconstruction_loss(images_i, *padded)
    found = {term: value.item() for term, value in method.training_loss(tiles).items()}
    assert found == pytest.approx(expected, abs=1e-5)


def tiles_of(tiles):
    return tiles.infrared.numpy(), tiles.visible.numpy()


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_reach_every_parameter_of_every_variant(name):
    method = lively(variant(name)).train()
    torch.stack(list(method.training_loss(batch(44, 52)).values())).sum().backward()
    for key, parameter in method.named_parameters():
        assert parameter.grad is not None, key
        size = parameter.grad.abs().max().item()
        if key.endswith(SHIFTS_EVERY_SCORE):
            assert size < 1e-12, key
        else:
            assert 1e-9 < size < 1e3, key


DEEP = ("fusion_encoder.", "bottom.", "refine.", "up.", "sinets.1.ffm.", "sinets.2.ffm.")
"""What reaches the first image only through f_d of the FFM of stage 1, beside CAM."""


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != LITERAL])
def test_at_the_start_only_silent_branches_have_no_gradient_and_two_steps_later_none(name):
    method = variant(name).double().train()
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-4)
    residual = {
        key.replace("second.weight", f"first.{part}")
        for key, parameter in method.named_parameters()
        for part in ("weight", "bias")
        if key.endswith("second.weight") and not parameter.any()
    }
    assert len(residual) == 18
    deep = {
        key
        for key, _ in method.named_parameters()
        if key.startswith(DEEP) or (".cam." in key and not key.endswith(SHIFTS_EVERY_SCORE))
    }
    for expected in (deep | residual, deep & residual, set()):
        optimiser.zero_grad()
        torch.stack(list(method.training_loss(batch(44, 52)).values())).sum().backward()
        without = {key for key, value in method.named_parameters() if not value.grad.any()}
        assert {key for key in without if not key.endswith(SHIFTS_EVERY_SCORE)} == expected
        optimiser.step()


def test_the_variants_are_the_seven_settings_of_tables_3_to_5_and_the_literal_one():
    settings_ = [name for name in VARIANTS if name != LITERAL]
    found = {(c.sinets, c.irm, c.cam) for c in (variant(name).config for name in settings_)}
    pairs = {(k, irm, cam) for k in (2, 3) for irm, cam in ((True, False), (False, True))}
    assert found == {(1, True, True), (2, True, True), (3, True, True), *pairs}
    assert len(settings_) == 7


def test_the_literal_network_departs_nowhere_from_the_text():
    config = variant(LITERAL).config
    assert {name: getattr(config, name) for name in CHOICES} == {
        "norm": "batch",
        "initial": "torch",
        "head": "plain",
        "dice": "all",
        "scale_inputs": False,
        "segmentation_norm": "none",
        "segmentation_context": 0,
    }
    ours = variant("segfanet").config
    assert {name: getattr(ours, name) for name in CHOICES} == {
        name: values[0] for name, values in CHOICES.items()
    }


def test_the_literal_network_has_plain_batch_norms_in_its_attention_and_no_other_norm():
    method = variant(LITERAL).train()
    norms = [module for module in method.modules() if "Norm" in type(module).__name__]
    kinds = [type(module) for module in norms if not isinstance(module, NormalisedConv)]
    assert kinds == [torch.nn.BatchNorm2d] * 9
    moments = lively(method).state_dict()["sinets.0.cam.norm_q.running_mean"].clone()
    pair = images(1, 2, 1, 44, 52), images(2, 2, 1, 44, 52)
    f_f = method(*pair).fusion[0].detach().numpy()
    tokens = reference.adaptive_pool(f_f, 6)
    expected = 0.9 * moments.numpy() + 0.1 * tokens.mean((0, 2, 3))
    assert_equal(method.state_dict()["sinets.0.cam.norm_q.running_mean"], expected)


def test_the_literal_network_starts_with_torch_s_own_weights():
    torch.manual_seed(5)
    method = variant(LITERAL, width=32)
    for name, conv in method.named_modules():
        if isinstance(conv, torch.nn.Conv2d):
            bound = conv.weight[0].numel() ** -0.5
            largest = conv.weight.abs().max().item()
            assert 0.9 * bound < largest <= bound, name
            assert conv.bias is None or 0 < conv.bias.abs().max() <= bound, name


@pytest.mark.parametrize(
    ("option", "value"), [(k, v) for k, values in CHOICES.items() for v in values[1:]]
)
def test_each_departure_can_be_taken_back_alone(option, value):
    method = lively(variant("segfanet", **{option: value})).train()
    pair = images(1, 2, 1, 44, 52), images(2, 2, 1, 44, 52)
    expected = reference.forward(state_of(method), method.config, *(x.numpy() for x in pair), True)
    output = method(*pair)
    assert_equal(output.fused, expected["fused"])
    assert_equal(output.logits, expected["logits"])


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in VARIANTS if name != LITERAL),
        ("segfanet", {"width": 4}),
        ("segfanet", {"width": 32}),
        ("segfanet", {"head": "plain"}),
        ("segfanet", {"norm": "batch"}),
        ("segfanet", {"scale_inputs": False}),
    ],
)
def test_the_first_images_are_the_mean_of_the_sources(name, options, training):
    for seed in range(3):
        torch.manual_seed(seed)
        method = variant(name, **{"width": 8, **options}).train(training)
        pair = images(seed, 2, 2, 1, 45, 52).float()
        with torch.no_grad():
            output = method(*pair)
        mean = pair.mean(0)
        torch.testing.assert_close(output.fused, mean, rtol=0, atol=1e-5)
        for i, image in enumerate(output.reconstructed):
            smaller = torch.nn.functional.avg_pool2d(pad(mean), 2**i)
            torch.testing.assert_close(image, smaller, rtol=0, atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(41, 70), st.integers(41, 70), st.sampled_from(VARIANTS))
def test_any_size_is_padded_run_and_cropped(height, width, name):
    method = lively(variant(name)).eval()
    pair = images(0, 1, 1, height, width), images(1, 1, 1, height, width)
    down, right = -height % 4, -width % 4
    padded = [
        torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (0, down), (0, right)), mode="edge"))
        for x in pair
    ]
    with torch.no_grad():
        output, whole = method(*pair), method(*padded)
        fused = method.fuse(*pair)
    assert output.fused.shape == (1, 1, height, width)
    assert output.logits.shape == (1, 5, height, width)
    torch.testing.assert_close(output.fused, whole.fused[..., :height, :width], **TOLERANCE)
    torch.testing.assert_close(output.logits, whole.logits[..., :height, :width], **TOLERANCE)
    torch.testing.assert_close(fused, output.fused.clamp(0, 1), rtol=0, atol=0)
    assert fused.min() >= 0
    assert fused.max() <= 1


def test_padding_repeats_the_border():
    padded = pad(images(0, 1, 1, 5, 6))
    assert padded.shape == (1, 1, 8, 8)
    torch.testing.assert_close(padded[..., 5, :], padded[..., 4, :])


def test_one_image_in_eval_does_not_depend_on_its_batch():
    method, pair = lively(variant("segfanet")).eval(), batch()
    with torch.no_grad():
        together = method.fuse(pair.infrared, pair.visible)
        alone = method.fuse(pair.infrared[:1], pair.visible[:1])
    torch.testing.assert_close(together[:1], alone, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    "options",
    [
        *({"sinets": 0}, {"sinets": 4}, {"pool": (8, 8)}, {"norm": "group"}, {"initial": "ours"}),
        *({"head": "sigmoid"}, {"dice": "none"}, {"scale_inputs": "no"}),
        *({"segmentation_norm": "batch"}, {"segmentation_context": 4}),
    ],
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        SegFANet(Config(**options))
