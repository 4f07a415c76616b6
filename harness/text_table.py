"""Tables of plain text for terminals."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> list[str]:
    """Lay out rows in columns as wide as their longest cell.

    Args:
        rows: the first is the heading; all have the same length.
        numeric: columns whose cells end at the right border.

    Returns:
        One line a row, without spaces at its end.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
