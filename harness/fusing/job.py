"""One fusing job: everything that its parts need, and the stack that it writes. No torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.files import atomic_path
from harness.methods.spec import MethodSpec
from harness.pixels import STRETCHES, stretched_colours
from harness.tiles.array_file import TileFile
from harness.tiles.store import Pairs

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

    @contextmanager
    def open_stack(self, output: str) -> Iterator[TileFile]:
        """Open one of the `outputs`; the stack gets its name only when it is complete.

        Raises:
            StorageError: if the disk is full or is not writable.
        """
        shapes = [((3, *size) if self.colour else size) for size in self.pairs.sizes]
        with (
            atomic_path(self.outputs[output]) as temporary,
            TileFile(temporary, shapes) as stack,
        ):
            yield stack

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

            def write(part: slice, fused: Float) -> None:
                for stretch, stack in stacks.items():
                    rgb = self.pairs.rgb(part)
                    if self.colour:
                        images = stretched_colours(stretch, fused, rgb)
                    else:
                        images = STRETCHES[stretch](fused, rgb)
                    for index, image in enumerate(images, part.start):
                        stack.write(index, image)

            yield write
