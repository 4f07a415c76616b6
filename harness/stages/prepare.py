"""Cut a data set into the tile store: `python -m harness.stages.prepare --help`."""

import argparse
from pathlib import Path

from harness.datasets import find_adapter
from harness.provenance import Record
from harness.stages.common import json_object, run
from harness.tiler import Tiling, write_store


def main() -> None:
    """Parse the command line and write the store with its record."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--adapter", required=True, help="module of harness/datasets")
    parser.add_argument("--options", type=json_object, default={}, help="JSON, to the adapter")
    parser.add_argument("--size", type=int, default=320, help="largest tile side, pixels")
    parser.add_argument("--stride", type=int, default=320, help="pixels")
    parser.add_argument("--output", type=Path, required=True, help="folder of the tile store")
    arguments = parser.parse_args()
    tiling = {"size": arguments.size, "stride": arguments.stride}
    config = {"adapter": arguments.adapter, "options": arguments.options, "tiling": tiling}
    record = Record("prepare", config)
    dataset = find_adapter(arguments.adapter).open_dataset(arguments.options)
    artefacts = write_store(dataset, Tiling(**tiling), arguments.output)
    record.write(arguments.output / "prepare.json", artefacts)


if __name__ == "__main__":
    run(main)
