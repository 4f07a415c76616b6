"""One fusing job: everything that its parts need, and the stack that it writes. No torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.files import atomic_path
from harness.methods.spec import MethodSpec
from harness.pixels import STRETCHES
from harness.tiles.array_file import TileFile
from harness.tiles.store import Pairs

Float = NDArray[np.float32]
TILES_PER_PART = 8
"""Number of tiles that are stretched together: even, because `minmax_rgb_batch2` stretches
pairs of tiles."""


@dataclass(frozen=True)
class FusingJob:
    """Everything that decides the fused stacks of one method on one data set, and their places.

    pairs: the N test tiles. names: of the tiles, for messages. outputs: key of `STRETCHES` → the
    path of the (N, H, W) uint8 stack. classes: the number of classes, 0 without labels.
    checkpoint: the result of a training here. weights: a file that replaces the authors', which
    `mirrors` may hold.
    """

    spec: MethodSpec
    pairs: Pairs
    names: list[str]
    outputs: Mapping[str, Path]
    classes: int = 0
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    checkpoint: Path | None = None
    weights: Path | None = None
    mirrors: Sequence[Path] = ()

    def parts(self) -> list[slice]:
        """Return slices that together cover all tiles, `TILES_PER_PART` in each."""
        count = len(self.names)
        starts = range(0, count, TILES_PER_PART)
        return [slice(start, min(start + TILES_PER_PART, count)) for start in starts]

    @contextmanager
    def open_stacks(self) -> Iterator[Callable[[slice, Float], None]]:
        """Open the stacks; they get their names only when they are complete.

        Yields:
            A function that writes the fused tiles (n, H, W) of one of the `parts` with every
            stretch.

        Raises:
            StorageError: if the disk is full or is not writable.
        """
        shape = (len(self.pairs), *self.pairs.tiles.shape[2:])
        with ExitStack() as opened:
            stacks = {
                stretch: opened.enter_context(
                    TileFile(opened.enter_context(atomic_path(path)), shape)
                )
                for stretch, path in self.outputs.items()
            }

            def write(part: slice, fused: Float) -> None:
                for stretch, stack in stacks.items():
                    images = STRETCHES[stretch](fused, self.pairs.rgb(part))
                    for index, image in enumerate(images, part.start):
                        stack.write(index, image)

            yield write
