"""The checks of the method contract, for method folders of this repository and of tests."""

import os
import random
import sys
import threading
from pathlib import Path

import numpy as np
import torch

from harness.disk.schema import ROOT
from harness.fusing.command import fuse_pictures
from harness.fusing.inference import load_method
from harness.methods.contract import Batch

CPU = torch.device("cpu")
CLASSES = 3
SHAPES = [(1, 41, 41), (3, 41, 57), (1, 64, 48)]


def sources(batch, height, width, seed=0):
    """Make smooth images with some noise: (2, B, 1, H, W) in [0, 1]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [0.5 + 0.4 * np.sin(x / (5 + i) + y / (7 + i)) for i in range(2 * batch)]
    values = np.clip(np.stack(waves) + 0.05 * rng.standard_normal((2 * batch, height, width)), 0, 1)
    return torch.from_numpy(values.astype(np.float32)).view(2, batch, 1, height, width)


def construct(spec):
    """Load a method as the harness does, with random weights if it needs any."""
    torch.manual_seed(0)
    return load_method(spec, CPU, None, CLASSES)


def call(spec, method, infrared, visible):
    """Fuse as many pairs at once as the method allows."""
    if spec.command:
        pairs = [(a.numpy(), b.numpy()) for a, b in zip(infrared[:, 0], visible[:, 0], strict=True)]
        names = [str(index) for index in range(len(pairs))]
        return torch.from_numpy(np.stack(fuse_pictures(spec, pairs, names, CPU, 1))[:, None])
    with torch.no_grad():
        parts = [
            method.fuse(a.clone(), b.clone())
            for a, b in zip(infrared.split(spec.batch), visible.split(spec.batch), strict=True)
        ]
    return torch.cat(parts)


def check_shapes_and_values(spec):
    method = None if spec.command else construct(spec)
    for shape in SHAPES:
        infrared, visible = sources(*shape)
        fused = call(spec, method, infrared, visible)
        assert fused.shape == infrared.shape
        assert fused.dtype == torch.float32
        assert torch.isfinite(fused).all()
        if not spec.clamp:
            assert fused.min() >= 0
            assert fused.max() <= 1
        assert fused.amax() > fused.amin()


def check_repeatable(spec):
    infrared, visible = sources(1, 41, 57)
    first, second = (None if spec.command else construct(spec) for _ in range(2))
    fused = call(spec, first, infrared, visible)
    assert torch.equal(fused, call(spec, first, infrared, visible)), "a second call differs"
    assert torch.equal(fused, call(spec, second, infrared, visible)), "a second load differs"


def check_pictures_of_a_batch_are_independent(spec):
    """If `batch` allows several images per call, each result must equal that of the image alone."""
    method = None if spec.command else construct(spec)
    infrared, visible = sources(3, 41, 48)
    together = call(spec, method, infrared, visible)
    alone = [call(spec, method, infrared[i : i + 1], visible[i : i + 1]) for i in range(3)]
    assert (together - torch.cat(alone)).abs().max() < 1e-5


def check_leaves_no_trace(spec):
    method = None if spec.command else construct(spec)
    infrared, visible = sources(1, 41, 48)
    copies = infrared.clone(), visible.clone()
    state, before = _state(method), _globals()
    if spec.command:
        call(spec, method, infrared, visible)
    else:
        with torch.no_grad():
            method.fuse(infrared, visible)
    assert torch.equal(infrared, copies[0]), "the infrared source was changed in place"
    assert torch.equal(visible, copies[1]), "the visible source was changed in place"
    assert _globals() == before
    after = _state(method)
    assert state.keys() == after.keys()
    assert all(torch.equal(state[key], after[key]) for key in state), "fusing changed the weights"


def _state(method):
    if not isinstance(method, torch.nn.Module):
        return {}
    return {key: value.clone() for key, value in method.state_dict().items()}


def _globals():
    return {
        "torch random state": torch.get_rng_state().tolist(),
        "numpy random state": repr(np.random.get_state(legacy=False)),  # noqa: NPY002
        "python random state": hash(random.getstate()),
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "import path": list(sys.path),
        "running threads": threading.active_count(),
    }


class _Writes:
    """Records the files that Python code opens for writing while it is active."""

    def __init__(self):
        self.active, self.paths = False, []
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if not self.active or event != "open" or not isinstance(arguments[0], str | bytes):
            return
        mode, flags = arguments[1], arguments[2] or 0
        if (mode and set(mode) & set("wax+")) or flags & (os.O_WRONLY | os.O_RDWR):
            self.paths.append(Path(os.fsdecode(arguments[0])).resolve())


WRITES = _Writes()


def check_writes_nothing_outside_its_folder(spec, tmp_path):
    WRITES.paths.clear()
    WRITES.active = True
    try:
        method = None if spec.command else construct(spec)
        infrared, visible = sources(1, 41, 41)
        call(spec, method, infrared, visible)
    finally:
        WRITES.active = False
    # A command exchanges images with the harness through the folder for temporary files.
    allowed = (spec.folder, Path(os.environ.get("TMPDIR", "/tmp")), Path("/dev"))
    elsewhere = [
        path
        for path in WRITES.paths
        if "__pycache__" not in path.parts and not any(path.is_relative_to(a) for a in allowed)
    ]
    assert not elsewhere
    assert not list(tmp_path.iterdir()), "something was written into the current folder"


def check_training(spec):
    torch.manual_seed(0)
    method = spec.load_for(CLASSES).train()
    infrared, visible = sources(2, 48, 48)
    label = torch.randint(0, CLASSES, (2, 48, 48), generator=torch.Generator().manual_seed(0))
    terms = method.training_loss(Batch(infrared, visible, label))
    assert terms
    for name, term in terms.items():
        assert term.ndim == 0, name
        assert torch.isfinite(term), name
    sum(terms.values()).backward()
    assert any(tensor.grad is not None for tensor in method.parameters())


def check_folder_is_complete(spec):
    assert spec.title
    assert spec.folder.is_relative_to(ROOT)
    if spec.kind == "baseline":
        assert (spec.folder / "README.md").is_file(), "it must say where the method comes from"
        assert spec.notes, "they must say what a reader of the tables needs to know"
