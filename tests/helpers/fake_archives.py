"""Archives that are laid out like Potsdam and WHU-OPT-SAR, with made-up pixels."""

import warnings
import zipfile

import numpy as np
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from harness.datasets.potsdam import adapter as potsdam
from harness.datasets.whu_opt_sar import adapter as whu_opt_sar

TFW = "0.05\n0\n0\n-0.05\n366976.525\n5807000.975\n"


def picture(rng, size, bands=4, dtype=np.uint8):
    """Return random pixels on a coarse grid, so that archives of full-size images stay small."""
    height, width = size
    coarse = rng.integers(0, np.iinfo(dtype).max, (bands, -(-height // 8), -(-width // 8)), dtype)
    return coarse.repeat(8, 1).repeat(8, 2)[:, :height, :width]


def classes(rng, size, count):
    """Return class indices in patches."""
    return picture(rng, size, 1)[0] % count


def tiff(pixels, **options):
    """Return the bytes of a GeoTIFF."""
    count, height, width = pixels.shape
    shape = {"count": count, "height": height, "width": width, "dtype": pixels.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile() as memory:
            with memory.open(driver="GTiff", **shape, **options) as file:
                file.write(pixels)
            return memory.read()


def colours(labels):
    """Return the colours of Potsdam labels; 255 becomes black, the colour of object borders."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(potsdam.PALETTE)] = potsdam.PALETTE
    return np.moveaxis(table[labels], 2, 0)


def zipped(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def make_potsdam(folder, scenes, *, size=(60, 64), participants=(), layout="archives", **options):
    """Write Potsdam and return its pixels: scene → uint8 (5, H, W).

    `layout` is `archives`, `outer` (one zip of zips, as the server offers it) or `loose`.
    """
    rng = np.random.default_rng(0)
    pixels, pictures, full, clean = {}, {}, {}, {}
    for name in scenes:
        bands, labels = picture(rng, size), classes(rng, size, 6)
        pixels[name] = np.concatenate([bands, labels[None]])
        pictures[f"4_Ortho_RGBIR/top_potsdam_{name}_RGBIR.tif"] = tiff(
            bands, photometric="RGB", **options
        )
        pictures[f"4_Ortho_RGBIR/top_potsdam_{name}_RGBIR.tfw"] = TFW
        label = tiff(colours(labels), **options)
        full[f"top_potsdam_{name}_label.tif"] = label
        if name in participants:
            clean[f"5_Labels_for_participants/top_potsdam_{name}_label.tif"] = label
    archives = {
        "4_Ortho_RGBIR.zip": pictures,
        "5_Labels_all.zip": full,
        "5_Labels_for_participants.zip": clean,
    }
    write_layout(folder, archives, layout)
    return pixels


def write_layout(folder, archives, layout):
    folder.mkdir(parents=True, exist_ok=True)
    for archive, members in archives.items():
        if layout != "loose":
            zipped(folder / archive, members)
            continue
        for name, data in members.items():
            path = folder / archive.removesuffix(".zip") / name.rsplit("/", 1)[-1]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data.encode() if isinstance(data, str) else data)
    if layout == "outer":
        inner = {f"Potsdam/{name}": (folder / name).read_bytes() for name in archives}
        zipped(folder / "Potsdam.zip", {"Potsdam/2_Ortho_RGB.zip": b"", **inner})
        for name in archives:
            (folder / name).unlink()


def make_whu(folder, scenes, *, dtype=np.uint8, layout="archives", **options):
    """Write WHU-OPT-SAR and return its pixels: scene → (5, H, W), labels as codes.

    `scenes` maps names to (height, width); the real sheets are not all equally wide.
    """
    rng = np.random.default_rng(0)
    pixels, optical, lbl = {}, {}, {}
    for name, size in scenes.items():
        bands = picture(rng, size, dtype=dtype)
        codes = classes(rng, size, 8) * np.uint8(10)
        pixels[name] = np.concatenate([bands, codes[None].astype(dtype)])
        optical[f"optical/{name}.tif"] = tiff(bands, **options)
        lbl[f"lbl/{name}.tif"] = tiff(codes[None], **options)
    write_layout(folder, {"optical.zip": optical, "lbl.zip": lbl}, layout)
    return pixels


def whu_labels(codes, *, background=False):
    """Return the class indices that WHU codes stand for."""
    labels = codes.astype(int) // 10 - (0 if background else 1)
    return np.where(labels < 0, 255, labels).astype(np.uint8)


def without_hashes(monkeypatch):
    """Let the adapters accept made-up archives by removing the hashes of the real ones."""
    for adapter in (potsdam, whu_opt_sar):
        sources = adapter.dataset_sources(adapter.SOURCES)
        stripped = {}
        for name, source in sources.items():
            inside = stripped[source.inside.name] if source.inside else None
            stripped[name] = type(source)(name, page="https://example.org", inside=inside)
        monkeypatch.setattr(adapter, "dataset_sources", lambda _, found=stripped: found)
