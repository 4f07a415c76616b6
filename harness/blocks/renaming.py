"""State dicts in other spellings: wrapped, or with the names that authors gave."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

WRAPPERS = ("net", "state_dict", "model")
"""Keys under which training scripts put the weights when they save more than weights."""


def unwrapped(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state dict inside a saved dict; one that is not wrapped stays as it is."""
    for key in WRAPPERS:
        if isinstance(state.get(key), Mapping):
            return dict(state[key])
    return dict(state)


def renamed(
    state: Mapping[str, Tensor], names: Mapping[str, str], unused: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Give a state dict other key prefixes and leave out tensors without effect.

    Args:
        state: as the authors saved it.
        names: their prefix → ours; a key without any of them stays as it is.
        unused: prefixes of tensors that their network holds but never uses.
    """
    result = {}
    for key, tensor in state.items():
        if key.startswith(tuple(unused)):
            continue
        theirs = next((prefix for prefix in names if key.startswith(prefix)), "")
        result[names.get(theirs, "") + key[len(theirs) :]] = tensor
    return result
