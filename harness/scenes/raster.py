"""Pictures read by windows: GeoTIFF files on disk, or packed in a zip archive."""

import io
import os
import tempfile
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.fetching.archives import copy_member, find_members, open_archive
from harness.fetching.source import make_cache

if TYPE_CHECKING:
    from rasterio import DatasetReader

BLOCK_CACHE = "48MB"
"""Decoded blocks that GDAL keeps, for a block that two rows of tiles share; its own limit would
be a twentieth of the machine's memory."""
SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class Member:
    """A file on disk, or a member of the zip archive at `path`."""

    name: str
    path: Path
    packed: str = ""

    def __str__(self) -> str:
        """Where the file lies, for messages."""
        return f"{self.path}:{self.packed}" if self.packed else str(self.path)


def members_of(archive: Path, names: Collection[str]) -> dict[str, Member]:
    """Find members of a zip archive by their bare names; those it lacks are left out.

    Raises:
        HarnessError: if the archive is damaged, unsafe, or holds a name twice.
    """
    with open_archive(archive) as opened:
        return {
            name: Member(name, archive, packed=info.filename)
            for name, info in find_members(opened, names).items()
        }


def files_below(folder: Path) -> Iterable[Member]:
    """Yield the TIFF files of a folder and of all folders in it, linked ones too, sorted."""
    for path in sorted(_walk(folder)):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield Member(path.name, path)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, followlinks=True):
        here = Path(parent)
        # A link to a folder that it lies in would have no end.
        real = here.resolve()
        folders[:] = [name for name in folders if not real.is_relative_to((here / name).resolve())]
        yield from (here / name for name in files)


@dataclass(frozen=True)
class Header:
    """Side lengths in pixels, number of bands, and type of a picture."""

    height: int
    width: int
    bands: int
    dtype: str


def read_header(member: Member) -> Header:
    """Read the header of a TIFF; of a packed one without unpacking it, where the zip allows.

    Raises:
        HarnessError: naming the file, if it is no readable TIFF.
    """
    if not member.packed:
        with Raster(member) as raster:
            return raster.header
    import tifffile

    try:
        with open_archive(member.path) as archive, archive.open(member.packed) as packed:
            view = _Seekable(packed, archive.getinfo(member.packed).file_size)
            with tifffile.TiffFile(cast(IO[bytes], view)) as tiff:
                page: Any = tiff.pages[0]
                return Header(
                    page.imagelength, page.imagewidth, page.samplesperpixel, str(page.dtype)
                )
    except HarnessError:
        raise
    except Exception as error:
        # tifffile raises many types about a broken header; all mean that the file is no use.
        raise HarnessError(f"{member}: not a readable TIFF: {error!r}") from error


class _Seekable(io.RawIOBase):
    """A packed member that moves only when it is read.

    Seeking to the end, as every reader of headers does, would otherwise unpack everything.
    """

    def __init__(self, packed: IO[bytes], size: int) -> None:
        self._packed, self._size, self._at = packed, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        if self._packed.tell() != self._at:
            self._packed.seek(self._at)
        data = self._packed.read(size)
        self._at += len(data)
        return data


@dataclass
class Raster:
    """One TIFF, opened when first read. Not for several threads at once.

    Attributes:
        member: the file.
        scratch: folder with room for one unpacked picture.
    """

    member: Member
    scratch: Path = Path()
    _opened: "DatasetReader | None" = field(default=None, repr=False)

    @property
    def header(self) -> Header:
        """Size, bands and type."""
        opened = self._open()
        return Header(opened.height, opened.width, opened.count, opened.dtypes[0])

    def read(
        self,
        y: int,
        x: int,
        height: int,
        width: int,
        bands: Sequence[int],
        shape: tuple[int, int] | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Read a window: (bands, height, width) in the file's type; bands count from 0.

        Args:
            y: first row of the window.
            x: first column of the window.
            height: rows of the window.
            width: columns of the window.
            bands: which bands, in this order.
            shape: (rows, columns) to thin the window out to, by nearest pixels.
            out: array to fill instead of a new one.

        Raises:
            HarnessError: naming the file, if it is damaged or has too few bands.
        """
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        opened = self._open()
        if max(bands) >= opened.count:
            raise HarnessError(
                f"{self.member}: band {max(bands)} is asked for, it has {opened.count} bands; "
                "they count from 0"
            )
        try:
            picture: NDArray[Any] = opened.read(
                [band + 1 for band in bands],
                window=Window(x, y, width, height),
                out=out,
                out_shape=None if out is not None else (len(bands), *(shape or (height, width))),
            )
        except RasterioError as error:
            raise HarnessError(f"{self.member}: cannot be decoded: {error}") from error
        return picture

    def close(self) -> None:
        """Give back the file and, of a packed one, the disk space."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> "Raster":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _open(self) -> "DatasetReader":
        if self._opened is None:
            self._opened = self._unpack() if self.member.packed else _open(self.member.path)
        return self._opened

    def _unpack(self) -> "DatasetReader":
        make_cache(self.scratch)
        with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=self.scratch) as folder:
            path = Path(folder) / self.member.name
            with open_archive(self.member.path) as archive:
                copy_member(archive, archive.getinfo(self.member.packed), path)
            # The open file outlives its name, so that nothing is left behind even by a kill.
            return _open(path)


def _open(path: Path) -> "DatasetReader":
    # GDAL looks at this once, at the first block; a rasterio.Env round every read costs more.
    os.environ.setdefault("GDAL_CACHEMAX", BLOCK_CACHE)
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            # Potsdam's pictures carry their position in a file of its own.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path)
    except RasterioError as error:
        raise HarnessError(f"{path}: not a readable picture: {error}") from error
