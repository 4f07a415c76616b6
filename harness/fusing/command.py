"""Methods in another language: a command line that reads and writes folders of PNG files."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from harness.disk.images import open_image
from harness.errors import HarnessError, MethodFailure
from harness.fusing.inference import CHUNK, open_stack, to_tensor, write_tiles
from harness.machine.device import thread_limits
from harness.machine.isolation import Beat, die_with_parent
from harness.methods.contract import check_fused
from harness.methods.spec import MethodSpec
from harness.pixels import STRETCHES
from harness.tiles.store import Pairs

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]
TAIL = 500
"""Bytes of a failed command's output that the reason quotes."""
PRINTED = 16 << 20
"""Bytes of a command's output that are kept on the way."""
POLL = 1.0
"""Seconds between two looks at a running command."""


def write_external_stack(
    path: Path,
    spec: MethodSpec,
    stretch: str,
    pairs: Pairs,
    names: list[str],
    device: torch.device,
    threads: int,
    beat: Beat,
) -> None:
    """Run the command once over all test tiles and write the (N, H, W) uint8 stack.

    Args:
        path: the stack.
        spec: a method with a command.
        stretch: of the output, one of `STRETCHES`.
        pairs: the test tiles.
        names: of the tiles, for messages.
        device: handed to the command.
        threads: bound of its threads.
        beat: called whenever the command has written further pictures.

    Raises:
        MethodFailure: if the command fails or an output breaks the contract.
    """
    with exchange(spec) as folders:
        files = _numbered(names)
        for index, file in enumerate(files):
            part = slice(index, index + 1)
            Image.fromarray(pairs.infrared(part)[0]).save(folders["infrared"] / file)
            Image.fromarray(pairs.visible(part)[0]).save(folders["visible"] / file)
        run_command(spec, folders, device, threads, beat)
        with open_stack(path, pairs) as stack:
            for start in range(0, len(names), CHUNK):
                part = slice(start, start + CHUNK)
                outputs = [
                    _read(folders["output"] / file, name, pairs.tiles.shape[2:])
                    for file, name in zip(files[part], names[part], strict=True)
                ]
                tiles = _checked(outputs, names[part], pairs, part, stretch)
                write_tiles(stack, start, tiles)


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
        files = _numbered(names)
        for file, pair in zip(files, sources, strict=True):
            for key, image in zip(("infrared", "visible"), pair, strict=True):
                Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(folders[key] / file)
        run_command(spec, folders, device, threads)
        for file, pair, name in zip(files, sources, names, strict=True):
            pixels = _read(folders["output"] / file, name, pair[0].shape)
            output = pixels.astype(np.float32) / np.float32(255)
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
    spec: MethodSpec,
    folders: dict[str, Path],
    device: torch.device,
    threads: int,
    beat: Beat = lambda: None,
) -> None:
    """Run a method's command with its placeholders filled; arguments never pass a shell.

    Args:
        spec: a method with a command.
        folders: infrared, visible and output, as `exchange` gives them.
        device: that the command may ask for.
        threads: bound of its threads.
        beat: called whenever further files have appeared in the output folder.

    Raises:
        MethodFailure: with the end of what the command printed, if it fails.
    """
    values = {**{key: str(folder) for key, folder in folders.items()}, "device": str(device)}
    prefix = ["conda", "run", "--no-capture-output", "-n", spec.conda] if spec.conda else []
    arguments = [*prefix, *(fill(word, values) for word in spec.command)]
    environment = {**os.environ, **thread_limits(threads)}
    # A file, because a process that the command leaves behind would hold a pipe open.
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
            _wait(process, folders["output"], output, beat)
        if process.returncode:
            tail = _tail(output)
            raise MethodFailure(f"{arguments[0]} exited with {process.returncode}: {tail}")


def _wait(process: "subprocess.Popen[bytes]", folder: Path, output: BinaryIO, beat: Beat) -> None:
    done = 0
    while True:
        try:
            process.wait(timeout=POLL)
            return
        except subprocess.TimeoutExpired:
            pass
        if os.fstat(output.fileno()).st_size > PRINTED:
            # The command shares the position in the file and goes on at the start.
            os.ftruncate(output.fileno(), 0)
            output.seek(0)
        count = sum(1 for _ in folder.iterdir())
        if count > done:
            done = count
            beat()


def _tail(output: BinaryIO) -> str:
    output.seek(max(output.seek(0, os.SEEK_END) - TAIL, 0))
    return output.read().decode("utf-8", "replace").strip("\0 \n")


def _numbered(names: list[str]) -> list[str]:
    """File names of so many pictures: tiles may be called what no file can be."""
    return [f"{index:06d}.png" for index in range(len(names))]


def _read(path: Path, tile: str, shape: tuple[int, ...]) -> Bytes:
    try:
        with open_image(path) as image:
            output = np.asarray(image.convert("L"))
    except HarnessError as error:
        raise MethodFailure(f"tile {tile}: no readable output picture: {error}") from error
    if output.shape != shape:
        raise MethodFailure(f"tile {tile}: output has shape {output.shape}, expected {shape}")
    return output


def _checked(
    outputs: list[Bytes], names: list[str], pairs: Pairs, part: slice, stretch: str
) -> Bytes:
    fused, infrared, visible = (
        to_tensor(images, torch.device("cpu"))
        for images in (np.stack(outputs), pairs.infrared(part), pairs.visible(part))
    )
    values = check_fused(fused, infrared, visible, tiles=names, clamp=False)
    return STRETCHES[stretch](values, pairs.rgb(part))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace every `{name}` that `values` knows, once; all else stays as it is.

    No `str.format`, whose fields reach into objects (`{name.__class__}`) and which gives
    braces of other languages a meaning.

    Example:
        >>> fill("{a} {b} {a.x}", {"a": "{b}", "b": "2"})
        '{b} 2 {a.x}'
    """
    names = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({names})\}}", lambda match: values[match[1]], text)
