import shlex
from functools import cache

from harness.benchmark import Row
from harness.methods.recipe import Recipe
from harness.workflow import (
    as_json,
    code_of,
    export_environment,
    files_in,
    gpus,
    relative,
)
from reports.plan import plan_of

export_environment()

CONFIGURATION = BENCHMARK.config

# Resources and no parameters: where a file was found, and how long anything may take,
# changes no result. The files of included folders are inputs by themselves.
MIRRORS = " ".join(f"--mirror {shlex.quote(folder)}" for folder in CONFIGURATION.mirror)
INCLUDE = " ".join(
    f"--include {shlex.quote(str(folder))}" for folder in BENCHMARK.include
)
TIMEOUT = f"--timeout {CONFIGURATION.timeout}"
THREADS = CONFIGURATION.threads
DEVICE = CONFIGURATION.device


wildcard_constraints:
    dataset="|".join(BENCHMARK.datasets),
    row=r"[a-z0-9_]+(\+[a-z0-9_]+)?",
    seed=r"\d+",


def spec_of(wildcards):
    """The method behind a row."""
    return BENCHMARK.methods[Row.parse(wildcards.row).method]


@cache
def code_of_method(name):
    """Files of ours that a method runs."""
    return relative(BENCHMARK.method_code(name))


def method_code(wildcards):
    """Files of ours that the method behind a row runs."""
    return code_of_method(spec_of(wildcards).name)


def tiling_of(dataset):
    """How a data set is cut, as arguments."""
    tiling = BENCHMARK.tiling(dataset)
    if tiling.get("whole"):
        return "--whole"
    return f"--size {tiling['size']} --stride {tiling['stride']}"


def examples_of(dataset):
    """Test tiles that must exist, as an argument; choosing others changes no tile."""
    names = BENCHMARK.datasets[dataset].examples or ()
    return f"--examples {shlex.join(names)}" if names else ""


def growing(amount):
    """A resource of which every further attempt asks for `amount` more."""
    return lambda wildcards, attempt: amount * attempt


def gpu_of(wildcards):
    """GPUs that training or running a method asks for."""
    return gpus(
        spec_of(wildcards).device_for(DEVICE), elsewhere=workflow.non_local_exec
    )


def gpus_of_training(wildcards):
    """One for every process that a method is trained in."""
    return gpu_of(wildcards) * Recipe.of(spec_of(wildcards).train).processes


def group_of(wildcards):
    """Runs that wait for no training may share a cluster job (profiles/slurm)."""
    return "trained" if BENCHMARK.is_trained(spec_of(wildcards).name) else "untrained"


def trained(wildcards, file):
    """A file of the training that a run needs: none unless its method is trained here."""
    method = spec_of(wildcards).name
    if not BENCHMARK.is_trained(method):
        return []
    return f"results/{wildcards.dataset}/{method}/seed{wildcards.seed}/{file}"


def scores_of(*kinds):
    """Per-image tables of all data sets, of the named kinds of method or of all."""
    return [
        f"results/{dataset}/{row}/seed{seed}/scores.csv"
        for dataset in BENCHMARK.datasets
        for row, seed in BENCHMARK.runs(dataset)
        if not kinds or BENCHMARK.methods[Row.parse(row).method].kind in kinds
    ]


def features_of():
    """Feature maps of the data sets on which SegFANet is trained here."""
    known = "segfanet" in BENCHMARK.methods and BENCHMARK.is_trained("segfanet")
    seed = BENCHMARK.seeds("segfanet")[0] if known else 0
    return [
        f"results/{dataset}/segfanet/seed{seed}/features.npz"
        for dataset in BENCHMARK.datasets
        if known
    ]


def plan(wildcards):
    """What the report is about; a function, because Snakemake looks for wildcards in texts."""
    return as_json(plan_of(BENCHMARK))
