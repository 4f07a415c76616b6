"""Images that are too large for the memory: the estimate, the refusal, and overlapping parts."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.__main__ import main
from harness.disk.records import read_record
from harness.disk.schema import ROOT
from harness.errors import HarnessError, MethodFailure
from harness.fusing import windows
from harness.fusing.inference import load_method
from harness.fusing.memory import MemoryUse, memory_use
from harness.fusing.windows import call_size, fit, in_parts
from harness.machine.memory import available_bytes
from harness.methods.spec import discover
from harness.stages import fuse, prepare
from harness.tiles.array_file import Images

CPU = torch.device("cpu")
LARGE = (400, 352)
METHODS = discover()
LOCAL = sorted(name for name, spec in METHODS.items() if spec.overlap is not None)


def loaded(name):
    torch.manual_seed(0)
    return load_method(METHODS[name], CPU, None, 0)


def pair(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(1, 1, height, width, generator=generator) for _ in range(2)]


@given(st.floats(0, 1e5), st.floats(0, 1e-1), st.integers(1, 10**8))
def test_the_largest_call_is_that_which_fills_the_room(linear, square, pixels):
    use = MemoryUse(linear, square)
    assert use.most_pixels(use.bytes_of(pixels)) == pytest.approx(pixels, abs=2, rel=1e-6)


@pytest.mark.parametrize(("power", "grows"), [(1, False), (2, True)])
def test_memory_that_grows_with_the_square_of_the_pixels_is_noticed(power, grows):
    class Method:
        def fuse(self, infrared, visible):
            pixels = infrared.numel() ** power // (1 if power == 1 else 100)
            kept = torch.zeros(100 * pixels // (100 if power == 2 else 1))
            return infrared + kept[0]

    use = memory_use(Method(), CPU)
    assert (use.square > 0) == grows
    small, large = use.bytes_of(10**6), use.bytes_of(4 * 10**6)
    assert large / small == pytest.approx(16 if grows else 4, rel=0.2)


MEASURED = """
import sys, torch
from harness.fusing.inference import load_method
from harness.fusing.memory import memory_use
from harness.methods.spec import discover
def read(key):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))
torch.set_num_threads(1)
method = load_method(discover()[sys.argv[1]], torch.device("cpu"), None, 0)
estimate = memory_use(method, torch.device("cpu")).bytes_of(640 * 480)
before = read("VmRSS:")
open("/proc/self/clear_refs", "w").write("5")
with torch.no_grad():
    method.fuse(*torch.rand(2, 1, 1, 640, 480))
