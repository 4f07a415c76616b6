"""A record names the commit of our code when its job started, and no other."""

import subprocess

import pytest

from harness.disk import records
from harness.disk.records import Record, git_state, read_record


def git(folder, *arguments):
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *author, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return git(folder, "rev-parse", "HEAD")


CODE = ("harness/disk/records.py", "baselines/average/method.yaml", "Snakefile", "README.md")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository of our code; every look at it is a new one."""
    git_state.cache_clear()
    root = tmp_path / "clone"
    write(root, *CODE, ".gitignore")
    (root / ".gitignore").write_text("results/\n")
    git(tmp_path, "init", "--quiet", str(root))
    commit(root)
    return root


def state(root):
    git_state.cache_clear()
    return git_state(root)


def test_a_clone_has_its_commit_and_is_clean(clone):
    write(clone, "results/town/fused.json", "my.yaml", "notes/plan.md")
    assert state(clone) == {"commit": git(clone, "rev-parse", "HEAD"), "dirty": False}


@pytest.mark.parametrize(
    "name", ["README.md", "harness/disk/records.py", "baselines/new/method.yaml", "metrics/new.py"]
)
def test_edited_and_new_files_of_the_code_are_not_clean(clone, name):
    write(clone, name)
    (clone / name).write_text("changed")
    assert state(clone)["dirty"]


def test_an_archive_inside_a_foreign_repository_is_unknown(tmp_path, clone):
    foreign = tmp_path / "foreign"
    write(foreign, "thesis.tex")
    git(tmp_path, "init", "--quiet", str(foreign))
    commit(foreign)
    write(foreign / "archive", *CODE)
    assert state(foreign / "archive") == {}
    write(foreign, *CODE)
    assert state(foreign) == {}, "the repository does not hold our files"
    commit(foreign)
    assert state(foreign / "archive") == {}, "the commit is that of the whole thesis"


def test_no_repository_and_no_git_are_unknown(tmp_path, clone, monkeypatch):
    write(tmp_path / "archive", *CODE)
    assert state(tmp_path / "archive") == {}
    git(tmp_path, "init", "--quiet", str(tmp_path / "archive"))
    assert state(tmp_path / "archive") == {}, "there is no commit yet"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert state(clone) == {}


def test_a_repository_that_the_environment_names_is_not_asked(tmp_path, clone, monkeypatch):
    other = tmp_path / "other"
    write(other, *CODE)
    git(tmp_path, "init", "--quiet", str(other))
    commit(other)
    expected = state(clone)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert state(clone) == expected


def test_a_record_holds_the_state_at_the_start_of_its_job(tmp_path, clone, monkeypatch):
    monkeypatch.setattr(records, "ROOT", clone)
    record = Record("fuse", {})
    before = state(clone)
    write(clone, "baselines/new/method.yaml")
    git_state.cache_clear()
    commit(clone)
    record.write(tmp_path / "fused.json", [])
    assert read_record(tmp_path / "fused.json")["git"] == before
