"""With the authors' weights, methods return the authors' numbers and save the authors' images."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from harness.__main__ import main
from harness.errors import HarnessError
from harness.fusing.inference import load_method
from harness.fusing.publishing import Source, publish
from harness.methods.spec import MethodSpec, Published, discover
from harness.methods.weights import choose_weights
from tests.helpers.shared_data import SHARED, need, tensor

CPU = torch.device("cpu")
TOLERANCE = 1e-5
METHODS = SHARED / "methods"
SAMPLES = SHARED / "datasets" / "samples"
MSRS = SAMPLES / "msrs361" / "test_img" / "MSRS_test"
TNO = SAMPLES / "tno25" / "test_img" / "TNO"


class Golden(NamedTuple):
    """Golden values of one method with options: prefixes of the keys of floats and 8-bit images.

    equal: share of the pixels of every image that must be equal; the others differ by 1 level.
    differing: pixels of every image that may differ even so.
    """

    name: str
    options: dict
    floats: str
    images: str = ""
    equal: float = 1.0
    folder: str = ""
    differing: int = 0


# Two libraries differ in the last digit, and a truncation shows that. So do two processors: of one
# image of IFCNN, 128×128, an AMD EPYC gives all pixels and an Intel Xeon all but one.
CASES = [
    Golden("seafusion", {}, "out", "saved", 0.9999),
    Golden("ifcnn", {}, "out", "saved", differing=1),
    Golden("ifcnn", {"normalisation": "imagenet"}, "out_imagenet"),
    Golden("densefuse", {}, "out", "saved"),
    Golden("densefuse", {"strategy": "l1"}, "out_l1", "saved_l1"),
    Golden("u2fusion", {}, "out", "saved", 0.9998),
    Golden("u2fusion", {"script": 2019}, "out", "saved_minmax", 0.9998),
    Golden("u2fusion", {"first": "infrared"}, "out_infrared_first"),
    Golden("stdfusionnet", {}, "out", "saved", 0.9999, folder="2021"),
    Golden("stdfusionnet", {"weights": "y2022"}, "out_2022", "saved_2022", 0.9999, folder="2022"),
]
NAMES = sorted({case.name for case in CASES})


def with_options(name, options):
    spec = discover()[name]
    return replace(spec, options={**spec.options, **options})


def official(name, options, folder=""):
    spec = with_options(name, options)
    weights = choose_weights(spec, mirrors=[need(METHODS / name / folder)])
    assert weights.origin == "official"
    return spec, load_method(spec, CPU, weights.path, 0)


def pairs_of(data, prefix):
    """Return the numbers of the pairs that have a value `<prefix>_<number>`."""
    endings = (key.removeprefix(f"{prefix}_") for key in data.files if key.startswith(prefix))
    found = [ending for ending in endings if ending.isdigit()]
    assert found, prefix
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.floats}-{case.images}")
def test_numbers_and_images_are_the_authors(case):
    spec, method = official(case.name, case.options, case.folder)
    data = np.load(METHODS / case.name / "golden.npz", allow_pickle=False)
    for pair in pairs_of(data, case.floats):
        with torch.no_grad():
            fused = method.fuse(tensor(data, f"ir_{pair}"), tensor(data, f"vi_{pair}"))
        found = (fused - tensor(data, f"{case.floats}_{pair}")).abs().max()
        assert found <= TOLERANCE, pair
    for pair in pairs_of(data, case.images) if case.images else ():
        source = Source("golden", data[f"ir_{pair}"][0, 0], data[f"vi_{pair}"][0, 0], None)
        (found,) = publish(spec, method, [source], CPU)
        check_equal(found, data[f"{case.images}_{pair}"], case.equal, case.differing)


def check_equal(found, expected, share, differing=0):
    distance = np.abs(found.astype(int) - expected)
    assert found.dtype == np.uint8
    assert distance.max() <= 1
    assert (distance == 0).mean() >= share or (distance > 0).sum() <= differing


# The whole command on real pairs


def fuse(name, infrared, visible, output, *words):
    pair = ["--infrared", str(infrared), "--visible", str(visible), "--device", "cpu"]
    main(["fuse", name, *pair, "-o", str(output), "--as-published", *words])


def published(name, infrared, visible, tmp_path, *words):
    folder = METHODS / name / ("2021" if name == "stdfusionnet" else "")
    output = tmp_path / "published.png"
    fuse(name, need(infrared), visible, output, "--mirror", str(need(folder)), *words)
    with Image.open(output) as image:
        return np.asarray(image)


def part_of_a_pair(name, tmp_path):
    """Write the middle of a pair of MSRS, 201×150 pixels, and return both paths."""
    paths = tmp_path / "part_ir.png", tmp_path / "part_vi.png"
    for folder, path in zip(("ir", "vi"), paths, strict=True):
        with Image.open(need(MSRS / folder / name)) as image:
            image.crop((220, 160, 421, 310)).save(path)
    return paths


def seafusion_script(method, infrared, rgb):
    """Follow the authors' script, with their own constants of YCbCr, on [0, 1]."""
    red, green, blue = (rgb[band].astype(np.float32) / 255 for band in range(3))
    y = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    cr, cb = 0.713 * (red - y), 0.564 * (blue - y)
    with torch.no_grad():
        fused = method.fuse(*(torch.from_numpy(x)[None, None] for x in (infrared, y)))[0, 0].numpy()
    image = np.stack([fused + 1.403 * cr, fused - 0.714 * cr - 0.344 * cb, fused + 1.773 * cb])
    image = np.clip(image, 0, 1)
    return np.uint8(255 * (image - image.min()) / (image.max() - image.min()))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.images], ids=lambda case: f"{case.name}-{case.images}"
)
def test_the_command_writes_the_authors_images_of_real_pairs(case, tmp_path):
    data = np.load(need(METHODS / case.name / "golden.npz"), allow_pickle=False)
    mirror = ["--mirror", str(METHODS / case.name / case.folder)]
    options = [
        word for key, value in case.options.items() for word in ("--option", f"{key}={value}")
    ]
    for pair in pairs_of(data, case.images):
        for role in ("ir", "vi"):
            image = np.uint8(255 * data[f"{role}_{pair}"][0, 0] + 0.5)
            Image.fromarray(image).save(tmp_path / f"{role}.png")
        paths = (tmp_path / f"{name}.png" for name in ("ir", "vi", "fused"))
        fuse(case.name, *paths, *mirror, *options)
        with Image.open(tmp_path / "fused.png") as image:
            found = np.asarray(image.convert("RGB"))
        assert (found == found[..., :1]).all()
        check_equal(found[..., 0], data[f"{case.images}_{pair}"], case.equal, case.differing)


