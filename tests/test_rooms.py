"""The arrangement of the code: which room may import which, and how large anything may become."""

import ast
import subprocess
from collections import defaultdict

import pytest

from harness.disk.code import module_file, module_name
from harness.disk.schema import ROOT

BASE = {"errors", "pixels", "terminal", "blocks"}
LOW = BASE | {"disk", "machine"}
MIDDLE = LOW | {"fetching", "scenes", "methods", "tiles"}
MAY_IMPORT = {
    **{room: set() for room in BASE},
    "disk": BASE,
    "machine": BASE,
    "fetching": LOW,
    "scenes": LOW | {"fetching"},
    "methods": LOW | {"fetching"},
    "datasets": LOW | {"fetching", "scenes"},
    "tiles": LOW | {"scenes"},
    "fusing": MIDDLE - {"fetching", "scenes"},
    "training": MIDDLE - {"fetching"},
    "workflow": MIDDLE | {"benchmark", "stages"},
    "configuration": MIDDLE,
    "benchmark": MIDDLE | {"configuration"},
    "cli": LOW,
    "planner": MIDDLE | {"fusing", "training", "benchmark"},
    "stages": MIDDLE | {"fusing", "training", "cli"},
    "commands": MIDDLE
    | {"fusing", "training", "planner", "benchmark", "configuration", "cli", "workflow"},
    "__main__": {"commands", "cli"},
}
"""Room of `harness/` → the other rooms that its files may import, also inside functions."""
PUBLIC = ("harness.blocks", "harness.methods.contract")
"""All that a method may import from the harness."""

ROOMS_OF_REPORTS = {
    "benchmark",
    "cli",
    "configuration",
    "disk",
    "methods",
    "errors",
    "pixels",
    "scenes",
    "stages",
    "tiles",
}
"""Rooms of the harness that `reports` may import."""
ROOMS_WITH_METRICS = {"benchmark", "commands", "configuration", "planner", "stages"}
"""Rooms of the harness that may import metrics."""
READER = ("metrics.images", "metrics.errors", "metrics.texts")
"""The reader of image files, its error, and texts from outside: every room may import these."""

ENTRIES, FLOORS, FILE_LINES, FUNCTION_LINES = 22, 10, 400, 55


def python_files(*folders):
    listing = subprocess.run(
        [
            "git",
            "ls-files",
            "-co",
            "--exclude-standard",
            "--",
            *(f"{name}/**.py" for name in folders),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = [ROOT / name for name in listing.stdout.splitlines()]
    return [path for path in found if path.is_file()]


PACKAGES = ("harness", "metrics", "reports", "segfanet", "baselines")
CONSOLE = "snakemake_logger_plugin_segfanet"
PRODUCT = python_files(*PACKAGES, CONSOLE, "benchmarks")
TESTS = python_files("tests")


def imports(path):
    """Return the dotted names that a file imports, each `from` import with the imported name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = path.relative_to(ROOT).parent.parts
            package = [*parents[: len(parents) - node.level + 1]] if node.level else []
            module = ".".join([*package, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" for alias in node.names]
    return found


def room_of(name):
    """Return the room of a dotted name of the harness; "" for the package itself or others."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "harness" else ""


def test_every_room_imports_only_rooms_below_it():
    for path in python_files("harness"):
        room = room_of(module_name(path))
        if not room:
            continue
        found = {room_of(name) for name in imports(path)} - {"", room}
        assert found <= MAY_IMPORT[room], path


def test_every_room_has_rules_and_the_harness_stays_small():
    entries = {path.relative_to(ROOT / "harness").parts[0] for path in python_files("harness")}
    assert len(entries) <= ENTRIES
    assert {entry.removesuffix(".py") for entry in entries} == {"__init__", *MAY_IMPORT}


def test_rooms_stand_on_few_floors():
    floors = {}

    def floor(room):
        if room not in floors:
            used = {room_of(name) for path in files[room] for name in imports(path)} - {"", room}
            floors[room] = 1 + max((floor(other) for other in used), default=0)
        return floors[room]

    files = defaultdict(list)
    for path in python_files("harness"):
        files[room_of(module_name(path))].append(path)
    assert max(floor(room) for room in files if room) <= FLOORS


def is_public(name):
    """Whether a dotted name is one of `PUBLIC`, or lies below one."""
    return f"{name}.".startswith(tuple(f"{known}." for known in PUBLIC))


def test_public_names_end_where_their_words_end():
    assert is_public("harness.methods.contract.Method")
    assert is_public("harness.blocks")
    assert not is_public("harness.methods.contract_x")
    assert not is_public("harness.blocks_of_others.layers")


def test_reports_and_metrics_meet_the_harness_in_named_rooms():
    users = {
        room_of(name)
        for path in python_files("reports")
        for name in imports(path)
        if name.startswith("harness.")
    }
    assert users <= ROOMS_OF_REPORTS
    measuring = {
        room_of(module_name(path))
        for path in python_files("harness")
        if any(n.split(".")[0] == "metrics" and not n.startswith(READER) for n in imports(path))
    }
    assert measuring <= ROOMS_WITH_METRICS


def test_methods_import_blocks_and_the_contract_only():
    for path in python_files("segfanet", "baselines"):
        for name in imports(path):
            assert not name.startswith("harness.") or is_public(name), (path, name)


def test_no_module_imports_itself_through_others():
    graph = {}
    for path in PRODUCT:
        targets = set()
        for name in imports(path):
            file = module_file(name) or module_file(name.rpartition(".")[0])
            targets |= {file} - {None, path}
        graph[path] = targets
    finished, active = set(), []

    def visit(path):
        assert path not in active, [*active[active.index(path) :], path]
        if path in finished:
            return
        active.append(path)
        for target in sorted(graph.get(path, ())):
            visit(target)
        active.pop()
        finished.add(path)

    for path in graph:
        visit(path)


@pytest.mark.parametrize("path", [*PRODUCT, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < FUNCTION_LINES, node.name


def test_tests_import_helpers_and_no_other_test():
    for path in TESTS:
        for name in imports(path):
            parts = name.split(".")
            assert not any(part.startswith("test_") for part in parts), (path, name)
            assert parts[0] != "tests" or parts[1] == "helpers", (path, name)
