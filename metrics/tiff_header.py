"""What Pillow does not say about a TIFF: further images, and bands without a stated meaning.

The last band may be near infrared behind red, green and blue, and the file does not say so. Pillow
has no mode for that: it drops the band, or does not open the file. Here the header is changed in
memory so that Pillow takes the last band for alpha, which keeps every byte as it is.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SUBFILE, PHOTOMETRIC, SAMPLES, EXTRA = 254, 262, 277, 338
REDUCED_OR_MASK = 0b101
GREY, RGB = 1, 2
ALPHA = (1, 2)
SIZES = {3: "H", 4: "I"}
NEEDED = {2: GREY, 4: RGB}
"""Number of bands that Pillow has an alpha mode for → the photometric interpretation it needs."""
MOST = 1000
"""Number of directories that are looked at."""


class Unnamed(NamedTuple):
    """An image whose last band has no stated meaning.

    bands: of the image. named: how many of them are grey or red, green and blue. readable: the
    file with a header that Pillow reads all bands of; empty if there is none.
    """

    bands: int
    named: int
    readable: bytes

    def __str__(self) -> str:
        """Return what is found, for a message."""
        return f"has {self.bands} bands and states the meaning of {self.named}"


class _Entry(NamedTuple):
    """Place in the file of one entry of a directory, its number of values, and the first one."""

    place: int
    number: int
    value: int


def count_images(stream: BinaryIO) -> int:
    """Count the images of a TIFF; smaller copies and masks belong to another image.

    Returns:
        The number, and 1 for anything that is not a TIFF of less than 4 GiB.
    """
    found = 0
    for directory in _directories(stream):
        kind = directory.get(SUBFILE)
        found += not (kind and kind.value & REDUCED_OR_MASK)
    return max(found, 1)


def unnamed_bands(stream: BinaryIO) -> Unnamed | None:
    """Look for bands without a stated meaning; None if there are none, or it is not a TIFF."""
    entries = next(_directories(stream), {})
    samples = entries[SAMPLES].value if SAMPLES in entries else 1
    photometric = entries.get(PHOTOMETRIC)
    named = {GREY: 1, RGB: 3}.get(photometric.value) if photometric else None
    extra = entries.get(EXTRA)
    if photometric is None or named is None or samples <= named:
        return None
    if extra and extra.value in ALPHA and samples == named + 1:
        return None
    if samples not in NEEDED or (extra is None and samples == 2):
        return Unnamed(samples, named, b"")
    stream.seek(0)
    data = bytearray(stream.read())
    order = _order(data[:4])
    _write(data, order, photometric, NEEDED[samples])
    if extra:
        _write(data, order, extra, ALPHA[1])
    return Unnamed(samples, named, bytes(data))


def _order(start: bytes | bytearray) -> str:
    return {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(start), "")


def _directories(stream: BinaryIO) -> Iterator[dict[int, _Entry]]:
    """Yield the entries of whole numbers of every directory, by tag."""
    stream.seek(0)
    order = _order(stream.read(4))
    seen: set[int] = set()
    while order and len(seen) < MOST:
        (place,) = _unpack(stream, f"{order}I") or (0,)
        if not place or place in seen:
            return
        seen.add(place)
        stream.seek(place)
        (length,) = _unpack(stream, f"{order}H") or (0,)
        rows = stream.read(12 * length)
        after = stream.tell()
        yield dict(_entries(stream, order, rows, place + 2))
        stream.seek(after)


def _entries(stream: BinaryIO, order: str, rows: bytes, first: int) -> Iterator[tuple[int, _Entry]]:
    for at in range(0, len(rows) - 11, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", rows, at)
        if tag not in (SUBFILE, PHOTOMETRIC, SAMPLES, EXTRA) or kind not in SIZES or not count:
            continue
        size = SIZES[kind]
        if count * struct.calcsize(size) <= 4:
            (value,) = struct.unpack_from(f"{order}{size}", rows, at + 8)
        else:
            # Values that have no room here lie at the place that is given instead.
            stream.seek(struct.unpack_from(f"{order}I", rows, at + 8)[0])
            (value,) = _unpack(stream, f"{order}{size}") or (0,)
        yield tag, _Entry(first + at, count, value)


def _unpack(stream: BinaryIO, form: str) -> tuple[int, ...]:
    size = struct.calcsize(form)
    data = stream.read(size)
    return struct.unpack(form, data) if len(data) == size else ()


def _write(data: bytearray, order: str, entry: _Entry, value: int) -> None:
    """Make an entry one number of 16 bits."""
    struct.pack_into(f"{order}HIHH", data, entry.place + 2, 3, 1, value, 0)
