"""A result belongs to exactly what was asked for: changes that lead to a rerun, or must not.

Every case is a run of the workflow over a copy of one finished run.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from harness.disk.identity import identifier
from tests.helpers.copies import (
    ALL,
    DATA,
    MINE,
    MODEL,
    ROWS,
    TABLES,
    TARGETS,
    YAML,
    config,
    keep_date,
    record,
    replace,
    seal,
    weight,
)
from tests.helpers.project import add_method_files, copy_project, planned, snakemake

pytestmark = pytest.mark.slow


def image(folder):
    return folder.parent / "images" / "ir" / "train_00.png"


# Each of them changes a copy of the finished run.
def code_with_an_old_date(folder):
    keep_date(folder / "baselines/mine/model.py", lambda p: replace(p, "1.0", "0.5"))


def results_from_the_future_and_a_recipe(folder):
    for path in (folder / "results").rglob("*"):
        os.utime(path, (4e9, 4e9))
    replace(folder / "baselines/mine/method.yaml", "steps: 6", "steps: 7")


def metadata_gone_and_a_recipe(folder):
    shutil.rmtree(folder / ".snakemake")
    config(folder, train={"steps": 7})


def metadata_gone_and_a_width(folder):
    shutil.rmtree(folder / ".snakemake")
    config(folder, overrides={"mine": {"options": {"width": 2}}})


def data_beside_the_code(folder):
    keep_date(folder / "baselines/reads/weight.txt", lambda p: p.write_text("0.75"))


def image_replaced(folder):
    other = image(folder).with_name("test_00.png")
    image(folder).write_bytes(other.read_bytes())


def image_added(folder):
    for kind in ("rgb", "ir", "seg"):
        source = folder.parent / "images" / kind / "train_00.png"
        shutil.copy2(source, source.with_name("train_01.png"))


def rows_swapped(folder):
    places = [folder / ROWS / name for name in ("reads", "average")]
    spare = folder / ROWS / "spare"
    places[0].rename(spare)
    places[1].rename(places[0])
    spare.rename(places[1])


def put_from_another_run(folder, part, target):
    """Put a part of the results of the same configuration with other tiles in its place."""
    other = yaml.safe_load((folder / "tiny.yaml").read_text())
    other["datasets"]["town"]["tiling"] = {"size": 48, "stride": 24}
    (folder / "other.yaml").write_text(yaml.safe_dump(other))
    spare, foreign = folder.parent / "spare", folder.parent / "foreign"
    (folder / "results").rename(spare)
    run = snakemake(folder, str(ROWS / target), configfile="other.yaml")
    assert run.returncode == 0, run.stdout[-3000:]
    (folder / ROWS / part).rename(foreign)
    shutil.rmtree(folder / "results")
    spare.rename(folder / "results")
    shutil.rmtree(folder / ROWS / part)
    foreign.rename(folder / ROWS / part)


def store_of_another_run(folder):
    put_from_another_run(folder, "tiles", "tiles/prepare.json")


def stack_of_another_store(folder):
    put_from_another_run(folder, "reads/seed0", "reads/seed0/scores.csv")


def record_of_another_store(folder):
    """A stack whose record names another store, while all its files fit."""
    path = folder / ROWS / "reads/seed0/fused.json"
    value = json.loads(path.read_text())
    value["identity"]["inputs"][f"{ROWS}/tiles/prepare.json"] = "0123456789abcdef"
    seal(path, value)


STALE = {
    code_with_an_old_date: MINE,
    results_from_the_future_and_a_recipe: MINE,
    metadata_gone_and_a_recipe: MINE,
    metadata_gone_and_a_width: MINE,
    data_beside_the_code: {"fuse": 1, "measure": 1},
    image_replaced: ALL,
    image_added: ALL,
    rows_swapped: {"fuse": 2, "measure": 2},
    store_of_another_run: ALL,
    stack_of_another_store: {"fuse": 1, "measure": 1},
    record_of_another_store: {"fuse": 1, "measure": 1},
}


@pytest.mark.parametrize(
    ("change", "expected"), STALE.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_what_is_out_of_date_runs_again(project, change, expected):
    change(project)
    assert planned(project, *TARGETS) == expected


def test_tables_that_are_forced_do_not_mix(project):
    metadata_gone_and_a_recipe(project)
    assert planned(project, "results/tables/index.csv", "--forcerun", "tables") == {
        **MINE,
        "learning": 1,
        "tables": 1,
    }


def test_an_image_that_is_gone_is_refused_or_cut_out(project):
    for kind in ("rgb", "ir", "seg"):
        (project.parent / "images" / kind / "train_00.png").unlink()
    run = snakemake(project, *TARGETS, "--dry-run")
    assert run.returncode != 0 or "prepare" in run.stdout


def test_weights_replaced_under_their_name(original, tmp_path):
    folder = copy_project(tmp_path / "project")
    shutil.copytree(original / "images", tmp_path / "images")
    add_method_files(folder, "mine", YAML, {"model.py": MODEL})
    file = folder.parent / "mine.pt"
    torch.save({"weight": torch.tensor([0.2])}, file)
    config(folder, methods=["mine"], overrides={"mine": {"weights": str(file)}})
    assert snakemake(folder, TARGETS[0]).returncode == 0
    assert planned(folder, TARGETS[0]) == {}
    os.utime(file)
    assert planned(folder, TARGETS[0]) == {}
    status = file.stat()
    torch.save({"weight": torch.tensor([0.9])}, file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert planned(folder, TARGETS[0]) == {"fuse": 1, "measure": 1}


def test_one_seed_is_not_another(project):
    config(project, seeds=[0, 1])
    shutil.copytree(project / ROWS / "mine/seed0", project / ROWS / "mine/seed1")
    assert planned(project, f"{ROWS}/mine/seed1/scores.csv") == MINE


def test_a_reader_refuses_what_it_was_not_asked_for(project):
    """Between the plan and the job, another result is put in place: both are named."""
    fused = project / ROWS / "reads/seed0"
    other = project / ROWS / "average/seed0"
    asked = {str(ROWS / "reads/seed0/fused.json"): record(project, "reads/seed0/fused.json")}
    wanted = {path: identifier(value["identity"]["request"]) for path, value in asked.items()}
    for name in ("fused.npy", "fused.json"):
        shutil.copy2(other / name, fused / name)
    command = [sys.executable, "-P", "-m", "harness.stages.measure", "--tiles", f"{ROWS}/tiles"]
    command += ["--fused", f"{ROWS}/reads/seed0/fused.npy", "--dataset", "town", "--method"]
    command += ["reads", "--seed", "0", "--metrics", "sf", "--output", "scores.csv", "--asked"]
    run = subprocess.run(
        [*command, json.dumps({"reads": wanted})],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "method average" in run.stderr
    assert wanted[str(ROWS / "reads/seed0/fused.json")] in run.stderr


def start(folder, *targets):
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "2"]
    return subprocess.Popen(
        [*command, "--configfile", "tiny.yaml"],
        cwd=folder,
        env={**os.environ, "FUSION_METRICS_COMPILED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def trained_from_the_start(folder, original):
    """Return the weight that the code of a copy gives without any interruption."""
    clean = folder.parent / "clean"
    shutil.copytree(folder, clean, ignore=shutil.ignore_patterns("results", ".snakemake"))
    run = snakemake(clean, f"{ROWS}/mine/seed0/checkpoint.pt")
    assert run.returncode == 0, run.stdout[-3000:]
    return weight(clean)


def test_loss_edited_after_an_interrupted_training(project, original):
    model = project / "baselines/mine/model.py"
    replace(model, "        pass\n", "        time.sleep(3600 if self.steps > 3 else 0)\n")
    partial = project / ROWS / "mine/seed0/partial.pt"
    run = start(project, TARGETS[0])
    until = time.monotonic() + 240
    while not (partial.exists() and torch.load(partial, weights_only=True)["step"] >= 3):
        assert time.monotonic() < until and run.poll() is None
        time.sleep(0.2)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(240) != 0
    assert partial.exists()
    model.write_text(MODEL.replace("GOAL = 1.0", "GOAL = 0.2"))
    assert snakemake(project, TARGETS[0], "--rerun-incomplete").returncode == 0
    assert weight(project) == trained_from_the_start(project, original)


def test_loss_edited_after_a_failed_training(project, original):
    model = project / "baselines/mine/model.py"
    replace(model, "        pass\n", "        assert self.steps < 4, 'no luck'\n")
    assert snakemake(project, f"{ROWS}/mine/seed0/checkpoint.pt").returncode == 0
    assert "no luck" in record(project, "mine/seed0/training.json")["reason"]
    assert (project / ROWS / "mine/seed0/partial.pt").exists()
    model.write_text(MODEL.replace("GOAL = 1.0", "GOAL = 0.2"))
    assert snakemake(project, TARGETS[0]).returncode == 0
    assert weight(project) == trained_from_the_start(project, original)


def test_a_method_edited_while_its_job_runs(project):
    model = project / "baselines/reads/model.py"
    append = 'Path(__file__).write_text(Path(__file__).read_text() + "EDITED = 1\\n")\n'
    model.write_text(model.read_text() + append)
    run = snakemake(project, TARGETS[1])
    assert run.returncode != 0
    assert "baselines/reads/model.py" in run.stdout
    assert "changed while the job ran" in run.stdout
    assert not (project / ROWS / "reads/seed0/fused.json").exists()
    model.write_text(DATA)
    assert planned(project, TARGETS[1]) == {"fuse": 1, "measure": 1}


# What must not run again.
def touched(folder):
    for path in [*folder.rglob("*.py"), *folder.rglob("*.yaml"), *folder.parent.rglob("*.png")]:
        path.touch()


def dated_in_the_future(folder):
    for path in [*(folder / "results").rglob("*"), *folder.rglob("*.py")]:
        os.utime(path, (4e9, 4e9))


def more_threads(folder):
    config(folder, threads=2)


def another_mirror(folder):
    (folder / "mirror").mkdir()
    config(folder, mirror="mirror")


def copied_results(folder):
    (folder / "results").rename(folder / "old")
    shutil.copytree(folder / "old", folder / "results", copy_function=shutil.copyfile)
    shutil.rmtree(folder / ".snakemake")


def comments(folder):
    for path in ("harness/training/engine.py", "baselines/mine/model.py", "metrics/vif.py"):
        replace(
            folder / path,
            "import torch\n" if "vif" not in path else "import numpy as np\n",
            ("import torch" if "vif" not in path else "import numpy as np") + "  # a comment\n",
        )
    (folder / "baselines/mine/README.md").write_text("More words.")


def there_and_back(folder):
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    replace(folder / ".gitignore", "", "")
    for words in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "first"],
        ["checkout", "--quiet", "-b", "other"],
    ):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)
    replace(folder / "baselines/mine/model.py", "0.3", "0.4")
    replace(folder / "harness/training/engine.py", "import torch\n", "import torch\n\nX = 1\n")
    for words in (
        ["commit", "--quiet", "--all", "--message", "second"],
        ["checkout", "--quiet", "main"],
    ):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    "change",
    [touched, dated_in_the_future, more_threads, another_mirror, copied_results, comments,
     there_and_back],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_what_is_up_to_date_stays(project, change):
    change(project)
    assert planned(project, *TABLES) == {}


def test_a_moved_or_new_clone_makes_nothing_again(project, tmp_path):
    """The results lie elsewhere; the clone moves, and then is cloned anew with other dates."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("results", ".snakemake", "tiny.yaml"):
        (project / name).rename(elsewhere / name)
    shutil.copytree(project.parent / "images", tmp_path / "images")
    moved = project.with_name("moved")
    project.rename(moved)
    new = tmp_path / "new"
    shutil.copytree(moved, new, copy_function=shutil.copyfile)
    for clone in (moved, new):
        run = subprocess.run(
            [sys.executable, "-m", "snakemake", *TABLES, "--cores", "1", "--dry-run",
             "--directory", str(elsewhere), "--configfile", str(elsewhere / "tiny.yaml")],
            cwd=clone, capture_output=True, text=True,
        )  # fmt: skip
        assert "Nothing to be done" in run.stdout + run.stderr, run.stdout[-3000:]