print(estimate, read("VmHWM:") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel states the peak of a process")
@pytest.mark.parametrize("name", ["densefuse", "ydtr", "freefusion"])
def test_the_estimate_is_realistic(name):
    command = [sys.executable, "-c", MEASURED, name]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    estimate, measured = map(int, run.stdout.split())
    assert 0.5 < measured / estimate < 1.5


GROWTH = """
import torch
from harness.fusing.inference import load_method
from harness.methods.spec import discover

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
torch.set_num_threads(1)
method = load_method(discover()["densefuse"], torch.device("cpu"), None, 0)
for size in range(1, 91):
    image = torch.rand(1, 1, 200 - size, 180 + size % 40)
    with torch.no_grad():
        method.fuse(image, image)
    if size in (45, 90):
        print(peak())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel states the peak of a process")
def test_images_of_ever_new_sizes_take_no_more_memory():
    command = [sys.executable, "-c", GROWTH]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    early, late = map(int, run.stdout.split())
    assert late < 1.05 * early


@pytest.mark.parametrize("name", LOCAL)
def test_parts_give_what_the_whole_image_gives(name):
    """A smaller overlap than the method needs shows at the borders of the parts."""
    method, spec = loaded(name), METHODS[name]
    parted = in_parts(method.fuse, 64, spec.overlap, spec.size_multiple)
    with torch.no_grad():
        whole, joined = (function(*pair(201, 150)) for function in (method.fuse, parted))
    torch.testing.assert_close(joined, whole, rtol=0, atol=2e-5)


def test_a_part_starts_on_the_grid_of_the_method():
    """The means of 4×4 blocks, spread by two pixels: a part has to begin with a block."""

    def blurred(infrared, visible):
        blocks = torch.nn.functional.avg_pool2d(infrared, 4).repeat_interleave(4, 2)
        spread = blocks.repeat_interleave(4, 3) + visible
        return torch.nn.functional.avg_pool2d(spread, 5, 1, 2, count_include_pad=False)

    sources = pair(96, 88)
    joined = in_parts(blurred, 24, 2, 4)(*sources)
    torch.testing.assert_close(joined, blurred(*sources))


def little(monkeypatch, bytes_at_hand):
    monkeypatch.setattr(windows, "available_bytes", lambda device: bytes_at_hand)


def test_images_that_fit_are_fused_whole(monkeypatch):
    method = loaded("densefuse")
    before = method.fuse
    assert fit(METHODS["densefuse"], method, [LARGE], CPU) == {}
    little(monkeypatch, 1)
    assert fit(METHODS["densefuse"], method, [(320, 320)], CPU) == {}, "methods are made for these"
    assert method.fuse == before


def test_an_image_that_does_not_fit_is_refused_with_the_estimate(monkeypatch):
    little(monkeypatch, 20_000_000)
    words = r"400×352 pixels takes about [\d.]+ MB of memory, and 20 MB are free; .*`overlap`"
    with pytest.raises(MethodFailure, match=words):
        fit(METHODS["ydtr"], loaded("ydtr"), [(80, 80), LARGE], CPU)
    little(monkeypatch, 2_000_000)
    with pytest.raises(MethodFailure, match="parts of 64 pixels with an overlap of 8 are too"):
        fit(METHODS["densefuse"], loaded("densefuse"), [LARGE], CPU)


def test_the_largest_size_of_a_method_is_kept():
    spec, seen = replace(METHODS["average"], largest=100, overlap=9, size_multiple=4), []

    class Method:
        def fuse(self, infrared, visible):
            seen.append(tuple(infrared.shape[-2:]))
            return (infrared + visible) / 2

    method = Method()
    found = fit(spec, method, [(90, 100), (90, 101), LARGE], CPU)
    assert found == {"parts": {"side": 76, "overlap": 9, "sizes": [(90, 101), LARGE]}}
    sources = pair(*LARGE)
    torch.testing.assert_close(method.fuse(*sources), sum(sources) / 2)
    assert len(seen) > 20 and max(max(size) for size in seen) <= 100
    method.fuse(*pair(90, 100))
    assert seen[-1] == (90, 100)
    with pytest.raises(MethodFailure, match=r"90×101 pixels is larger than 100, its `largest`"):
        fit(replace(spec, overlap=None), Method(), [(90, 101)], CPU)


@pytest.mark.parametrize(
    ("batch", "size", "count"), [(8, (320, 320), 8), (8, (640, 480), 1), (1, (999, 999), 1)]
)
def test_an_image_larger_than_a_usual_tile_goes_alone(batch, size, count):
    assert call_size(batch, size) == count


def images(folder):
    for kind in ("rgb", "ir"):
        (folder / kind).mkdir(parents=True)
        for name, size in (("small", (80, 90)), ("large", LARGE)):
            pixels = np.random.default_rng(len(kind)).integers(0, 256, size, np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{name}.png")
    return folder


def stage(monkeypatch, module, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


def test_the_record_says_that_an_image_was_fused_in_parts_or_refused(tmp_path, monkeypatch):
    options = json.dumps({"root": str(images(tmp_path / "set"))})
    store = tmp_path / "store"
    monkeypatch.chdir(tmp_path)
    common = ("--adapter", "tiles", "--options", options, "--whole", "--output", store)
    stage(monkeypatch, prepare, *common)
    stacks = {}
    for name, room in (("whole", 10**12), ("parts", 15_000_000), ("refused", 400_000)):
        little(monkeypatch, room)
        output = tmp_path / name / "fused.npy"
        fusing = ("--tiles", store, "--method", "average", "--device", "cpu")
        stage(monkeypatch, fuse, *fusing, "--output", output)
        stacks[name] = np.load(output), read_record(output.with_name("fused.json"))
    assert "parts" not in stacks["whole"][1]["details"]
    parts = stacks["parts"][1]["details"]["parts"]
    assert (parts["overlap"], parts["sizes"]) == (0, [list(LARGE)])
    sizes = [LARGE, (80, 90)]
    whole, joined = (Images(stacks[name][0], sizes) for name in ("whole", "parts"))
    for one, other in zip(whole, joined, strict=True):
        np.testing.assert_array_equal(one, other)
    assert stacks["refused"][1]["status"] == "failed"
    assert "takes about" in stacks["refused"][1]["reason"]


def test_the_command_fuse_refuses_too(tmp_path, monkeypatch):
    folder, output = images(tmp_path / "set"), tmp_path / "out"
    little(monkeypatch, 1_000_000)
    words = ["fuse", "ydtr", "--infrared", folder / "ir", "--visible", folder / "rgb"]
    state = tmp_path / "ydtr.pt"
    torch.save(loaded("ydtr").state_dict(), state)
    command = [*words, "--weights", state, "--device", "cpu", "-o", output]
    with pytest.raises(HarnessError, match="ydtr: an image of 400×352 pixels takes about"):
        main([str(word) for word in command])
    assert not output.exists(), "nothing is fused before the refusal"


def test_the_memory_at_hand_is_known_and_limits_count():
    everything = available_bytes(CPU)
    assert 0 < everything < 2**50
    code = (
        "import resource, torch\n"
        "from harness.machine.memory import available_bytes\n"
        "size = 8 << 30\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))\n"
        "print(available_bytes(torch.device('cpu')))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert 0 < int(run.stdout) < 8 << 30
