"""Tiling against merely reading the same GeoTIFF files: `python benchmarks/tiling.py`.

Reading and tiling take turns, after a first one that brings the files into the page cache;
the least of three times counts. Processor seconds are given as well, because they mean
something on a busy machine too. Peak memory is that of a process that tiles and no more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from benchmarks import pictures
from harness.datasets import find_adapter
from harness.datasets.splits import choose_split
from harness.tiler import Tiling, write_store

SCENES = 4
LAYOUTS = {
    "uncompressed": {"interleave": "pixel"},
    "lzw tiles": {"interleave": "pixel", "compress": "lzw", "tiled": True},
}
NAMES = {
    adapter: [name for name, _ in choose_split(adapter, None, None)][:SCENES]
    for adapter in ("potsdam", "whu_opt_sar")
}


def make(adapter, folder, layout):
    """Write `SCENES` full-size scenes, unpacked."""
    rng = np.random.default_rng(0)
    for name in NAMES[adapter]:
        if adapter == "potsdam":
            bands = pictures.picture(rng, 4, pictures.POTSDAM)
            labels = pictures.colour_labels(rng, pictures.POTSDAM)
            files = {
                f"top_potsdam_{name}_RGBIR.tif": bands,
                f"top_potsdam_{name}_label.tif": labels,
            }
        else:
            bands = pictures.picture(rng, 4, pictures.WHU)
            labels = pictures.code_labels(rng, pictures.WHU)
            files = {f"optical/{name}.tif": bands, f"lbl/{name}.tif": labels}
        for file, content in files.items():
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            pictures.write(path, content, **LAYOUTS[layout])


def read(folder, _adapter, _jobs):
    """Merely read every file, whole rows of tiles at a time."""
    for path in folder.rglob("*.tif"):
        with rasterio.open(path) as file:
            for row in range(0, file.height, 320):
                height = min(320, file.height - row)
                file.read(window=((row, row + height), (0, file.width)))


def tile(folder, adapter, jobs):
    """Tile every scene into a store."""
    names = NAMES[adapter]
    options = {"root": str(folder), "train": names[1:], "test": names[:1]}
    dataset = find_adapter(adapter).open_dataset(options)
    with tempfile.TemporaryDirectory(dir=folder) as store:
        write_store(dataset, Tiling(), Path(store), jobs=jobs)


def peak_mib():
    """Largest resident set of this process; getrusage would report that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(folder, adapter, jobs):
    """Alternate between reading and tiling; return the least of three times of each."""
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    work = {"read": read, "tile": tile}
    least = {}
    for turn in range(4):
        for what, function in work.items():
            start, start_processor = time.perf_counter(), time.process_time()
            function(folder, adapter, jobs)
            now = {
                f"{what} wall": time.perf_counter() - start,
                f"{what} processor": time.process_time() - start_processor,
            }
            if turn:
                least.update({key: min(now[key], least.get(key, now[key])) for key in now})
    return least


def peak(folder, adapter, jobs):
    """Tile once in a process that does nothing else; return its peak memory."""
    tile(folder, adapter, jobs)
    return {"mib": peak_mib()}


def run(*arguments):
    """Measure in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(output.stdout)


def main():
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="*", help="internal: one case of a child process")
    case = parser.parse_args().case
    if case:
        function = {"measure": measure, "peak": peak}[case[0]]
        print(json.dumps(function(Path(case[1]), case[2], int(case[3]))))
        return
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    print(f"{SCENES} full-size scenes; throughput = seconds to read / seconds to tile")
    for adapter in NAMES:
        for layout in LAYOUTS:
            with tempfile.TemporaryDirectory() as name:
                make(adapter, Path(name), layout)
                for jobs in (1, 2):
                    found = run("measure", name, adapter, jobs) | run("peak", name, adapter, jobs)
                    print(f"{adapter}, {layout}, {jobs} job(s): {describe(found)}", flush=True)


def describe(found):
    """Write the numbers of one case as text."""
    parts = [
        f"{clock} {found[f'read {clock}']:.2f} / {found[f'tile {clock}']:.2f} s = "
        f"{found[f'read {clock}'] / found[f'tile {clock}']:.2f}"
        for clock in ("wall", "processor")
    ]
    return f"{', '.join(parts)}, peak {found['mib']:.0f} MiB"


if __name__ == "__main__":
    main()
