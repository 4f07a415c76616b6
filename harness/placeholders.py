"""Filling `{name}` in texts that users write."""

import re
from collections.abc import Mapping


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace every `{name}` that `values` knows, once; all else stays as it is.

    No `str.format`, whose fields reach into objects (`{name.__class__}`) and which gives
    braces of other languages a meaning.

    Example:
        >>> fill("{a} {b} {a.x}", {"a": "{b}", "b": "2"})
        '{b} 2 {a.x}'
    """
    names = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({names})\}}", lambda match: values[match[1]], text)
