"""One fusing job: everything that its parts need, and the stack that it writes. No torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.files import atomic_path
from harness.methods.spec import MethodSpec
from harness.pixels import STRETCHES, quantise_rounded, recompose, stretched_colours
from harness.tiles.array_file import TileFile
from harness.tiles.store import ROUNDED, ROUNDED_TILES, Pairs, evenly

Float = NDArray[np.float32]
TILES_PER_PART = 8
"""Number of tiles that are stretched together: even, because `minmax_rgb_batch2` stretches
pairs of tiles."""


@dataclass(frozen=True)
class FusingJob:
    """Everything that decides the fused stacks of one method on one data set, and their places.

    pairs: the N test tiles. names: of the tiles, for messages. outputs: key of `STRETCHES`, or
    `PUBLISHED`, → the path of the uint8 stack: (N, H, W), or one image after the other if their
    sizes differ. classes: the number of classes, 0 without labels. colour: whether the stacks have
    the three channels of the fused images in colour instead of their luma. checkpoint: the result
    of a training here. weights: a file that replaces the authors', which `mirrors` may hold.
    """

    spec: MethodSpec
    pairs: Pairs
    names: list[str]
    outputs: Mapping[str, Path]
    classes: int = 0
    colour: bool = False
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    checkpoint: Path | None = None
    weights: Path | None = None
    mirrors: Sequence[Path] = ()

    def parts(self) -> list[slice]:
        """Return slices that together cover all tiles, up to `TILES_PER_PART` of one size each."""
        return self.pairs.parts(TILES_PER_PART)

    def artefacts(self, output: str) -> list[Path]:
        """Return the files of one of the `outputs`: its stack, and of the raw one `ROUNDED`."""
        path = self.outputs[output]
        return [path, path.with_name(ROUNDED)] if output == "none" else [path]

    @contextmanager
    def open_stack(self, output: str) -> Iterator[TileFile]:
        """Open one of the `outputs`; the stack gets its name only when it is complete.

        Raises:
            StorageError: if the disk is full or is not writable.
        """
        with self._open(self.outputs[output], range(len(self.pairs))) as stack:
            yield stack

    @contextmanager
    def _open(self, path: Path, tiles: Sequence[int]) -> Iterator[TileFile]:
        sizes = [self.pairs.sizes[tile] for tile in tiles]
        shapes = [((3, *size) if self.colour else size) for size in sizes]
        with atomic_path(path) as temporary, TileFile(temporary, shapes) as stack:
            yield stack

    @contextmanager
    def _open_rounded(self) -> Iterator[Callable[[slice, Float], None]]:
        """Yield a function that writes those images of a part that belong to `ROUNDED`."""
        if "none" not in self.outputs:
            yield lambda part, fused: None
            return
        tiles = evenly(len(self.pairs), ROUNDED_TILES)
        with self._open(self.outputs["none"].with_name(ROUNDED), tiles) as stack:

            def write(part: slice, fused: Float) -> None:
                for place, tile in enumerate(tiles):
                    if part.start <= tile < part.stop:
                        image = fused[tile - part.start][None]
                        if self.colour:
                            image = recompose(image, self.pairs.rgb(slice(tile, tile + 1)))
                        stack.write(place, quantise_rounded(image)[0])

            yield write

    @contextmanager
    def open_stacks(self) -> Iterator[Callable[[slice, Float], None]]:
        """Open the stacks that follow from the raw output.

        Yields:
            A function that writes the fused tiles (n, H, W) of one of the `parts` with every
            stretch.

        Raises:
            StorageError: if the disk is full or is not writable.
        """
        with ExitStack() as opened:
            stacks = {
                stretch: opened.enter_context(self.open_stack(stretch))
                for stretch in self.outputs
                if stretch in STRETCHES
            }
            write_rounded = opened.enter_context(self._open_rounded())

            def write(part: slice, fused: Float) -> None:
                write_rounded(part, fused)
                for stretch, stack in stacks.items():
                    rgb = self.pairs.rgb(part)
                    if self.colour:
                        images = stretched_colours(stretch, fused, rgb)
                    else:
                        images = STRETCHES[stretch](fused, rgb)
                    for index, image in enumerate(images, part.start):
                        stack.write(index, image)

            yield write
