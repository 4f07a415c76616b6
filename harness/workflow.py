"""What the Snakefile needs: the code that each rule runs, and the environment of its jobs.

A rule lists the files of ours that its result depends on, found by following imports, as inputs:
an edit reruns exactly what uses the file.
"""

import ast
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.disk.schema import ROOT
from harness.machine.isolation import USERS_PYTHONPATH
from metrics.registry import modules

PACKAGES = ("harness", "segfanet", "metrics", "reports", "baselines")


def source_files(modules: Iterable[str]) -> list[Path]:
    """Return the files of `modules` and of everything of ours that they import, sorted."""
    found: set[Path] = set()
    seen = set(modules)
    waiting = list(seen)
    while waiting:
        path = module_file(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            new = _imports(path) - seen
            seen |= new
            waiting.extend(new)
    return sorted(found)


def code_behind(files: Iterable[Path]) -> list[Path]:
    """Return `files`, also of folders outside, and everything of ours that they import."""
    listed = list(files)
    modules = {name for path in listed if path.suffix == ".py" for name in _imports(path)}
    return sorted({*listed, *source_files(modules)})


@cache
def module_file(name: str) -> Path | None:
    """Return the file of one of our modules, or None for anything else."""
    if name.split(".")[0] not in PACKAGES:
        return None
    base = ROOT.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def module_name(path: Path) -> str:
    """Return the dotted name of a file of ours."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _imports(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    found = frozenset(name for node in _statements(tree) for name in _names(node, path))
    # The registry finds the metrics by looking into its folder, which no import statement shows.
    return found | {*modules()} if path == module_file(modules.__module__) else found


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements below a node; expressions, most of a tree, hold no import."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield child
            yield from _statements(child)


def _names(node: ast.AST, path: Path) -> Iterator[str]:
    """Yield every module a statement may load: packages run their `__init__` first."""
    if isinstance(node, ast.Import):
        targets = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = _absolute(node, path)
        targets = [module, *(f"{module}.{alias.name}" for alias in node.names)]
    else:
        return
    for target in targets:
        parts = target.split(".")
        yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level or not path.is_relative_to(ROOT):
        return node.module or ""
    package = path.relative_to(ROOT).parent.parts
    parents = package[: len(package) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def export_environment() -> None:
    """Let jobs find this python and our packages, also where no environment is activated."""
    # A job on another machine inherits this environment and parses the workflow again.
    os.environ.setdefault(USERS_PYTHONPATH, os.environ.get("PYTHONPATH", ""))
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
