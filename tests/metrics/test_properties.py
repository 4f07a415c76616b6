"""What must hold for every image: ranges, invariances, and that the paths agree."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics import METRICS, score, score_methods
from metrics.registry import PAPER, VARIANTS
from metrics.vif import fidelities
from tests.helpers import metric_oracles

relaxed = settings(max_examples=25, deadline=None, derandomize=True)
EVERY = {**METRICS, **VARIANTS}


def scene(rng, height, width):
    """Draw an image with edges, gradients, noise and flat, saturated areas."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.sin(rows / rng.uniform(3, 20)) + np.cos(columns / rng.uniform(3, 20))
    image = 128 + rng.uniform(5, 90) * waves + rng.normal(0, rng.uniform(0, 20), waves.shape)
    top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
    image[top : top + height // 3, left : left + width // 3] = rng.choice([0, 128, 255])
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@st.composite
def triples(draw, smallest=41, largest=200, batch=1):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.integers(smallest, largest)), draw(st.integers(smallest, largest))
    sources = [scene(rng, height, width) for _ in range(2 * batch)]
    infrared, visible = np.stack(sources[::2]), np.stack(sources[1::2])
    weight = rng.uniform(0, 1)
    noise = rng.normal(0, rng.choice([0, 10]), infrared.shape)
    fused = np.clip(np.rint(weight * infrared + (1 - weight) * visible + noise), 0, 255)
    return fused.astype(np.uint8), infrared, visible


def equal(left, right, relative=0.0):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=relative, atol=0, err_msg=name)


@relaxed
@given(triples())
def test_compiled_and_plain_paths_agree(triple):
    equal(score(*triple, compiled=True), score(*triple, compiled=False), relative=1e-9)


@pytest.mark.parametrize(
    "shape", [(41, 41), (41, 400), (400, 41), (60, 168), (50, 320), (45, 321), (44, 625)]
)
def test_paths_agree_where_strips_and_blocks_end(shape):
    rng = np.random.default_rng(7)
    triple = [scene(rng, *shape)[None] for _ in range(3)]
    equal(score(*triple, compiled=True), score(*triple, compiled=False), relative=1e-9)


@relaxed
@given(triples(smallest=176, largest=190), st.sampled_from(sorted(EVERY)))
def test_values_lie_in_the_stated_range(triple, name):
    low, high = EVERY[name].range
    for candidate in (triple[0], triple[1], 255 - triple[2], np.full_like(triple[0], 9)):
        value = EVERY[name].measure(candidate, *triple[1:])[0]
        undefined = math.isnan(value) and EVERY[name].undefined
        assert undefined or low - 1e-9 <= value <= high + 1e-9


@relaxed
@given(triples(), st.integers(1, 60))
def test_offset_leaves_gradients_unchanged(triple, offset):
    fused = np.minimum(triple[0], 255 - 60)
    values = score(fused, *triple[1:], names=("sf", "ag"))
    equal(values, score(fused + np.uint8(offset), *triple[1:], names=("sf", "ag")))


@relaxed
@given(triples(smallest=176, largest=180), st.sampled_from(sorted(EVERY)))
def test_swapping_the_sources_changes_nothing(triple, name):
    fused, infrared, visible = triple
    values = score(fused, infrared, visible, names=(name,))
    # VIFF takes visible where the gains tie, as flat areas do.
    relative = 1e-5 if name == "viff" else 1e-12
    equal(values, score(fused, visible, infrared, names=(name,)), relative)


@relaxed
@given(triples())
def test_vif_of_a_source_with_itself_is_one(triple):
    fused, infrared, _ = (image[0].astype(np.float64) for image in triple)
    to_infrared, to_fused = fidelities(infrared, infrared, fused)
    assert to_infrared == pytest.approx(1, abs=1e-9)
    assert to_fused >= 0
    both = score(triple[1], triple[1], triple[1], names=("vif",))["vif"][0]
    assert both == pytest.approx(2, abs=1e-9)


@relaxed
@given(triples(), st.sampled_from(["fortran", "reversed", "strided", "read-only", "big-endian"]))
def test_memory_layout_changes_nothing(triple, layout):
    def lay_out(image):
        if layout == "fortran":
            return np.asfortranarray(image)
        if layout == "reversed":
            return np.ascontiguousarray(image[:, ::-1, ::-1])[:, ::-1, ::-1]
        if layout == "strided":
            return np.repeat(np.repeat(image, 2, axis=1), 3, axis=2)[:, ::2, ::3]
        if layout == "big-endian":
            return image.astype(">i4")
        copy = image.copy()
        copy.flags.writeable = False
        return copy

    relative = 1e-11 if layout == "big-endian" else 0
    for compiled in (True, False):
        straight = score(*triple, compiled=compiled)
        equal(straight, score(*map(lay_out, triple), compiled=compiled), relative)


