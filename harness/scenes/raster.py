"""Images that are read by windows: GeoTIFF files on disk, or packed in a zip archive."""

import os
import tempfile
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from harness.disk.files import walk
from harness.errors import HarnessError
from harness.fetching.archives import copy_member, find_members, open_archive
from harness.fetching.source import make_cache

if TYPE_CHECKING:
    from rasterio import DatasetReader

BLOCK_CACHE = "48MB"
"""Memory for decoded blocks, because two rows of tiles may share a block; GDAL would otherwise
take a twentieth of the machine's memory."""
SETTINGS = {
    # No file beside the image says anything about it: it could name a file of any format.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    # No address has this ending, so that nothing in an image leads to the network.
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".nothing",
}
"""Settings of GDAL that nobody may change, which it reads from the environment."""
SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class Member:
    """A file on disk, or a member of the zip archive at `path`."""

    name: str
    path: Path
    packed: str = ""

    def __str__(self) -> str:
        """Return where the file lies, for messages."""
        return f"{self.path}:{self.packed}" if self.packed else str(self.path)


def members_of(archive: Path, names: Collection[str]) -> dict[str, Member]:
    """Find members of a zip archive as `find_members` does; those it lacks are left out.

    Raises:
        HarnessError: if the archive is damaged, unsafe, or holds a name twice.
    """
    with open_archive(archive) as opened:
        return {
            name: Member(PurePosixPath(name).name, archive, packed=info.filename)
            for name, info in find_members(opened, names).items()
        }


def files_below(folder: Path) -> list[Member]:
    """Return the TIFF files of a folder and of all folders in it, linked ones too, sorted."""
    found = [path for path in walk(folder, unreadable=True) if path.suffix.lower() in SUFFIXES]
    return [Member(path.name, path) for path in sorted(found) if path.is_file()]


@dataclass(frozen=True)
class Header:
    """Side lengths in pixels, number of bands, and type of an image."""

    height: int
    width: int
    bands: int
    dtype: str


def read_header(member: Member) -> Header:
    """Read the header of a TIFF; GDAL unpacks a packed one only as far as the header lies.

    Raises:
        HarnessError: naming the file, if it is not a readable TIFF.
    """
    # Braces let GDAL find the end of an archive's name, whatever its extension is.
    inside = f"/vsizip/{{{member.path}}}/{member.packed}"
    with _open(inside if member.packed else member.path, member) as opened:
        return Header(opened.height, opened.width, opened.count, opened.dtypes[0])


@dataclass
class Raster:
    """One TIFF that is opened at the first read. Only one thread may use it at a time.

    Attributes:
        member: the file.
        scratch: folder with room for one unpacked image.
    """

    member: Member
    scratch: Path = Path()
    _opened: "DatasetReader | None" = field(default=None, repr=False)

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
        """Read a window: (bands, height, width) in the file's type.

        Args:
            y: first row of the window, in pixels.
            x: first column.
            height: number of rows.
            width: number of columns.
            bands: numbers of the bands to read, in this order, from 0.
            shape: (rows, columns) of a smaller result, which keeps the nearest pixels.
            out: array to fill instead of a new one.

        Raises:
            HarnessError: naming the file, if it is damaged or has too few bands.
        """
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        opened = self._open()
        if max(bands) >= opened.count:
            raise HarnessError(
                f"{self.member}: band {max(bands)} is requested, but it has {opened.count} bands; "
                "they count from 0"
            )
        try:
            image: NDArray[Any] = opened.read(
                [band + 1 for band in bands],
                window=Window(x, y, width, height),
                out=out,
                out_shape=None if out is not None else (len(bands), *(shape or (height, width))),
            )
        except RasterioError as error:
            raise HarnessError(f"{self.member}: cannot be decoded: {error}") from error
        return image

    def close(self) -> None:
        """Close the file; the disk space of an unpacked copy becomes free."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _open(self) -> "DatasetReader":
        if self._opened is None and not self.member.packed:
            self._opened = _open(self.member.path, self.member)
        elif self._opened is None:
            make_cache(self.scratch)
            with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=self.scratch) as folder:
                path = Path(folder) / self.member.name
                with open_archive(self.member.path) as archive:
                    copy_member(archive, archive.getinfo(self.member.packed), path)
                # The file stays open after its name is deleted: a kill leaves nothing behind.
                self._opened = _open(path, self.member)
        return self._opened


def _open(path: Path | str, member: Member) -> "DatasetReader":
    # GDAL looks here at any time; a rasterio.Env around every read is slower.
    os.environ.setdefault("GDAL_CACHEMAX", BLOCK_CACHE)
    os.environ.update(SETTINGS)
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            # The position of a Potsdam image is in a separate file.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            # No other driver: a file of GDAL's own formats could name further files to read. An
            # image could do that, too, for copies of lower resolution.
            return rasterio.open(path, driver="GTiff", OVERVIEW_LEVEL="NONE")
    except RasterioError as error:
        raise HarnessError(f"{member}: not a readable image: {error}") from error
