"""Renaming of state dicts: unwrapping them, and giving authors' tensors our names."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

WRAPPERS = ("net", "state_dict", "model", "fuse_net")
"""Keys under which training scripts store the weights if they save more than weights."""


def unwrapped(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state dict inside a saved dict; if it is not wrapped, return it as it is."""
    inner = (state[key] for key in WRAPPERS if isinstance(state.get(key), Mapping))
    return dict(next(inner, state))


def flattened(state: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the tensors of nested state dicts under one dotted name each."""
    result = {}
    for key, value in state.items():
        inside = isinstance(value, Mapping)
        result.update(flattened(value, f"{prefix}{key}.") if inside else {prefix + key: value})
    return result


def renamed(
    state: Mapping[str, Tensor], names: Mapping[str, str], unused: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Replace the key prefixes of a state dict and leave out tensors that have no effect.

    Args:
        state: the state dict as the authors saved it.
        names: their prefix → our prefix; a key without any of these prefixes stays as it is.
        unused: prefixes of tensors that their network contains but never uses.
    """
    result = {}
    for key, tensor in state.items():
        if key.startswith(tuple(unused)):
            continue
        theirs = next((prefix for prefix in names if key.startswith(prefix)), "")
        result[names.get(theirs, "") + key[len(theirs) :]] = tensor
    return result
