"""Which files a rule depends on, found by following imports."""

import ast
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.disk.code import (
    PACKAGES,
    digests,
    file_digest,
    module_file,
    module_name,
    source_files,
)
from harness.disk.schema import ROOT
from harness.errors import HarnessError
from harness.methods.spec import discover
from metrics.registry import modules


def names(*modules):
    return {module_name(path) for path in source_files(modules)}


def test_follows_imports_through_packages():
    found = names("harness.stages.measure")
    assert {"harness.stages.measure", "metrics.vif", "metrics", "harness.tiles.store"} <= found
    assert {*modules(), "metrics.shared.moments", "metrics.fast.fidelity"} <= found
    assert not found & {"metrics.cli", "metrics.torch_backend"}
    assert not any(name.startswith(("segfanet", "baselines", "reports")) for name in found)


def test_stages_do_not_depend_on_what_they_do_not_run():
    for stage in ("prepare", "train", "fuse"):
        found = {name for name in names(f"harness.stages.{stage}") if name.startswith("metrics")}
        # They read images and show texts by the rules of the metrics, and measure nothing.
        reader = {"metrics", "metrics.errors", "metrics.images", "metrics.texts"}
        assert found <= {*reader, "metrics.tiff_header"}
    assert "harness.training" not in names("harness.stages.measure")
    assert "harness.datasets.synthetic_urban.adapter" not in names("harness.stages.prepare")


def test_every_file_of_ours_has_a_name_that_leads_back():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert module_file(module_name(path)) == path


CONSOLE = "snakemake_logger_plugin_segfanet"
MAY_IMPORT = {
    "metrics": set(),
    "harness": {"metrics"},
    "reports": {"harness", "metrics"},
    "segfanet": {"harness"},
    CONSOLE: {"harness"},
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
    assert {package.split(".")[0] for package in MAY_IMPORT} == {*PACKAGES, CONSOLE}


def test_other_packages_are_not_ours():
    assert module_file("numpy") is None
    assert module_file("harness.no_such_module") is None


def test_files_are_named_the_same_wherever_the_checkout_lies(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "harness/stages/fuse.py" in digests(source_files(["harness.stages.fuse"]))
    outside = tmp_path / "outside" / "mixer"
    outside.mkdir(parents=True)
    (outside / "model.py").write_text("x = 1\n")
    assert list(digests([outside / "model.py"], outside.parent)) == ["mixer/model.py"]


CODE = """
import os

def f(x: int = 1) -> str:
    return f"{x!r:>5} # no comment" + "text"

class A:
    y = [f(2), {"a": 1, **{}}]
"""


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (CODE.replace("import os", "# Why.\nimport os  # more"), True),
        (CODE.replace("class A:", 'class A:\n    """What."""\n'), True),
        (CODE.replace("-> str:", '-> str:\n    """What."""\n'), True),
        ('"""What."""' + CODE, True),
        (CODE.replace("[f(2), ", "[\n        f(2),\n        "), True),
        (CODE.replace("# no comment", "# comment"), False),
        (CODE.replace('"text"', "'text' + ''"), False),
        (CODE.replace("f(2)", "f(3)"), False),
        (CODE.replace("= 1)", "= True)"), False),
        (CODE.replace("= 1)", "= 1.0)"), False),
        (CODE.replace(">5", ">6"), False),
        (CODE + '\n"""A text at the end is a statement."""\n', False),
        (CODE.replace("def f", "async def f"), False),
        (CODE.replace("**{}", "**{1: 2}"), False),
    ],
)
def test_only_what_runs_of_a_python_file_counts(tmp_path, text, same):
    path = tmp_path / "code.py"
    path.write_text(CODE)
    before = file_digest(path)
    path.write_text(text)
    assert (file_digest(path) == before) == same


@given(st.text(), st.text())
def test_every_byte_of_another_file_counts(a, b):
    with TemporaryDirectory() as folder:
        path = Path(folder, "data.bin")
        found = []
        for text in (a, b):
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            found.append(file_digest(path))
    assert (found[0] == found[1]) == (a == b)


def test_code_that_cannot_be_parsed_is_named(tmp_path):
    (tmp_path / "broken.py").write_text("def (")
    with pytest.raises(HarnessError, match=r"broken.py: cannot be read as code"):
        file_digest(tmp_path / "broken.py")


def test_control_depends_on_the_loss_it_optimises():
    files = discover()["loss_optimum"].code_files()
    modules = [module_name(path) for path in files if path.suffix == ".py"]
    assert "segfanet.losses" in names(*modules)
