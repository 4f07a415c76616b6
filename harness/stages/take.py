"""Take fused images that somebody already has: `python -m harness.stages.take --help`."""

import argparse
from pathlib import Path
from typing import Any

from harness import cli
from harness.cli import add_asked, add_cache, add_mirrors, json_object
from harness.disk.files import atomic_path
from harness.disk.images import files_by_name, named_image_errors
from harness.disk.inventory import Inventory
from harness.disk.records import Claim, Record
from harness.errors import HarnessError, MethodFailure
from harness.fetching.source import CACHE
from harness.scenes.adapters import adapter_files, adapter_folder, find_adapter
from harness.stages import identity
from harness.stages.common import add_colour
from harness.terminal import progress
from harness.tiles.array_file import Bytes, TileFile
from harness.tiles.store import INVENTORY, TileRow, TileStore, write_empty_stack
from metrics.images import in_colour, read_grey, read_image

RECORD = "fused.json"


def main() -> None:
    """Write the fused stack of images from a folder, as if a method had made it, and its record."""
    arguments = _parser().parse_args()
    output = arguments.output.resolve()
    record = _record(arguments, output)
    store = TileStore(arguments.tiles)
    colour = arguments.colour == "per_channel"
    shapes = [(3, *size) if colour else size for size in store.test.sizes]
    try:
        scenes = _files(store, arguments)
        with atomic_path(output) as temporary, TileFile(temporary, shapes) as stack:
            for scene, path in progress(list(scenes.items()), "reading", unit="image"):
                tiles = [row for row in store.rows("test") if row.scene == scene]
                image = _read(path, tiles, colour=colour)
                for row in tiles:
                    window = image[..., row.y : row.y + row.height, row.x : row.x + row.width]
                    stack.write(row.index, window)
        record.details = {"images": len(scenes)}
    except MethodFailure as failure:
        record.fail(str(failure))
        print(f"failed: {failure}")
        write_empty_stack(output, store.test)
    record.write(output.with_name(RECORD), [output])


def _record(arguments: argparse.Namespace, output: Path) -> Record:
    """Begin the record of the stack: its images come from a folder, or with the data set."""
    path, colour = output.with_name(RECORD), arguments.colour
    if arguments.folder is None:
        set_files = adapter_files(arguments.adapter), adapter_folder(arguments.adapter)
        config = {"published": arguments.published, "colour": colour}
        claim = Claim(
            path,
            arguments.asked,
            lambda: identity.take_published(arguments.published, colour, *set_files),
        )
        return Record("fuse", {"adapter": arguments.adapter, **config}, claim=claim)
    given = {"name": arguments.name, "colour": colour}
    content = Inventory([arguments.folder], output.with_name(INVENTORY)).content
    claim = Claim(path, arguments.asked, lambda: identity.take(**given), content)
    return Record("fuse", {"folder": str(arguments.folder), **given}, claim=claim)


def _files(store: TileStore, arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the file of every test scene, from a folder or from where the data set comes from.

    Raises:
        MethodFailure: naming the first file that is missing.
    """
    scenes = list(dict.fromkeys(row.scene for row in store.rows("test")))
    try:
        if arguments.folder is not None:
            return _in_folder(scenes, arguments.folder, arguments.name)
        places = {"cache": str(arguments.cache), "mirrors": [str(m) for m in arguments.mirror]}
        adapter: Any = find_adapter(arguments.adapter)
        options = {**places, **arguments.options}
        found: dict[str, Path] = adapter.fetch_fused(arguments.published, scenes, options)
    except (HarnessError, OSError) as error:
        raise MethodFailure(str(error)) from error
    missing = [scene for scene in scenes if scene not in found]
    if missing:
        raise MethodFailure(f"{arguments.adapter}: publishes no image of {', '.join(missing[:5])}")
    return found


def _in_folder(scenes: list[str], folder: Path, pattern: str) -> dict[str, Path]:
    """Return the file of every scene; `pattern` says how its name follows from the scene's."""
    found = files_by_name(folder)
    named = {scene: pattern.replace("{name}", scene) for scene in scenes}
    missing = [name for name in named.values() if name not in found]
    if missing:
        raise MethodFailure(
            f"{folder / missing[0]}: no image of this name, with any suffix; "
            f"{len(missing)} of {len(named)} are missing"
        )
    return {scene: found[name] for scene, name in named.items()}


def _read(path: Path, tiles: list[TileRow], *, colour: bool) -> Bytes:
    """Read the image of a scene: (H, W), or (3, H, W) in colour.

    Raises:
        MethodFailure: naming the file, if it cannot be used or does not have the scene's size.
    """
    try:
        with named_image_errors():
            image = in_colour(read_image(path)) if colour else read_grey(path)
    except HarnessError as error:
        raise MethodFailure(str(error)) from error
    # The last tiles end on the border of their scene.
    height, width = max(r.y + r.height for r in tiles), max(r.x + r.width for r in tiles)
    if image.shape[-2:] != (height, width):
        found = "×".join(map(str, image.shape[-2:]))
        raise MethodFailure(
            f"{path}: {found} pixels, expected {height}×{width} as its sources have"
        )
    return image


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the tile store")
    images = parser.add_mutually_exclusive_group(required=True)
    images.add_argument("--folder", type=Path, help="folder of fused images")
    images.add_argument("--published", help="name of fused images that the data set publishes")
    parser.add_argument(
        "--name",
        default="{name}",
        help="name of a fused image without its suffix, {name} being that of its sources",
    )
    parser.add_argument("--adapter", help="name of the data set that publishes the images")
    parser.add_argument(
        "--options", type=json_object, default={}, help="JSON object of options of the data set"
    )
    add_cache(parser, CACHE)
    add_mirrors(parser, "the images")
    add_colour(parser)
    add_asked(parser)
    parser.add_argument("--output", type=Path, required=True, help="path of fused.npy to write")
    return parser


if __name__ == "__main__":
    cli.run(main)
