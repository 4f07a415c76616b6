"""Which files a rule depends on, found by following imports."""

import ast
import subprocess
from pathlib import Path

from harness.disk.schema import ROOT
from harness.methods.spec import discover
from harness.workflow import PACKAGES, code_of, module_file, module_name, source_files
from metrics.registry import modules


def names(*modules):
    return {module_name(path) for path in source_files(modules)}


def test_follows_imports_through_packages():
    found = names("harness.stages.measure")
    assert {"harness.stages.measure", "metrics.vif", "metrics", "harness.tiles.store"} <= found
    assert {*modules(), "metrics.shared.moments", "metrics.fast.kernels"} <= found
    assert not found & {"metrics.cli", "metrics.torch_backend"}
    assert not any(name.startswith(("segfanet", "baselines", "reports")) for name in found)


def test_stages_do_not_depend_on_what_they_do_not_run():
    assert not any(name.startswith("metrics") for name in names("harness.stages.train"))
    assert not any(name.startswith("metrics") for name in names("harness.stages.fuse"))
    assert "harness.training" not in names("harness.stages.measure")
    assert "harness.datasets.synthetic_urban.adapter" not in names("harness.stages.prepare")


def test_every_file_of_ours_has_a_name_that_leads_back():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert module_file(module_name(path)) == path


MAY_IMPORT = {
    "metrics": set(),
    "harness": {"metrics"},
    "reports": {"harness", "metrics"},
    "segfanet": {"harness"},
    **{spec.package: {"harness"} for spec in discover().values() if spec.folder.parent != ROOT},
    # The control that minimises this loss.
    "baselines.loss_optimum": {"segfanet"},
}
"""Package → the others of ours that it may import; every baseline is a package of its own."""
USERS = {"benchmarks", "tests"}
"""Import what they like, and are imported by no package."""


def imported(path):
    """Packages of ours that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # Installed alone, `metrics` has another name: there no import may say its own.
            alone = path.is_relative_to(ROOT / "metrics")
            assert alone or not node.level, f"{path}: imports are absolute"
            found = [] if node.level else [f"{node.module}.{alias.name}" for alias in node.names]
            assert not (alone and str(node.module).split(".")[0] == "metrics" and not node.level)
        else:
            continue
        for name in found:
            first, second, *_ = f"{name}.".split(".")
            if first in {*PACKAGES, *USERS}:
                yield f"{first}.{second}" if first == "baselines" else first


def test_packages_depend_one_way():
    for package, others in MAY_IMPORT.items():
        for path in (ROOT / package.replace(".", "/")).rglob("*.py"):
            assert set(imported(path)) <= {package, *others}, path


def test_every_module_of_ours_belongs_to_a_package_with_rules():
    listing = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listing.stdout.splitlines():
        first, second, *deeper = name.split("/")
        package = f"{first}.{second}" if first == "baselines" and deeper else first
        assert package in {*MAY_IMPORT, "baselines"} or package in USERS, name
    assert {package.split(".")[0] for package in MAY_IMPORT} == set(PACKAGES)


def test_other_packages_are_not_ours():
    assert module_file("numpy") is None
    assert module_file("harness.no_such_module") is None


def test_workflow_lists_paths_below_the_current_folder_as_relative(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert "harness/stages/fuse.py" in code_of("harness.stages.fuse")
    monkeypatch.chdir(tmp_path)
    assert all(Path(path).is_absolute() for path in code_of("harness.stages.fuse"))


def test_control_depends_on_the_loss_it_optimises():
    files = discover()["loss_optimum"].code_files()
    modules = [module_name(path) for path in files if path.suffix == ".py"]
    assert "segfanet.losses" in names(*modules)
