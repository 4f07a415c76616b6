"""Which weight file a row loads, and what identifies its content; without torch."""

from pathlib import Path

from harness.disk.files import sha256
from harness.methods.spec import DEMONSTRATION, MethodSpec, weight_entry

OFFICIAL = "official"
"""The authors' file."""


def given_file(spec: MethodSpec, chosen: str) -> Path | None:
    """Return the weight file that `chosen` names; None for the authors', which is looked for."""
    if chosen == OFFICIAL:
        return None
    return spec.demonstration if chosen == DEMONSTRATION else Path(chosen)


def weights_content(spec: MethodSpec, chosen: str, *, trained: bool) -> str:
    """Return what identifies the weights that fuse: `train`, a stated hash, or "" for none.

    Args:
        spec: the method.
        chosen: `official`, `demonstration`, or the path of a weight file.
        trained: whether the weights are those of a training here.
    """
    if trained:
        return "train"
    file = given_file(spec, chosen)
    if file is not None:
        return sha256(file) if file.is_file() else ""
    entry = weight_entry(spec) or {}
    return entry.get("sha256") or entry.get("git_blob") or ""
