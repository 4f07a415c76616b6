"""Methods and data-set adapters in folders outside the checkout.

Each child of such a folder is loaded as a package of its own under a unique name, so that two of
them may have files of one name, and Python's search path stays as it is.
"""

import hashlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from harness.errors import HarnessError

KINDS = ("method.yaml", "adapter.py")
"""The file by which a child of an outside folder is known to be a method or an adapter."""


def children(include: Sequence[Path], kind: str) -> list[Path]:
    """Return the children of the folders `include` that hold a file called `kind`.

    Raises:
        HarnessError: naming the folder that does not exist or holds no method and no adapter.
    """
    found = []
    for folder in include:
        if not folder.is_dir():
            raise HarnessError(f"include: the folder {folder} does not exist; make it or leave it")
        if not any(path for name in KINDS for path in folder.glob(f"*/{name}")):
            raise HarnessError(
                f"include: no folder in {folder} has a {' or an '.join(KINDS)}; name the folder "
                "that holds the folders of methods and adapters"
            )
        found += [path.parent.resolve() for path in sorted(folder.glob(f"*/{kind}"))]
    return found


def load_package(folder: Path) -> str:
    """Make an outside folder importable, and return the name of its package.

    Files of the folder import each other relatively (`from .layers import Block`). The name
    depends on the folder alone, so that every process of a training finds the same modules.
    """
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    name = f"outside_{re.sub(r'[^A-Za-z0-9_]', '_', folder.name)}_{digest}"
    if name in sys.modules:
        return name
    init = folder / "__init__.py"
    spec = ModuleSpec(name, None, is_package=True)
    if init.is_file():
        spec = importlib.util.spec_from_file_location(name, init) or spec
    spec.submodule_search_locations = [str(folder)]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if init.is_file() and spec.loader is not None:
        spec.loader.exec_module(module)
    return name
