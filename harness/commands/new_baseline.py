"""Start the folder of a new method: `segfanet-bench new-baseline NAME`."""

import argparse
import re
from pathlib import Path

from harness.cli import Commands, add_command
from harness.disk.files import write_text
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.methods.spec import discover

METHOD_YAML = """\
# workflow/schemas/method.schema.yaml lists every key; docs/add-a-baseline.md is a tutorial.
name: {name}
title: {title}
entry: model:{entry}
notes: Fuses by the plain average until model.py is filled in.
"""

MODEL = '''\
"""{title}."""

from torch import Tensor


class {entry}:
    """Fuses by the plain average: replace the body of `fuse`.

    If the class is a `torch.nn.Module`, the harness moves it to the device, sets it to eval,
    and loads the weights that method.yaml names. With `training_loss(batch)` and a `train:`
    recipe in method.yaml the benchmark can train it.
    """

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1] into float32 (B, 1, H, W) in [0, 1].

        H and W are at least 41 and may be odd. If the result can leave [0, 1], set
        `clamp: true` in method.yaml; if it depends on the other images of the batch, set
        `batch: 1`.
        """
        return (infrared + visible) / 2
'''

README = """\
# {title}

State where the method was published, what this folder was written from, and its licence.

## Deviations

State what differs from the authors' code, and why.

## Checked with

State which numbers of the authors this code reproduces, and how they were compared.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "write the folder of a new method, ready to be filled in"
    parser = add_command(commands, "new-baseline", run, summary)
    parser.add_argument("name", help="name of the method: lower-case letters, digits and _")


def run(arguments: argparse.Namespace) -> None:
    """Write the folder and say what comes next.

    Raises:
        HarnessError: if a method has that name, or the name is not allowed.
    """
    if arguments.name in discover():
        raise HarnessError(f"{arguments.name!r} is taken; `segfanet-bench methods` lists the names")
    folder = write_baseline(arguments.name)
    print(f"wrote {folder.relative_to(ROOT)}: method.yaml, model.py, README.md")
    print(
        "now fill in model.py, and check with: "
        f"pytest tests/methods/test_contract.py -k {arguments.name}"
    )


def write_baseline(name: str, root: Path = ROOT) -> Path:
    """Write `baselines/<name>` with a working method and return the folder.

    Raises:
        HarnessError: if the name is not allowed for a method, or the folder exists.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise HarnessError(f"{name!r}: a name has lower-case letters, digits and _, a letter first")
    folder = root / "baselines" / name
    # A broken link does not exist, yet nothing can be written under its name.
    if folder.exists() or folder.is_symlink():
        raise HarnessError(f"{folder}: exists already; choose another name")
    title, entry = name.replace("_", " ").capitalize(), name.title().replace("_", "")
    for file, text in (("method.yaml", METHOD_YAML), ("model.py", MODEL), ("README.md", README)):
        write_text(folder / file, text.format(name=name, title=title, entry=entry))
    return folder
