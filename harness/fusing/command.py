"""Run a method that is a command line, which reads and writes folders of PNG files."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from harness.disk.images import named_image_errors
from harness.errors import HarnessError, MethodFailure
from harness.fusing.inference import to_tensor
from harness.fusing.job import Float, FusingJob
from harness.machine.device import thread_limits
from harness.machine.isolation import Heartbeat, die_with_parent, users_environment
from harness.methods.contract import check_fused
from harness.methods.spec import MethodSpec
from metrics.images import read_grey

Bytes = NDArray[np.uint8]
QUOTED_BYTES = 500
"""Number of bytes that a failure quotes from the end of the command's output."""
KEPT_BYTES = 16 << 20
"""Number of bytes after which the kept output of a command starts again from empty."""
POLL_SECONDS = 1.0
"""Seconds between two checks of a running command."""


def write_command_stack(job: FusingJob, device: torch.device, heartbeat: Heartbeat) -> None:
    """Run the command once over all tiles of a job and write its stack.

    Raises:
        MethodFailure: if the command fails or an output breaks the contract.
        StorageError: if the disk is full or is not writable.
    """
    tiles = (slice(index, index + 1) for index in range(len(job.names)))
    pairs = ((job.pairs.infrared(tile)[0], job.pairs.visible(tile)[0]) for tile in tiles)
    with (
        _outputs(job.spec, pairs, device, job.threads, heartbeat) as files,
        job.open_stacks() as write,
    ):
        for part in job.parts():
            write(part, _read_part(job, part, files[part]))


def _read_part(job: FusingJob, part: slice, files: list[Path]) -> Float:
    """Read and check the command's output for one part of the tiles: (n, H, W) in [0, 1]."""
    names, shape = job.names[part], job.pairs.sizes[part.start]
    outputs = [_read(file, name, shape) for file, name in zip(files, names, strict=True)]
    fused, infrared, visible = (
        to_tensor(images, torch.device("cpu"))
        for images in (np.stack(outputs), job.pairs.infrared(part), job.pairs.visible(part))
    )
    return check_fused(fused, infrared, visible, tiles=names, clamp=False)


class Sources(NamedTuple):
    """Name of a pair, and what reads it: (infrared, visible), (H, W) float32 in [0, 1] each."""

    name: str
    read: Callable[[], tuple[Float, Float]]


def fuse_pictures(
    spec: MethodSpec,
    sources: list[tuple[Float, Float]],
    names: list[str],
    device: torch.device,
    threads: int,
) -> list[Float]:
    """Run the command once over images in memory: as `fuse_each`, for sources and their names."""
    pairs = [
        Sources(name, partial(tuple[Float, Float], pair))
        for pair, name in zip(sources, names, strict=True)
    ]
    return [fused() for fused in fuse_each(spec, pairs, device, threads)]


def fuse_each(
    spec: MethodSpec, pairs: Sequence[Sources], device: torch.device, threads: int
) -> Iterator[Callable[[], Float]]:
    """Run the command once over images of any sizes, which it reads with 8 bits per pixel.

    Args:
        spec: a method with a command.
        pairs: what is fused; one pair is in memory at a time.
        device: the value of the placeholder `{device}`.
        threads: the largest number of its threads.

    Yields:
        For each pair a function that returns the (H, W) float32 image in [0, 1]. It raises
        `MethodFailure` if the output breaks the contract, and has to be called before the next.

    Raises:
        MethodFailure: if the command fails.
    """
    images = ([np.rint(image * 255).astype(np.uint8) for image in pair.read()] for pair in pairs)
    with _outputs(spec, images, device, threads) as files:
        for file, pair in zip(files, pairs, strict=True):
            yield partial(_checked, file, pair)


def _checked(file: Path, pair: Sources) -> Float:
    sources = pair.read()
    pixels = _read(file, pair.name, sources[0].shape)
    output = pixels.astype(np.float32) / np.float32(255)
    tensors = [torch.from_numpy(x)[None, None] for x in (output, *sources)]
    checked: Float = check_fused(*tensors, tiles=[pair.name], clamp=False)[0]
    return checked


