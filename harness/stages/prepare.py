"""Cut a data set into the tile store: `python -m harness.stages.prepare --help`."""

import argparse
from pathlib import Path
from typing import Any

from harness.cli import add_include, add_mirrors, json_object, positive, run
from harness.disk.records import Record
from harness.fetching.source import CACHE
from harness.scenes.adapters import find_adapter
from harness.tiles.contact_sheet import write_contact_sheet
from harness.tiles.cutting import Tiling, check_examples, write_store
from harness.tiles.store import RECORD


def main() -> None:
    """Cut a data set into the tile store; write it, a sheet to look at, and the record."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--adapter", required=True, help="name of an adapter")
    parser.add_argument("--options", type=json_object, default={}, help="JSON, to the adapter")
    parser.add_argument("--size", type=int, default=Tiling.size, help="largest tile side, px")
    parser.add_argument("--stride", type=int, default=Tiling.stride, help="stride of the tiles, px")
    parser.add_argument("--output", type=Path, required=True, help="folder of the tile store")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"downloads; default {CACHE}")
    add_mirrors(parser, "archives")
    parser.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="scenes read at once; default 1"
    )
    parser.add_argument("--examples", nargs="*", default=[], help="test tiles that must exist")
    add_include(parser)
    arguments = parser.parse_args()
    tiling = {"size": arguments.size, "stride": arguments.stride}
    config = {"adapter": arguments.adapter, "options": arguments.options, "tiling": tiling}
    record = Record("prepare", config)
    # Delete the old record first: it describes files that are about to be overwritten.
    (arguments.output / RECORD).unlink(missing_ok=True)
    adapter = find_adapter(arguments.adapter, arguments.include)
    places = _places(arguments) if hasattr(adapter, "SOURCES") else {}
    dataset = adapter.open_dataset({**places, **arguments.options})
    check_examples(dataset, Tiling(**tiling), arguments.examples)
    artefacts = write_store(dataset, Tiling(**tiling), arguments.output, jobs=arguments.jobs)
    sheet = write_contact_sheet(arguments.output)
    record.write(arguments.output / RECORD, [*artefacts, sheet])


def _places(arguments: argparse.Namespace) -> dict[str, Any]:
    """Options that only adapters of fetched data have: where archives may lie."""
    mirrors = [str(folder) for folder in arguments.mirror]
    return {"cache": str(arguments.cache), "mirrors": mirrors}


if __name__ == "__main__":
    run(main)
