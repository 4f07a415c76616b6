"""Published images of all sample pairs against plain transcriptions and the authors' rules."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import transcriptions, transcriptions_attentive
from harness.__main__ import main
from harness.fusing.inference import load_method
from harness.methods.spec import discover
from harness.methods.weights import choose_weights
from tests.helpers.shared_data import SHARED, need

SAMPLES = SHARED / "datasets" / "samples"
SETS = {
    "tno25/test_img/TNO": ("ir", "vi"),
    "roadscene50/test_img/RoadScene": ("ir", "vi"),
    "msrs361/test_img/MSRS_test": ("ir", "vi"),
    "vifb21/input": ("IR", "VI"),
}
SIDES = 96, 73
TRANSCRIPTIONS = {**transcriptions.TRANSCRIPTIONS, **transcriptions_attentive.TRANSCRIPTIONS}


def truncated(x):
    return np.uint8(255 * x.clip(0, 1))


def rounded(x):
    return np.uint8(255 * x.clip(0, 1) + 0.5)


def stretched(x):
    return (x - x.min()) / (x.max() - x.min())


def gray_by_opencv(x):
    red, green, blue = np.uint8(255 * x).astype(int)
    return (9798 * red + 19235 * green + 3735 * blue + 16384) >> 15


RULES = {
    "datfuse": truncated,
    "densefuse": truncated,
    "ifcnn": gray_by_opencv,
    "lrrnet": truncated,
    "mmdrfuse": lambda x: rounded(stretched(x)),
    "pfcfuse": lambda x: truncated(stretched(x)),
    "sage": rounded,
    "seafusion": lambda x: truncated(stretched(x)),
    "sfdfusion": truncated,
    "stdfusionnet": lambda x: rounded(stretched(x)),
    "u2fusion": lambda x: rounded(x / x.max()),
}
"""Method → what its authors do to the output (float64) of a gray pair before they save it."""


def write_parts(folder):
    """Write the middle of every sample pair in gray, and return the names."""
    names = []
    for place, roles in SETS.items():
        for path in sorted(need(SAMPLES / place / roles[0]).iterdir()):
            names.append(f"{place.split('/')[0]}_{path.stem}.png")
            for role, kind in zip(roles, ("ir", "vi"), strict=True):
                (folder / kind).mkdir(exist_ok=True)
                with Image.open(SAMPLES / place / role / path.name) as image:
                    left, top = ((a - b) // 2 for a, b in zip(image.size, SIDES, strict=True))
                    part = image.crop((left, top, left + SIDES[0], top + SIDES[1]))
                    part.convert("L").save(folder / kind / names[-1])
    return names


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_the_command_writes_what_the_description_says(name, tmp_path):
    """At most one pixel of a thousand may differ, by one level: there, a sum rounds another way."""
    mirror = need(SHARED / "methods" / name)
    names = write_parts(tmp_path)
    words = ["--infrared", str(tmp_path / "ir"), "--visible", str(tmp_path / "vi")]
    words += ["-o", str(tmp_path / "fused"), "--as-published", "--mirror", str(mirror)]
    main(["fuse", name, *words, "--device", "cpu"])
    spec, cpu = discover()[name], torch.device("cpu")
    method = load_method(spec, cpu, choose_weights(spec, mirrors=[mirror]).path, 0)
    plain = transcriptions.ifcnn_channels if name == "ifcnn" else TRANSCRIPTIONS[name]
    crop = SIDES[1] - SIDES[1] % 2 if name == "sfdfusion" else SIDES[1]
    for pair in names:
        sources = [
            torch.from_numpy(
                read(tmp_path / kind / pair)[:crop].astype(np.float32) / np.float32(255)
            )
            for kind in ("ir", "vi")
        ]
        with torch.no_grad():
            fused = plain(method, *(source[None, None] for source in sources))[0]
        output = fused.double().numpy()
        expected = RULES[name](output if name == "ifcnn" else output[0]).astype(int)
        distance = np.abs(read(tmp_path / "fused" / pair) - expected)
        assert distance.max() <= 1, pair
        assert (distance > 0).mean() <= 0.001, pair
