"""Texts from outside, such as names and messages, in a form that every output can take."""

import re

LONGEST = 4000
"""Number of characters of a message that are kept."""
MARK = 60
"""Number of characters that are kept free for the mark of what is left out."""
# Control characters but tab and line break, line separators, marks that turn the direction of what
# follows, and halves of characters, which no file in UTF-8 can hold.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def printable(text: object, longest: int = LONGEST) -> str:
    r"""Return a text of bounded length without characters that steer a terminal or break a file.

    These are written as escapes (`\x1b`); tabs and line breaks stay. Of a text that is too long,
    the beginning and the end are kept.
    """
    return _shortened(_escaped(_shortened(str(text), longest)), longest)


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    kept = longest - MARK
    start, left_out = kept - kept // 4, len(text) - kept
    return f"{text[:start]} … [{left_out} characters left out] … {text[start + left_out :]}"


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def has_control_characters(text: str) -> bool:
    """Return whether a name has characters that steer a terminal or break a line of text.

    Bytes that are not text, which Python shows as halves of characters, are another matter.
    """
    whole = (character for character in text if not "\ud800" <= character <= "\udfff")
    return any(character in "\t\n" or _UNSAFE.match(character) for character in whole)


def csv_cell(text: str) -> str:
    """Return a text that spreadsheets show as it is, and do not compute as a formula.

    One that could be taken for a formula begins with an apostrophe; `from_csv_cell` takes it away.
    """
    safe = _escaped(text)
    formula = safe.startswith(_FORMULA) and not _NUMBER.fullmatch(safe)
    return f"'{safe}" if formula else safe


def from_csv_cell(cell: str) -> str:
    """Return the text that `csv_cell` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
