"""Start a new method: `python -m harness new-baseline NAME`."""

import argparse
import re
from pathlib import Path

from harness.cli import Commands, add_command
from harness.disk.files import write_text
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.methods.spec import discover

METHOD_YAML = """\
# Every key: workflow/schemas/method.schema.yaml. A walk through: docs/add-a-baseline.md.
name: {name}
title: {title}
entry: model:{entry}
notes: Fuses by the plain average, until model.py says otherwise.
"""

MODEL = '''\
"""{title}."""

from torch import Tensor


class {entry}:
    """Fuses by the plain average: replace `fuse` by the method.

    If the class is a `torch.nn.Module`, the harness moves it to the device, sets it to eval,
    and loads the weights that method.yaml names. With `training_loss(batch)` and a `train:`
    recipe in method.yaml it can be trained here.
    """

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1] into float32 (B, 1, H, W) in [0, 1].

        H and W are 41 or more, odd ones too. If the result can leave [0, 1], set
        `clamp: true` in method.yaml; if it depends on the other pictures of the batch, set
        `batch: 1`.
        """
        return (infrared + visible) / 2
'''

README = """\
# {title}

Where the method was published, what was read to write this folder, and under which licence.

## Deviations

What differs from the authors' code, and why.

## Checked with

Which numbers of the authors this code gives, and how they were compared.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "write a folder of baselines/ that fuses by average, to be filled in"
    parser = add_command(commands, "new-baseline", run, summary)
    parser.add_argument("name", help="of method and folder: lower-case letters, digits and _")


def run(arguments: argparse.Namespace) -> None:
    """Write the folder and say what comes next.

    Raises:
        HarnessError: if a method has that name, or the name cannot be one.
    """
    if arguments.name in discover():
        raise HarnessError(
            f"{arguments.name!r} is taken; `python -m harness methods` lists the names"
        )
    folder = write_baseline(arguments.name)
    print(f"wrote {folder.relative_to(ROOT)}: method.yaml, model.py, README.md")
    print(
        "now fill in model.py, and check with: "
        f"pytest tests/methods/test_contract.py -k {arguments.name}"
    )


def write_baseline(name: str, root: Path = ROOT) -> Path:
    """Write `baselines/<name>` with a working method and return the folder.

    Raises:
        HarnessError: if the name cannot be a method's, or the folder exists.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise HarnessError(f"{name!r}: a name has lower-case letters, digits and _, a letter first")
    folder = root / "baselines" / name
    if folder.exists():
        raise HarnessError(f"{folder}: exists already; choose another name")
    words = name.split("_")
    values = {
        "name": name,
        "title": " ".join(words).capitalize(),
        "entry": "".join(word.capitalize() for word in words),
    }
    for file, text in (("method.yaml", METHOD_YAML), ("model.py", MODEL), ("README.md", README)):
        write_text(folder / file, text.format(**values))
    return folder
