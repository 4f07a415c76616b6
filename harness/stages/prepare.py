"""Cut a data set into the tile store: `python -m harness.stages.prepare --help`."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.cli import add_asked, add_cache, add_include, add_mirrors, json_object, run, threads
from harness.disk.files import refuse_overwriting
from harness.disk.inventory import Inventory
from harness.disk.records import Claim, Record
from harness.fetching.source import CACHE
from harness.scenes.adapters import adapter_files, adapter_folder, find_adapter, source_places
from harness.stages import identity
from harness.tiles.contact_sheet import write_contact_sheet
from harness.tiles.cutting import Tiling, check_examples, write_store
from harness.tiles.store import INVENTORY, RECORD, TileStore


def main() -> None:
    """Cut a data set into tiles; write the tile store, a contact sheet and the record."""
    arguments = _parser().parse_args()
    tiling = asdict(Tiling(arguments.size, arguments.stride, arguments.whole))
    config = {"adapter": arguments.adapter, "options": arguments.options, "tiling": tiling}
    path = arguments.output / RECORD
    inventory = Inventory(source_places(arguments.options), arguments.output / INVENTORY)
    if not inventory.path.is_file():
        # A tile store among the images that it is cut from would replace some, such as the one
        # called like the contact sheet. An old store, which has an inventory, is no input.
        refuse_overwriting([arguments.output], inventory.folders())
    files = adapter_files(arguments.adapter, arguments.include)
    folder = adapter_folder(arguments.adapter, arguments.include)
    claim = Claim(
        path,
        arguments.asked,
        lambda: identity.prepare(**config, files=files, folder=folder),
        inventory.content,
    )
    record = Record("prepare", config, claim=claim)
    # Delete the old record first: it describes files that we are about to overwrite.
    path.unlink(missing_ok=True)
    adapter = find_adapter(arguments.adapter, arguments.include)
    places: dict[str, Any] = {}
    if hasattr(adapter, "SOURCES"):
        # Only adapters of downloaded data have these options: where the archives may be.
        mirrors = [str(folder) for folder in arguments.mirror]
        places = {"cache": str(arguments.cache), "mirrors": mirrors}
    dataset = adapter.open_dataset({**places, **arguments.options})
    check_examples(dataset, Tiling(**tiling), arguments.examples)
    artefacts = write_store(dataset, Tiling(**tiling), arguments.output, jobs=arguments.jobs)
    sheet = write_contact_sheet(arguments.output)
    record.details = {"coverage": TileStore(arguments.output).meta["tiling"]["coverage"]}
    for split, shares in record.details["coverage"].items():
        print(
            f"{split}: tiles cover {shares['covered']:.2%} of the pixels, "
            f"{shares['more_than_once']:.2%} more than once"
        )
    record.write(path, [*artefacts, sheet])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--adapter", required=True, help="name of a folder of harness/datasets")
    parser.add_argument(
        "--options", type=json_object, default={}, help="JSON object of options for the adapter"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=Tiling.size,
        help=f"largest side of a tile, in pixels; default {Tiling.size}",
    )
    parser.add_argument(
        "--stride",
        type=int,
        default=Tiling.stride,
        help=f"step between tiles, in pixels; default {Tiling.stride}",
    )
    parser.add_argument("--whole", action="store_true", help="test images whole instead of tiles")
    parser.add_argument("--output", type=Path, required=True, help="folder of the tile store")
    add_cache(parser, CACHE)
    add_mirrors(parser, "archives")
    parser.add_argument(
        "--jobs",
        type=threads,
        default=1,
        metavar="N",
        help="number of scenes that are read at the same time; default 1",
    )
    parser.add_argument(
        "--examples", nargs="*", default=[], help="names of test tiles that must exist"
    )
    add_include(parser)
    add_asked(parser)
    return parser


if __name__ == "__main__":
    run(main)