@settings(relaxed, max_examples=8)
@given(triples(batch=5, largest=90), st.integers(2, 4), st.booleans())
def test_batches_and_threads_change_no_bit(triple, threads, compiled):
    names = (*PAPER, "en", "qabf")
    whole = score(*triple, names=names, compiled=compiled)
    equal(whole, score(*triple, names=names, compiled=compiled, threads=threads))
    for index in range(5):
        single = score(
            *(batch[index : index + 1] for batch in triple), names=names, compiled=compiled
        )
        equal(single, {name: whole[name][index : index + 1] for name in names})


def test_many_methods_give_what_each_gives_alone():
    rng = np.random.default_rng(3)
    infrared, visible, *fused = (np.stack([scene(rng, 70, 90)] * 2) for _ in range(5))
    methods = {str(index): images for index, images in enumerate(fused)}
    table = score_methods(methods, infrared, visible, threads=2)
    for name, images in methods.items():
        equal(table[name], score(images, infrared, visible))


@relaxed
@given(triples())
def test_floats_give_what_bytes_give(triple):
    floats = [image.astype(np.float32) for image in triple]
    equal(score(*triple, compiled=True), score(*floats, compiled=True), relative=1e-10)


def test_rounding_leaves_no_range():
    """Opposites, multiples of each other and unrelated images lie at the very ends."""
    rng = np.random.default_rng(0)
    down, across = (np.uint8(ramp)[None] for ramp in np.mgrid[:47, :53])
    triples = [(down, across, across)]
    for _ in range(20):
        image = rng.integers(0, 52, (1, 41, 43), dtype=np.uint8)
        triples += [(255 - image, image, image), (4 * image, image, 2 * image)]
    for name in ("scd", "cc", "mi", "nmi"):
        low, high = METRICS[name].range
        for triple in triples:
            value = METRICS[name].measure(*triple)[0]
            assert math.isnan(value) or low <= value <= high, (name, value)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("compiled", [True, False])
def test_metric_of_an_image_depends_on_nothing_else(name, compiled):
    """Neither on the other images, the threads, nor the memory; and its inputs stay as they are."""
    side = max(64, EVERY[name].minimum)
    rng = np.random.default_rng(13)
    triple = [np.stack([scene(rng, side, side + 9) for _ in range(3)]) for _ in range(3)]
    before = [batch.copy() for batch in triple]
    whole = score(*triple, names=(name,), compiled=compiled)
    equal(whole, score(*triple, names=(name,), compiled=compiled, threads=3))
    for index in range(3):
        alone = [np.asfortranarray(batch[index : index + 1]) for batch in triple]
        equal(score(*alone, names=(name,), compiled=compiled), {name: whole[name][[index]]})
    for batch, copy in zip(triple, before, strict=True):
        np.testing.assert_array_equal(batch, copy)


@pytest.mark.parametrize("name", [name for name, metric in EVERY.items() if metric.fast])
def test_compiled_path_computes_the_definition_beside_it(name):
    rng = np.random.default_rng(17)
    side = max(70, EVERY[name].minimum)
    triple = [np.stack([scene(rng, side, side + 21) for _ in range(3)]) for _ in range(3)]
    # White noise correlates at every scale, so that no term of MS-SSIM is 0.
    triple[0] = triple[1] // 2 + triple[2] // 2
    (fast,) = score(*triple, names=(name,), compiled=True).values()
    np.testing.assert_allclose(fast, EVERY[name].measure(*triple), rtol=1e-9)


ORACLES = ("ce", "ei", "rmse", "qcb", "qcv", "qy", "ncie", "sf_diagonal")
WINDOWED = ("fmi_pixel", "fmi_dct", "fmi_w")


