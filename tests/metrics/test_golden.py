"""Agreement with public implementations, as docs/metrics.md promises it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from metrics import MetricError, score
from metrics.dialects import lookup
from metrics.ms_ssim import pair_ms_ssim
from metrics.registry import PAPER
from metrics.shared.arrays import per_image
from tests.helpers.shared_data import SHARED

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = SHARED / "golden_metrics"
TABLE = REPOSITORY / "docs" / "metrics.md"

needs_golden = pytest.mark.skipif(
    not (GOLDEN / "golden.json").exists(),
    reason=f"no golden values in {GOLDEN}; set SEGFANET_SHARED to where they are",
)


def tolerance_rows():
    """Read the rows of the tolerance table: metric, dialect, oracle, value, triples, two limits."""
    text = TABLE.read_text(encoding="utf-8")
    body = text.split("<!-- tolerances -->")[1].split("<!-- end of tolerances -->")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in lines]


def visible_ms_ssim(fused, infrared, visible):
    return per_image(lambda f, a, b: pair_ms_ssim(f, b), fused, infrared, visible, metric="ms_ssim")


def compiled(name):
    def measure(*triple):
        return score(*triple, names=(name,), compiled=True)[name]

    return measure


def measures(metric, dialect):
    """Give every function of ours that answers to one row of the table."""
    if metric == "ms_ssim, visible":
        return [visible_ms_ssim]
    plain = lookup([metric], None if dialect == "none" else dialect)[0].measure
    return [plain, compiled(metric)] if dialect == "none" and metric in PAPER else [plain]


@pytest.fixture(scope="module")
def golden():
    values = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))["values"]
    with np.load(GOLDEN / "triples.npz") as arrays:
        triples = {
            name: tuple(arrays[f"{name}__{part}"][None] for part in ("fus", "ir", "vis"))
            for name in values
        }
    return {name: (triples[name], values[name]) for name in values}


def wanted(golden, oracle, key, scope):
    """Yield the triples of a scope that the oracle measured, with its value."""
    for name, (triple, columns) in golden.items():
        value = columns.get(oracle, {}).get(key)
        even = all(side % 16 == 0 for side in triple[0].shape[1:])
        if value is None or (isinstance(value, str) and value.startswith("error")):
            continue
        uneven = scope == "even" and not even
        flat = scope == "textured" and name.startswith(("mfnet", "llvip"))
        if scope == "all" or not (name.startswith("edge") or uneven or flat):
            yield name, triple, float(value)


@needs_golden
@pytest.mark.parametrize(("metric", "key"), [("fmi_pixel", "none"), ("fmi_dct", "dct")])
def test_feature_information_agrees_with_its_authors_on_crops(golden, metric, key):
    compared = 0
    for triple, columns in golden.values():
        value = columns.get("linfengtang_matlab", {}).get(f"FMI_{key}_crop48")
        if value is not None:
            crops = (batch[:, :48, :48] for batch in triple)
            assert score(*crops, names=(metric,))[metric][0] == pytest.approx(value, rel=1e-12)
            compared += 1
    assert compared == 2


def test_wavelet_information_agrees_with_pywavelets():
    """The value is that of `pywt.dwt2(image, "dmey")` with the windows of `fmi_pixel`."""
    y, x = np.mgrid[:15, :18]
    triple = [((7 * y + 13 * x * k + y * x * (k + 1)) % 251)[None] for k in (1, 2, 3)]
    value = score(*triple, names=("fmi_w",))["fmi_w"][0]
    assert value == pytest.approx(0.16873162475714357, rel=1e-10)


def has_flat_source(triple):
    return any(source.min() == source.max() for source in triple[1:])


@needs_golden
@pytest.mark.parametrize("row", tolerance_rows(), ids=" ".join)
def test_agrees_with_public_implementation(golden, row):
    metric, dialect, oracle, key, scope, relative, absolute = row
    compared = 0
    for measure in measures(metric, dialect):
        for name, triple, expected in wanted(golden, oracle, key, scope):
            if metric in ("vif", "viff") and min(triple[0].shape[1:]) < 41 and oracle[0] != "i":
                with pytest.raises(MetricError, match="at least 41×41 px, got 40×40"):
                    measure(*triple)
                continue
            value = float(measure(*triple)[0])
            compared += 1
            if metric == "vif" and dialect == "none" and has_flat_source(triple):
                assert math.isnan(value), name
            elif math.isnan(expected) or math.isinf(expected):
                assert value == expected or (math.isnan(value) and math.isnan(expected)), name
            else:
                assert value == pytest.approx(expected, rel=float(relative), abs=float(absolute)), (
                    name
                )
    assert compared > 3


def test_table_covers_paper_metrics_at_nine_digits():
    rows = [row for row in tolerance_rows() if row[2] == "cddfuse_evaluator_float64"]
    strict = {row[0] for row in rows if row[1] == "none" and float(row[5]) <= 1e-9}
    assert strict >= set(PAPER)


@needs_golden
def test_grey_conversion_agrees_with_four_readers(tmp_path):
    from PIL import Image

    from metrics.images import read_grey

    with np.load(GOLDEN / "triples.npz") as arrays:
        Image.fromarray(arrays["gray_fixture__rgb"]).save(tmp_path / "rgb.png")
        readers = [
            name
            for name in arrays.files
            if name.startswith("gray_fixture") and "rgb_" not in name and not name.endswith("__rgb")
        ]
        grey = read_grey(tmp_path / "rgb.png")
        for name in readers:
            np.testing.assert_array_equal(grey, arrays[name], err_msg=name)


# Means of whu_254 after FreeFusion's resize to 224×224, to the four digits they were noted with.
RESIZED = {"sf": 35.73, "ag": 12.59, "scd": 1.91, "vif": 1.073}


@needs_golden
def test_resized_values_agree_with_the_evaluator_that_resizes(golden):
    triple, _ = golden["whu_254_freefusion"]
    for name, values in score(*triple, resize=224).items():
        assert values[0] == pytest.approx(RESIZED[name], rel=5e-4)
