"""The settings of SegFANet that the paper's tables and its literal reading name."""

from harness.methods.spec import discover

FOUND = discover()
VARIANTS = [
    name
    for name, spec in FOUND.items()
    if spec.folder.name == "segfanet"
    and spec.kind in ("proposed", "ablation")
    # tests/methods/test_segfanet_controls.py has those that are asked by their names.
    and spec.asked_by != "name"
]