@relaxed
@given(triples(smallest=9, largest=40), st.sampled_from(ORACLES))
def test_new_metric_is_that_of_its_oracle(triple, name):
    """Odd sizes, saturated areas and edges included; noise keeps every window from being flat."""
    rng = np.random.default_rng(triple[0].size)
    noisy = [np.clip(image[0] + rng.normal(0, 9, image[0].shape), 0, 255) for image in triple]
    images = [np.rint(image) for image in noisy]
    value = score(*(image[None] for image in images), names=(name,))[name][0]
    assert value == pytest.approx(
        float(getattr(metric_oracles, name)(*images)), rel=1e-9, abs=1e-12
    )


@settings(relaxed, max_examples=6)
@given(triples(smallest=3, largest=12), st.sampled_from(WINDOWED))
def test_feature_information_is_that_of_its_oracle(triple, name):
    images = [image[0].astype(np.float64) for image in triple]
    value = score(*triple, names=(name,))[name][0]
    assert value == pytest.approx(
        float(getattr(metric_oracles, name)(*images)), rel=1e-9, abs=1e-12
    )


@relaxed
@given(triples(smallest=16, largest=60))
def test_images_that_equal_both_sources_are_perfect(triple):
    image = triple[0]
    best = {
        "ce": 0,
        "rmse": 0,
        "qcb": 1,
        "qcv": 0,
        "qy": 1,
        "fmi_pixel": 1,
        "fmi_dct": 1,
        "fmi_w": 1,
    }
    values = score(image, image, image, names=tuple(best))
    for name, expected in best.items():
        assert values[name][0] == pytest.approx(expected, abs=1e-9), name


@relaxed
@given(triples(smallest=16, largest=60), st.booleans(), st.booleans())
def test_mirrored_and_turned_images_have_the_same_value(triple, mirrored, turned):
    names = ("ce", "ei", "rmse", "qy", "ncie", "sf_diagonal")
    step = -1 if mirrored else 1
    other = [image[:, ::step].swapaxes(1, 2) if turned else image[:, ::step] for image in triple]
    equal(score(*triple, names=names), score(*other, names=names), 1e-9)


@relaxed
@given(triples(smallest=16, largest=60), st.integers(1, 60))
def test_offset_of_all_images_changes_no_contrast(triple, offset):
    dark = [np.minimum(image, 195) for image in triple]
    bright = [image + np.uint8(offset) for image in dark]
    names = ("ei", "rmse", "qcb", "qcv", "ncie", "sf_diagonal", "sf_ratio", "fmi_pixel")
    equal(score(*dark, names=names), score(*bright, names=names), 1e-9)


@pytest.mark.parametrize("flat", [0, 1, 2])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_flat_images_have_the_stated_values(flat, level):
    rng = np.random.default_rng(5)
    triple = [scene(rng, 31, 45)[None] for _ in range(3)]
    triple[flat] = np.full_like(triple[flat], level)
    values = {name: column[0] for name, column in score(*triple, names=NEW).items()}
    assert math.isnan(values["qcb"]) and math.isnan(values["qcv"])
    defined = [value for name, value in values.items() if name not in ("qcb", "qcv")]
    assert np.isfinite(defined).all()
    if flat == 0:
        assert values["ei"] == values["sf_diagonal"] == 0
    blank = [np.full((1, 31, 45), level, np.uint8)] * 3
    values = score(*blank, names=("ce", "ei", "rmse", "qy", "sf_diagonal", "sf_ratio", "fmi_pixel"))
    assert [values[name][0] for name in ("ce", "ei", "rmse", "sf_diagonal")] == [0, 0, 0, 0]
    assert values["qy"][0] == values["fmi_pixel"][0] == 1 and np.isnan(values["sf_ratio"]).all()


NEW = (*ORACLES, *WINDOWED)


GUARDED = """
import ctypes, mmap, types
import numpy as np
from metrics import score
from metrics.fast import scratch

protect = ctypes.CDLL(None).mprotect

def zeros(count):
    pages = -(-8 * count // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, pages + mmap.PAGESIZE)
    end = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + pages
    assert protect(ctypes.c_void_p(end), mmap.PAGESIZE, 0) == 0
    return np.frombuffer(memory, np.float64, count, pages - 8 * count)

scratch.np = types.SimpleNamespace(zeros=zeros)
image = np.random.default_rng(0).integers(0, 256, (3, 1, 41, 41), dtype=np.uint8)
score(*image, names=("vif",), compiled=True)
"""


def test_compiled_loops_stay_in_their_memory():
    """Behind all memory lies a page that must not be touched."""
    assert subprocess.run([sys.executable, "-c", GUARDED]).returncode == 0
