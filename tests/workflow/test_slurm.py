"""The whole benchmark as jobs of a real Slurm gives the tables of a run on this machine."""

import re
import subprocess

import pytest

from tests.helpers.project import add_method, copy_project, snakemake
from tests.helpers.slurm_cluster import slurm, why_not

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not())]

SHOWING = """\
import os; print("sees", os.environ.get("CUDA_VISIBLE_DEVICES")); return (infrared + visible) / 2"""

QUICK = [
    "--slurm-status-command=squeue",
    "--slurm-init-seconds-before-status-checks=2",
    "--seconds-between-status-checks=2",
    "--retries=0",
]
"""No accounting database, and jobs of seconds."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same benchmark here and on the cluster: two folders, and Slurm's account of jobs."""
    folder = tmp_path_factory.mktemp("runs")
    here, there = (copy_project(folder / name, methods=["showing"]) for name in ("here", "there"))
    for project in (here, there):
        add_method(project, "showing", SHOWING)
        config = project / "tiny.yaml"
        text = config.read_text().replace("device: cpu", "device: auto")
        config.write_text(text.replace("average: [minmax_rgb_batch2]", "average: []"))
    run = snakemake(here)
    assert run.returncode == 0, run.stdout[-3000:]
    with slurm(tmp_path_factory.mktemp("slurm")):
        run = snakemake(
            there,
            "--workflow-profile",
            "profiles/slurm",
            "--default-resources",
            "slurm_account=none",
            "slurm_partition=main",
            *QUICK,
        )
        jobs = subprocess.run(
            ["scontrol", "--oneliner", "show", "job"], capture_output=True, text=True, check=True
        )
    assert run.returncode == 0, run.stdout[-3000:]
    return here, there, jobs.stdout.splitlines()


def test_tables_are_those_of_a_local_run_byte_for_byte(runs):
    here, there, _ = runs
    tables = [
        path.relative_to(here)
        for pattern in ("tables/*", "*/*/*/scores.csv", "*/audit.csv")
        for path in (here / "results").glob(pattern)
        # A record states how long its job took.
        if path.suffix != ".json"
    ]
    assert len(tables) > 6
    for table in tables:
        assert (there / table).read_bytes() == (here / table).read_bytes(), table


def test_few_jobs_are_submitted_and_networks_ask_for_a_gpu(runs):
    _, _, jobs = runs
    asked = {re.search(r"Comment=rule_(\S*)", job)[1]: "gres:gpu:1" in job for job in jobs}
    assert asked == {
        "prepare_wildcards_town": False,
        "train_wildcards_town_segfanet_0": True,
        "trained_fuse_measure": True,
        "learning_learning": True,
        "untrained_fuse_measure": True,
        "report_audit_complete_examples_features_report_...": True,
    }
    assert all("JobState=COMPLETED" in job for job in jobs)


def test_a_method_sees_the_gpu_that_slurm_gave_it(runs):
    _, there, _ = runs
    log = (there / "logs/fuse/town.showing.seed0.log").read_text()
    assert re.search(r"^sees [01]$", log, flags=re.MULTILINE)
