"""Small services for the Snakefile: the jobs' environment and arguments."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.code import source_files
from harness.disk.schema import ROOT


def export_environment() -> None:
    """Let jobs find this python and our packages, also where no environment is activated."""
    for name, folder in (("PATH", Path(sys.executable).parent), ("PYTHONPATH", ROOT)):
        before = os.environ.get(name)
        os.environ[name] = os.pathsep.join([str(folder), *([before] if before else [])])


def gpus(device: str, *, elsewhere: bool) -> int:
    """GPUs that one job asks for.

    `auto` asks for one where a driver is loaded, so that other machines run jobs side by side;
    torch itself is too slow to import at every parse. Of machines elsewhere nothing is known
    here: there `auto` asks as well, since waiting for a GPU is better than training without.
    """
    here = Path("/dev/nvidiactl").exists()
    return int(device.startswith("cuda") or (device == "auto" and (elsewhere or here)))


def as_json(value: Mapping[str, Any]) -> str:
    """One argument of a command line, in one stable spelling."""
    return json.dumps(dict(value), sort_keys=True)


def relative(paths: list[Path]) -> list[str]:
    """Paths as the workflow lists them: relative where they lie below the current folder."""
    here = Path.cwd()
    return [str(path.relative_to(here) if path.is_relative_to(here) else path) for path in paths]


def code_of(*modules: str) -> list[str]:
    """Files of ours that a rule runs; editing one reruns the rule."""
    return relative(source_files(modules))


def files_in(*folder: str) -> list[str]:
    """Files of one of our folders, as inputs of a rule."""
    return relative(sorted(path for path in ROOT.joinpath(*folder).iterdir() if path.is_file()))
