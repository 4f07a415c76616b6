"""Methods in another language: a command line that reads and writes folders of PNG files."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from harness.contract import MethodFailure, check_fused
from harness.device import thread_limits
from harness.files import atomic_path
from harness.inference import CHUNK
from harness.methods import MethodSpec
from harness.store import Pairs
from harness.stretch import STRETCHES

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]


def write_external_stack(
    path: Path,
    spec: MethodSpec,
    stretch: str,
    pairs: Pairs,
    names: list[str],
    device: torch.device,
    threads: int,
) -> None:
    """Run the command once over all test tiles and write the (N, H, W) uint8 stack.

    Raises:
        MethodFailure: if the command fails or an output breaks the contract.
    """
    with exchange(spec) as folders:
        files = [f"{index:06d}.png" for index in range(len(names))]
        for index, file in enumerate(files):
            part = slice(index, index + 1)
            Image.fromarray(pairs.infrared(part)[0]).save(folders["infrared"] / file)
            Image.fromarray(pairs.visible(part)[0]).save(folders["visible"] / file)
        run_command(spec, folders, device, threads)
        with atomic_path(path) as temporary:
            shape = (len(pairs), *pairs.tiles.shape[2:])
            stack = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            for start in range(0, len(names), CHUNK):
                part = slice(start, start + CHUNK)
                outputs = [
                    _read(folders["output"] / file, name)
                    for file, name in zip(files[part], names[part], strict=True)
                ]
                stack[part] = _checked(outputs, names[part], pairs, part, stretch)
            stack.flush()


def fuse_pictures(
    spec: MethodSpec,
    sources: list[tuple[Float, Float]],
    names: list[str],
    device: torch.device,
    threads: int,
) -> list[Float]:
    """Run the command once over pictures of any sizes; it sees them as 8 bits.

    Args:
        spec: a method with a command.
        sources: (infrared, visible) pairs of (H, W) float32 in [0, 1].
        names: of the pairs, for messages.
        device: handed to the command.
        threads: bound of its threads.

    Returns:
        (H, W) float32 in [0, 1] for every pair.

    Raises:
        MethodFailure: if the command fails or an output breaks the contract.
    """
    fused = []
    with exchange(spec) as folders:
        files = [f"{index:06d}.png" for index in range(len(names))]
        for file, pair in zip(files, sources, strict=True):
            for key, image in zip(("infrared", "visible"), pair, strict=True):
                Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(folders[key] / file)
        run_command(spec, folders, device, threads)
        for file, pair, name in zip(files, sources, names, strict=True):
            output = _read(folders["output"] / file, name).astype(np.float32) / np.float32(255)
            if output.shape != pair[0].shape:
                raise MethodFailure(
                    f"{name}: output has shape {output.shape}, expected {pair[0].shape}"
                )
            tensors = [torch.from_numpy(x)[None, None] for x in (output, *pair)]
            fused.append(check_fused(*tensors, tiles=[name], clamp=False)[0])
    return fused


@contextmanager
def exchange(spec: MethodSpec) -> Iterator[dict[str, Path]]:
    """Give the empty folders infrared, visible and output; remove them afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{spec.name}-") as scratch:
        folders = {key: Path(scratch, key) for key in ("infrared", "visible", "output")}
        for folder in folders.values():
            folder.mkdir()
        yield folders


def run_command(
    spec: MethodSpec, folders: dict[str, Path], device: torch.device, threads: int
) -> None:
    """Run a method's command with its placeholders filled; arguments never pass a shell.

    Raises:
        MethodFailure: with the end of what the command printed, if it fails.
    """
    values = {**{key: str(folder) for key, folder in folders.items()}, "device": str(device)}
    prefix = ["conda", "run", "--no-capture-output", "-n", spec.conda] if spec.conda else []
    arguments = [*prefix, *(word.format(**values) for word in spec.command)]
    environment = {**os.environ, **thread_limits(threads)}
    try:
        subprocess.run(
            arguments, check=True, cwd=spec.folder, env=environment, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        tail = (error.stderr or error.stdout or "").strip()[-500:]
        raise MethodFailure(f"{arguments[0]} exited with {error.returncode}: {tail}") from error
    except OSError as error:
        raise MethodFailure(f"{arguments[0]} cannot be started: {error}") from error


def _read(path: Path, tile: str) -> Bytes:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except OSError as error:
        raise MethodFailure(f"tile {tile}: no readable output picture: {error}") from error


def _checked(
    outputs: list[Bytes], names: list[str], pairs: Pairs, part: slice, stretch: str
) -> Bytes:
    shape = pairs.tiles.shape[2:]
    for name, output in zip(names, outputs, strict=True):
        if output.shape != shape:
            raise MethodFailure(f"tile {name}: output has shape {output.shape}, expected {shape}")
    fused, infrared, visible = (
        torch.from_numpy(images)[:, None].to(torch.float32) / 255
        for images in (np.stack(outputs), pairs.infrared(part), pairs.visible(part))
    )
    values = check_fused(fused, infrared, visible, tiles=names, clamp=False)
    return STRETCHES[stretch](values, pairs.rgb(part))
