"""Take fused images that somebody already has: `python -m harness.stages.take --help`."""

import argparse
from pathlib import Path

from harness import cli
from harness.cli import add_asked
from harness.disk.files import atomic_path
from harness.disk.images import files_by_name, named_image_errors
from harness.disk.inventory import Inventory
from harness.disk.records import Claim, Record
from harness.errors import HarnessError, MethodFailure
from harness.stages import identity
from harness.stages.common import add_colour
from harness.terminal import progress
from harness.tiles.array_file import Bytes, TileFile
from harness.tiles.store import INVENTORY, TileRow, TileStore, write_empty_stack
from metrics.images import in_colour, read_grey, read_image


def main() -> None:
    """Write the fused stack of images from a folder, as if a method had made it, and its record."""
    arguments = _parser().parse_args()
    output = arguments.output.resolve()
    record_path = output.with_name("fused.json")
    given = {"name": arguments.name, "colour": arguments.colour}
    inventory = Inventory([arguments.folder], output.with_name(INVENTORY))
    claim = Claim(record_path, arguments.asked, lambda: identity.take(**given), inventory.content)
    config = {"folder": str(arguments.folder), **given}
    record = Record("fuse", config, claim=claim)
    store = TileStore(arguments.tiles)
    colour = arguments.colour == "per_channel"
    shapes = [(3, *size) if colour else size for size in store.test.sizes]
    try:
        scenes = _files(store, arguments.folder, arguments.name)
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
    record.write(record_path, [output])


def _files(store: TileStore, folder: Path, pattern: str) -> dict[str, Path]:
    """Return the file of every test scene; `pattern` says how its name follows from the scene's.

    Raises:
        MethodFailure: naming the first file that is missing.
    """
    try:
        found = files_by_name(folder)
    except (HarnessError, OSError) as error:
        raise MethodFailure(str(error)) from error
    scenes = dict.fromkeys(row.scene for row in store.rows("test"))
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
    parser.add_argument("--folder", type=Path, required=True, help="folder of fused images")
    parser.add_argument(
        "--name",
        default="{name}",
        help="name of a fused image without its suffix, {name} being that of its sources",
    )
    add_colour(parser)
    add_asked(parser)
    parser.add_argument("--output", type=Path, required=True, help="path of fused.npy to write")
    return parser


if __name__ == "__main__":
    cli.run(main)