@pytest.mark.parametrize("pair", ["00587D.png", "00964N.png"])
def test_seafusion_of_a_pair_in_colour(pair, tmp_path):
    found = published("seafusion", MSRS / "ir" / pair, MSRS / "vi" / pair, tmp_path)
    with Image.open(MSRS / "ir" / pair) as infrared, Image.open(MSRS / "vi" / pair) as visible:
        gray = np.asarray(infrared.convert("L")).astype(np.float32) / np.float32(255)
        rgb = np.moveaxis(np.asarray(visible), -1, 0)
    expected = seafusion_script(official("seafusion", {})[1], gray, rgb)
    # The authors' constants of YCbCr are rounded to three digits, those here are not.
    check_equal(np.moveaxis(found, -1, 0), expected, 0.995)
    assert (found.min(), found.max()) == (0, 255)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_publishes_a_gray_pair_in_gray(name, tmp_path):
    infrared = sorted(need(TNO / "ir").iterdir())[0]
    with Image.open(TNO / "vi" / infrared.name) as image:
        size = image.size
        image.convert("L").save(tmp_path / "gray.png")
    found = published(name, infrared, tmp_path / "gray.png", tmp_path)
    assert found.shape == size[::-1]
    if name in ("seafusion", "stdfusionnet"):
        assert (found.min(), found.max()) == (0, 255)
    if name == "u2fusion":
        assert found.max() == 255


@pytest.mark.parametrize(("name", "colours"), [("u2fusion", 3), ("densefuse", 1), ("ifcnn", 1)])
def test_a_pair_in_colour_is_published_as_the_authors_do(name, colours, tmp_path):
    found = published(name, *part_of_a_pair("00587D.png", tmp_path), tmp_path)
    assert found.shape[2:] == ((3,) if colours == 3 else ())


def test_the_year_of_u2fusions_script_is_an_option(tmp_path):
    pair = part_of_a_pair("00587D.png", tmp_path)
    found = published("u2fusion", *pair, tmp_path, "--option", "script=2019")
    assert (found.min(), found.max()) == (0, 255)


def test_limfusion_converts_colours_as_pillow_does(tmp_path):
    paths = part_of_a_pair("00587D.png", tmp_path)
    output = tmp_path / "published.png"
    fuse("limfusion", *paths, output, "--mirror", str(need(SHARED / "checkpoints")))
    with Image.open(output) as fused, Image.open(paths[1]) as visible:
        for ours, theirs in zip(
            fused.convert("YCbCr").split()[1:], visible.convert("YCbCr").split()[1:], strict=True
        ):
            distance = np.abs(np.asarray(ours).astype(int) - np.asarray(theirs))
            # Only colours that leave [0, 255] with the new luma change.
            assert np.median(distance) <= 1
        assert fused.mode == "RGB"
        visible.convert("L").save(paths[1])
    fuse("limfusion", *paths, output, "--mirror", str(SHARED / "checkpoints"))
    with Image.open(output) as fused:
        assert fused.mode == "L"


def test_what_cannot_be_published_is_refused(tmp_path):
    images = tmp_path / "ir.png", tmp_path / "vi.png"
    for path in images:
        Image.fromarray(np.eye(48, dtype=np.uint8)).save(path)
    with pytest.raises(HarnessError, match=r"average: .*does not say how the authors save"):
        fuse("average", *images, tmp_path / "o.png")
    with pytest.raises(HarnessError, match=r"o\.npy: .*8-bit images; name an image file"):
        fuse("seafusion", *images, tmp_path / "o.npy")
    assert not (tmp_path / "o.png").exists()
    rule = Published()
    program = MethodSpec(name="a", title="A", folder=tmp_path, command=("sh",), published=rule)
    with pytest.raises(HarnessError, match="do not ask for published images"):
        publish(program, None, [], CPU)
