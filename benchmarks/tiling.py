"""Tiling against merely reading the same GeoTIFF files: `python -m benchmarks.tiling`.

Reading and tiling take turns, each in a process of its own and after a first pass that brings
the files into the page cache. The least time counts. Processor seconds stand beside it, because
they are meaningful on a busy machine too.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from benchmarks import made_up_images
from benchmarks.child import in_child
from harness.disk.records import peak_memory_mib
from harness.scenes.adapters import find_adapter
from harness.scenes.splits import choose_split
from harness.tiles.cutting import Tiling, write_store

SCENES = 4
KEYS = ("wall", "processor", "peak")
LAYOUTS = {
    "uncompressed": {"interleave": "pixel"},
    "lzw tiles": {"interleave": "pixel", "compress": "lzw", "tiled": True},
}
NAMES = {
    adapter: [name for name, _ in choose_split(adapter, None, None)][:SCENES]
    for adapter in ("potsdam", "whu_opt_sar")
}


def make(adapter, folder, layout):
    """Write `SCENES` full-size scenes as plain files."""
    rng = np.random.default_rng(0)
    for name in NAMES[adapter]:
        if adapter == "potsdam":
            size, labels = made_up_images.POTSDAM, made_up_images.colour_labels
            files = f"top_potsdam_{name}_RGBIR.tif", f"top_potsdam_{name}_label.tif"
        else:
            size, labels = made_up_images.WHU, made_up_images.code_labels
            files = f"optical/{name}.tif", f"lbl/{name}.tif"
        contents = made_up_images.aerial_image(rng, 4, size), labels(rng, size)
        for file, content in zip(files, contents, strict=True):
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            made_up_images.write(path, content, **LAYOUTS[layout])


def read(folder, _store, _adapter, _jobs):
    """Read every file, whole rows of tiles at a time."""
    for path in folder.rglob("*.tif"):
        with rasterio.open(path) as file:
            for row in range(0, file.height, 320):
                height = min(320, file.height - row)
                file.read(window=((row, row + height), (0, file.width)))


def tile(folder, store, adapter, jobs):
    """Tile every scene into a store."""
    names = NAMES[adapter]
    options = {"root": str(folder), "train": names[1:], "test": names[:1]}
    dataset = find_adapter(adapter).open_dataset(options)
    write_store(dataset, Tiling(), store, jobs=jobs)


def measure(what, folder, adapter, jobs):
    """Run four times; return the least seconds of the last three, and the peak memory."""
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    wall, processor = [], []
    for _ in range(4):
        # The folder is deleted after the clock stops: deleting is not a part of tiling.
        with tempfile.TemporaryDirectory(dir=folder.parent) as store:
            start, start_processor = time.perf_counter(), time.process_time()
            {"read": read, "tile": tile}[what](folder, Path(store), adapter, jobs)
            wall.append(time.perf_counter() - start)
            processor.append(time.process_time() - start_processor)
    return dict(zip(KEYS, (min(wall[1:]), min(processor[1:]), peak_memory_mib()), strict=True))


def least(folder, adapter, jobs):
    """Let both sides take turns, each time in a new process; keep the least of each."""
    turns = [
        (what, in_child("benchmarks.tiling", what, folder, adapter, jobs))
        for what in ("read", "tile") * 2
    ]
    return {
        what: {key: min(figures[key] for name, figures in turns if name == what) for key in KEYS}
        for what in ("read", "tile")
    }


def describe(found):
    """Put the numbers of one case into words."""
    read, tile = found["read"], found["tile"]
    parts = [
        f"{clock} {read[clock]:.2f} / {tile[clock]:.2f} s = {read[clock] / tile[clock]:.2f}"
        for clock in ("wall", "processor")
    ]
    return f"{', '.join(parts)}, peak {tile['peak']:.0f} MiB"


def main():
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="*", help=argparse.SUPPRESS)
    case = parser.parse_args().case
    if case:
        print(json.dumps(measure(case[0], Path(case[1]), case[2], int(case[3]))))
        return
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    print(f"{SCENES} full-size scenes; throughput = seconds to read / seconds to tile")
    for adapter in NAMES:
        for layout in LAYOUTS:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name, "scenes")
                folder.mkdir()
                make(adapter, folder, layout)
                for jobs in (1, 2):
                    found = describe(least(folder, adapter, jobs))
                    print(f"{adapter}, {layout}, {jobs} job(s): {found}", flush=True)


if __name__ == "__main__":
    main()