@contextmanager
def _outputs(
    spec: MethodSpec,
    pairs: Iterable[Sequence[Bytes]],
    device: torch.device,
    threads: int,
    heartbeat: Heartbeat = lambda: None,
) -> Iterator[list[Path]]:
    """Run the command over (infrared, visible) pairs of (H, W); give the paths of its outputs."""
    files = []
    with exchange(spec) as folders:
        for index, (infrared, visible) in enumerate(pairs):
            # A tile's own name may not be a legal file name.
            file = f"{index:06d}.png"
            Image.fromarray(infrared).save(folders["infrared"] / file)
            Image.fromarray(visible).save(folders["visible"] / file)
            files.append(folders["output"] / file)
        run_command(spec, folders, device, threads, heartbeat)
        yield files


@contextmanager
def exchange(spec: MethodSpec) -> Iterator[dict[str, Path]]:
    """Create the empty folders infrared, visible and output; remove them at the end."""
    with tempfile.TemporaryDirectory(prefix=f"{spec.name}-") as scratch:
        folders = {key: Path(scratch, key) for key in ("infrared", "visible", "output")}
        for folder in folders.values():
            folder.mkdir()
        yield folders


def run_command(
    spec: MethodSpec,
    folders: dict[str, Path],
    device: torch.device,
    threads: int,
    heartbeat: Heartbeat = lambda: None,
) -> None:
    """Fill in the placeholders of a method's command and run it without a shell.

    It runs with the PYTHONPATH that the user has set, so that it finds none of our packages.

    `folders` are infrared, visible and output, as `exchange` creates them. The heartbeat beats
    whenever further files have appeared in the output folder.

    Raises:
        MethodFailure: quoting the end of its output, if the command fails or does not start.
    """
    values = {**{key: str(folder) for key, folder in folders.items()}, "device": str(device)}
    prefix = ["conda", "run", "--no-capture-output", "-n", spec.conda] if spec.conda else []
    arguments = [*prefix, *(fill(word, values) for word in spec.command)]
    environment = {**users_environment(), **thread_limits(threads)}
    # Use a file: a process that the command leaves behind would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                arguments,
                cwd=spec.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise MethodFailure(f"{arguments[0]} cannot be started: {error}") from error
        with process:
            _wait(process, folders["output"], output, heartbeat)
        if process.returncode:
            tail = _tail(output)
            raise MethodFailure(f"{arguments[0]} exited with {process.returncode}: {tail}")


def _wait(
    process: "subprocess.Popen[bytes]", folder: Path, output: BinaryIO, heartbeat: Heartbeat
) -> None:
    done = 0
    while True:
        try:
            process.wait(timeout=POLL_SECONDS)
            return
        except subprocess.TimeoutExpired:
            pass
        if os.fstat(output.fileno()).st_size > KEPT_BYTES:
            # The command shares the file position, so it continues at the start of the file.
            os.ftruncate(output.fileno(), 0)
            output.seek(0)
        count = sum(1 for _ in folder.iterdir())
        if count > done:
            done = count
            heartbeat()


def _tail(output: BinaryIO) -> str:
    output.seek(max(output.seek(0, os.SEEK_END) - QUOTED_BYTES, 0))
    return output.read().decode("utf-8", "replace").strip("\0 \n")


def _read(path: Path, tile: str, shape: tuple[int, ...]) -> Bytes:
    try:
        with named_image_errors():
            output = read_grey(path)
    except HarnessError as error:
        raise MethodFailure(f"tile {tile}: no readable output image: {error}") from error
    if output.shape != shape:
        raise MethodFailure(f"tile {tile}: output has shape {output.shape}, expected {shape}")
    return output


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace every `{name}` that `values` contains, once; the rest of the text stays the same.

    `str.format` would not be safe: its fields reach into objects (`{name.__class__}`), and it
    interprets braces that belong to other languages.

    Example:
        >>> fill("{a} {b} {a.x}", {"a": "{b}", "b": "2"})
        '{b} 2 {a.x}'
    """
    names = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({names})\}}", lambda match: values[match[1]], text)
