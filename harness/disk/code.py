"""The code behind a result: which files of ours a module runs, and what is in them.

Files are found by following imports. What is compared of a Python file is its syntax tree without
docstrings, so that comments and formatting never make a result out of date.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from harness.disk.files import open_regular, walk
from harness.disk.schema import ROOT
from harness.errors import HarnessError

PACKAGES = ("harness", "segfanet", "metrics", "reports", "baselines")
REGISTRY = "metrics.registry"
DIGITS = 16
"""Number of hexadecimal digits by which files and identities are compared and shown."""


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


def files_of_folder(folder: Path, *, without: tuple[str, ...] = ()) -> list[Path]:
    """Return every file that the code in a folder can read, sorted.

    These are all files but texts (`*.md`), hidden ones, compiled Python, and the subfolders that
    `without` names.
    """
    return sorted(path for path in walk(folder, without) if path.suffix not in (".md", ".pyc"))


def digests(files: Iterable[Path], outside: Path | None = None) -> dict[str, str]:
    """Return what is in each file, by its name below the repository or the folder `outside`.

    Raises:
        HarnessError: naming the file, if it cannot be read or is not Python although it says so.
    """
    found = {}
    for path in files:
        base = ROOT if outside is None or path.is_relative_to(ROOT) else outside
        found[path.relative_to(base).as_posix()] = file_digest(path)
    return found


def file_digest(path: Path) -> str:
    """Return the hash of a file: of its syntax tree if it is Python, else of its bytes."""
    try:
        status = path.stat()
        return _digest(path, status.st_ino, status.st_size, status.st_ctime_ns)
    except (OSError, SyntaxError, ValueError) as error:
        raise HarnessError(f"{path}: cannot be read as code: {error}") from error


@cache
def _digest(path: Path, inode: int, size: int, changed: int) -> str:
    """Read a file once per process, unless it changes; no program can set the time `changed`."""
    with open_regular(path) as stream:
        content = stream.read()
    return _python(content)[1] if path.suffix == ".py" else _hash(content)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


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
    found = frozenset(
        name
        for level, module, names in _python(path.read_bytes())[0]
        for target in _targets(level, module, names, path)
        for name in _with_packages(target)
    )
    if path == module_file(REGISTRY):
        # It finds the metrics by looking into its folder, which no import statement shows. Nor
        # does this one: a stage that measures nothing must not depend on the metrics.
        return found | {*import_module(REGISTRY).modules()}
    return found


@cache
def _python(content: bytes) -> tuple[list[tuple[int, str, list[str]]], str]:
    """Return the import statements of a Python file, and the hash of its tree."""
    tree = ast.parse(content)
    imports: list[tuple[int, str, list[str]]] = []
    text: list[str] = []
    _walk(tree, text, imports)
    return imports, _hash("\0".join(text).encode("utf-8", "surrogatepass"))


def _walk(node: ast.AST, text: list[str], imports: list[tuple[int, str, list[str]]]) -> None:
    """Append the tree below a node to `text`, and its import statements to `imports`.

    Empty fields are left out, so that versions of Python with more fields write the same text.
    """
    before = len(imports)
    if isinstance(node, ast.Import):
        imports += [(0, alias.name, []) for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        imports.append((node.level, node.module or "", [alias.name for alias in node.names]))
    text.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and isinstance(value, list) and _has_docstring(node):
            value = value[1:]
        if value is None or value == []:
            continue
        text.append(name)
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, ast.AST):
                _walk(item, text, imports)
            else:
                text.append(repr(item))
        text.append("]")
    text.append(")")
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        # Only a type checker follows these imports; nothing of them runs.
        del imports[before:]


def _has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    first = node.body[0] if node.body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def _targets(level: int, module: str, names: list[str], path: Path) -> Iterator[str]:
    """Yield every module that one import statement may load."""
    if level and path.is_relative_to(ROOT):
        package = path.relative_to(ROOT).parent.parts
        parents = package[: len(package) - level + 1]
        module = ".".join([*parents, *([module] if module else [])])
    yield module
    yield from (f"{module}.{name}" for name in names)


def _with_packages(name: str) -> Iterator[str]:
    """Yield a module and the packages that it lies in: they run their `__init__` first."""
    parts = name.split(".")
    yield from (".".join(parts[: end + 1]) for end in range(len(parts)))
