"""Which files a rule depends on, found by following imports."""

from pathlib import Path

from harness.code import PACKAGES, module_file, module_name, source_files
from harness.methods import discover
from harness.schema import ROOT
from harness.workflow import code_of


def names(*modules):
    return {module_name(path) for path in source_files(modules)}


def test_follows_imports_through_packages():
    found = names("harness.stages.measure")
    assert {"harness.stages.measure", "metrics.vif", "metrics", "harness.store"} <= found
    assert not any(name.startswith(("segfanet", "baselines", "reports")) for name in found)


def test_stages_do_not_depend_on_what_they_do_not_run():
    assert not any(name.startswith("metrics") for name in names("harness.stages.train"))
    assert not any(name.startswith("metrics") for name in names("harness.stages.fuse"))
    assert "harness.training" not in names("harness.stages.measure")
    assert "harness.datasets.synthetic_urban" not in names("harness.stages.prepare")


def test_every_file_of_ours_has_a_name_that_leads_back():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert module_file(module_name(path)) == path


def test_packages_depend_one_way():
    """reports → metrics, harness; segfanet, baselines → harness; metrics → nothing."""
    allowed = {
        "metrics": {"metrics"},
        "harness": {"harness", "metrics"},
        "segfanet": {"segfanet", "harness", "metrics"},
        "baselines": {"baselines", "segfanet", "harness", "metrics"},
        "reports": {"reports", "harness", "metrics"},
    }
    for package, targets in allowed.items():
        modules = [module_name(path) for path in (ROOT / package).rglob("*.py")]
        reached = {name.split(".")[0] for name in names(*modules)}
        assert reached <= targets, package


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
