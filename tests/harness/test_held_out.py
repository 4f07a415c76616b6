"""Measures of a training on test tiles, against numbers that are computed another way."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.average.control import Average
from harness.errors import MethodFailure
from harness.fusing.held_out import fusion_losses, mean_terms, measure_network, response
from harness.methods.spec import discover
from harness.pixels import IGNORE, quantise
from harness.tiles.array_file import Images
from harness.tiles.store import Pairs
from segfanet.losses import Sources, similarity_loss
from segfanet.method import SegFANetMethod

CPU = torch.device("cpu")
SIZES = [(44, 48), (44, 48), (48, 44), (61, 53), (61, 53), (44, 48)]


def pairs_of(sizes=SIZES, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    tiles = []
    for height, width in sizes:
        tile = rng.integers(0, 256, (5, height, width), dtype=np.uint8)
        tile[4] = rng.integers(0, classes, (height, width)) if classes else IGNORE
        tile[4, :3] = IGNORE
        tiles.append(tile)
    return Pairs(np.concatenate([tile.ravel() for tile in tiles]), sizes)


def stack_of(images):
    return Images(np.concatenate([i.ravel() for i in images]), [i.shape for i in images])


def network(**options):
    torch.manual_seed(0)
    return SegFANetMethod(3, width=4, pool=(6, 5, 4), **options).eval()


def sources(pairs, index):
    part = slice(index, index + 1)
    images = (pairs.infrared(part), pairs.visible(part))
    return [torch.from_numpy(i.astype(np.float32))[:, None] / 255 for i in images]


def measured(method, pairs, classes=3):
    return measure_network(
        method, pairs, classes=classes, batch=2, device=CPU, heartbeat=lambda: None
    )


def test_losses_are_those_of_the_training_on_whole_images_of_any_size():
    pairs = pairs_of()
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, size, dtype=np.uint8) for size in SIZES]
    losses, averages = fusion_losses(stack_of(images), pairs)
    for index, image in enumerate(images):
        pair = sources(pairs, index)
        fused = torch.from_numpy(image.astype(np.float32))[None, None] / 255
        assert losses[index] == pytest.approx(float(similarity_loss(fused, Sources(*pair))))
        average = quantise(Average().fuse(*pair).numpy()).astype(np.float32) / np.float32(255)
        expected = similarity_loss(torch.from_numpy(average), Sources(*pair))
        assert averages[index] == pytest.approx(float(expected), abs=1e-5)


def test_the_average_has_its_own_loss_and_colours_count_by_their_luma():
    pairs = pairs_of([(44, 48)] * 3)
    images = [quantise(Average().fuse(*sources(pairs, i)).numpy())[0, 0] for i in range(3)]
    losses, averages = fusion_losses(stack_of(images), pairs)
    assert losses == averages
    coloured = [np.repeat(image[None], 3, axis=0) for image in images]
    assert fusion_losses(stack_of(coloured), pairs)[0] == losses
    assert fusion_losses(None, pairs) == ([], averages)


def test_a_network_is_compared_with_the_labels_of_every_test_tile():
    pairs, method = pairs_of(), network()
    confusion = np.zeros((3, 3), int)
    for index in range(len(pairs)):
        with torch.no_grad():
            predicted = method(*sources(pairs, index)).logits.argmax(1)[0].numpy()
        label = pairs.labels(slice(index, index + 1))[0]
        for truth, guess in zip(label.ravel(), predicted.ravel(), strict=True):
            if truth != IGNORE:
                confusion[truth, guess] += 1
    assert measured(method, pairs)["confusion"] == confusion.tolist()


def test_images_of_the_irms_are_correlated_with_both_sources():
    pairs, method = pairs_of([(44, 48), (44, 48)]), network(sinets=2)
    rows = []
    for index in range(2):
        pair = sources(pairs, index)
        with torch.no_grad():
            images = [x[0, 0].numpy() for x in method(*pair).reconstructed]
        whole = [x[0, 0].numpy() for x in pair]
        halved = [x.reshape(22, 2, 24, 2).mean((1, 3)) for x in whole]
        rows.append(
            [
                [np.corrcoef(image.ravel(), kind.ravel())[0, 1] for kind in kinds]
                for image, kinds in zip(images, (whole, halved), strict=True)
            ]
        )
    found = measured(method, pairs)["reconstructed"]
    np.testing.assert_allclose(found, np.mean(rows, axis=0), atol=1e-5)
    assert measured(network(irm=False), pairs)["reconstructed"] == []


def test_both_modes_are_measured_and_leave_the_method_as_it_is():
    pairs, method = pairs_of(), network(norm="batch")
    with torch.no_grad():
        # The first weights leave out what the attention adds, and with it the norms.
        for parameter in method.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    before = {name: value.clone() for name, value in method.state_dict().items()}
    terms = measured(method, pairs)["terms"]
    assert set(terms) == {"eval", "train"}
    assert set(terms["eval"]) == {"fusion", "segmentation", "reconstruction"}
    assert terms["eval"]["fusion"] != terms["train"]["fusion"], "norms count in one of them"
    assert not method.training
    for name, value in method.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_terms_are_means_over_tiles_of_several_sizes():
    pairs, method = pairs_of(), network()
    found = mean_terms(method, pairs, 1, CPU)["fusion"]
    losses = []
    for index in range(len(pairs)):
        pair = sources(pairs, index)
        with torch.no_grad():
            losses.append(float(similarity_loss(method(*pair).fused, Sources(*pair))))
    assert found == pytest.approx(np.mean(losses), rel=1e-5)


class Fixed(torch.nn.Module):
    """Returns what a function makes of both images."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def fuse(self, infrared, visible):
        return self.function(infrared, visible)


def pattern(infrared, visible):
    rows = torch.arange(infrared.shape[-2]) / infrared.shape[-2]
    return rows[None, None, :, None].expand_as(infrared)


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.integers(20, 60), st.integers(20, 60)), min_size=1, max_size=6),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_only_an_output_that_ignores_its_inputs_does_not_follow_them(sizes, level, seed):
    pairs = pairs_of(sizes, seed=seed)
    assert response(Fixed(pattern), pairs, CPU) == (0.0, True)
    flat = Fixed(lambda infrared, _: torch.full_like(infrared, level))
    assert response(flat, pairs, CPU) == (0.0, True)
    faint = Fixed(lambda i, v: pattern(i, v) * 0.9 + 0.0001 * i)
    assert response(faint, pairs, CPU)[0] < 0.01
    followed, finite = response(Average(), pairs, CPU)
    assert followed > 0.3
    assert finite
    assert response(Fixed(lambda infrared, _: infrared), pairs, CPU)[0] > 0.3


def test_outputs_that_are_not_finite_are_noticed_and_equal_inputs_say_nothing():
    pairs = pairs_of()
    assert not response(Fixed(lambda i, v: i * math.nan), pairs, CPU)[1]
    flat = Pairs(np.full((2, 5, 44, 48), 127, np.uint8))
    followed, finite = response(Fixed(lambda i, v: (i > 2).float()), flat, CPU)
    assert (followed, finite) == (0.0, True)
    none = Pairs(np.zeros((0, 5, 44, 48), np.uint8))
    assert math.isnan(response(Average(), none, CPU)[0])


def test_a_method_without_labels_is_measured_by_its_terms_alone():
    class Plain(Fixed):
        def training_loss(self, batch):
            sizes.append(len(batch.infrared))
            return {"error": (self.fuse(batch.infrared, batch.visible) - batch.visible).mean()}

    sizes = []
    found = measured(Plain(lambda i, v: i), pairs_of(classes=0), classes=0)
    assert set(found) == {"response", "finite", "terms"}
    assert sizes == [2, 1, 2, 1] * 2, "tiles of one size go together"


def test_a_loss_that_raises_in_a_mode_leaves_the_other_measures():
    class Breaks(Fixed):
        def training_loss(self, batch):
            if not self.training:
                raise ZeroDivisionError("no luck")
            return {"error": batch.infrared.mean()}

    found = measured(Breaks(lambda i, v: i), pairs_of(classes=0), classes=0)
    assert "in eval mode: training_loss on test tiles: ZeroDivisionError" in found["failure"]
    assert set(found["terms"]) == {"train"}
    assert found["response"] > 0.3


def test_a_method_that_cannot_fuse_test_tiles_fails():
    def breaks(infrared, visible):
        raise ZeroDivisionError("no luck")

    with pytest.raises(MethodFailure, match="other inputs: ZeroDivisionError"):
        measured(Fixed(breaks), pairs_of(classes=0), classes=0)


@pytest.mark.parametrize(
    "name", [n for n, s in discover().items() if s.train and s.kind == "baseline"]
)
def test_every_trained_method_has_a_loss_in_both_modes(name):
    torch.manual_seed(0)
    method = discover()[name].load_for(3).eval()
    found = measured(method, pairs_of([(64, 64)] * 2), classes=0)
    assert "failure" not in found
    assert set(found["terms"]["eval"]) == set(found["terms"]["train"]) != set()
    for terms in found["terms"].values():
        assert all(map(math.isfinite, terms.values()))
    assert all(p.requires_grad for p in method.parameters()), "the method stays as it is"
