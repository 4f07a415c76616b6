import shlex

from snakemake.logging import logger
from snakemake.settings.types import RerunTrigger

from harness.methods.recipe import Recipe
from harness.methods.rows import RUN_FUSED, RUN_GIVEN, RUN, Row
from harness.workflow import DERIVED, Job, Results, as_json, export_environment, gpus
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
    row=RUN,
    seed=r"\d+",


def spec_of(wildcards):
    """The method behind a row."""
    return BENCHMARK.methods[Row.parse(wildcards.row).method]


def is_forced(job):
    """Whether the command line names a rule or a record, so that what follows runs as well."""
    rules = {rule.name for rule in workflow.dag.forcerules}
    return job.stage in rules or str(job.target) in workflow.dag.forcefiles


RESULTS = Results(BENCHMARK, plan_of(BENCHMARK), is_forced)


def jobs_of(stage, wildcards):
    """Results that one job of a rule makes."""
    known = {name: value for name, value in wildcards.items() if name != "seed"}
    made = Job(stage, **known, seed=int(wildcards.get("seed", 0)))
    return RESULTS.stretches(made) if stage in ("fuse", "measure") else [made]


def read(stage, files=()):
    """An input function: the files that a job reads, given by a pattern, a list or a function.

    Identities decide what runs. Snakemake compares no times of inputs that are `ancient`, and of
    its other triggers only the one for software remains. A job whose result is not what it should
    be is forced, and its inputs are not `ancient`, so that it follows the jobs that make them.
    """

    def inputs(wildcards):
        workflow.dag_settings.rerun_triggers = frozenset({RerunTrigger.SOFTWARE_ENV})
        found = files(wildcards) if callable(files) else files
        found = found.format(**wildcards) if isinstance(found, str) else found
        return found if note(jobs_of(stage, wildcards)) else ancient(found)

    return inputs


def note(jobs):
    """Whether results of one job have to be made; Snakemake is told when it first asks."""
    try:
        reasons = {job: reason for job in jobs if (reason := RESULTS.reason(job))}
    except HarnessError as error:
        raise WorkflowError(str(error))
    for job, reason in reasons.items():
        if str(job.target) not in workflow.dag.forcefiles and not reason.endswith(
            DERIVED
        ):
            logger.info(f"{job.record}: {reason}", extra={"made_again": True})
    workflow.dag.forcefiles |= {str(job.target) for job in reasons}
    return bool(reasons)


def asked(stage):
    """The identities that a job makes and reads, as an argument."""
    return lambda wildcards: RESULTS.asked(*jobs_of(stage, wildcards))


def tiling_of(dataset):
    """How a data set is cut, as arguments."""
    tiling = BENCHMARK.tiling(dataset)
    whole = " --whole" if tiling["whole"] else ""
    return f"--size {tiling['size']} --stride {tiling['stride']}{whole}"


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
    return "trained" if BENCHMARK.is_trained(wildcards.row) else "untrained"


def trained(wildcards, file):
    """A file of the training that a run needs: none unless its method is trained here."""
    if not BENCHMARK.is_trained(wildcards.row):
        return []
    return f"results/{wildcards.dataset}/{wildcards.row}/seed{wildcards.seed}/{file}"


def stretches_of(wildcards):
    """Stretches of the outputs that one job fuses or measures, as an argument."""
    return " ".join(BENCHMARK.stretches(wildcards.row))


def rule_of(wildcards):
    """Dialect and colour rule of a data set, as arguments."""
    how = BENCHMARK.measuring(wildcards.dataset)
    dialect = f"--dialect {how['dialect']} " if how["dialect"] else ""
    return f"{dialect}--colour {how['colour']}"


def colour_of(wildcards):
    """Colour rule of a data set."""
    return BENCHMARK.measuring(wildcards.dataset)["colour"]


def given_of(wildcards):
    """The given images behind a row, as arguments: a folder, or those that a set publishes."""
    name, dataset = Row.parse(wildcards.row).method, wildcards.dataset
    given = BENCHMARK.given(dataset)[name]
    if given is not None:
        return shlex.join(["--folder", given.folder, "--name", given.name])
    options = as_json(BENCHMARK.dataset_options(dataset))
    published = ["--adapter", BENCHMARK.adapter_name(dataset), "--published", name]
    return shlex.join([*published, "--options", options])


def kind_of(row):
    """Kind of the method behind a row; given images take part as baselines do."""
    return "baseline" if row.given else BENCHMARK.methods[row.method].kind


def scores_of(*kinds):
    """Per-image tables of all data sets, of the named kinds of method or of all.

    A job that measures a run leaves those of its stretches beside that of the run.
    """
    return [
        f"results/{dataset}/{row.name}/seed{seed}/scores.csv"
        for dataset in BENCHMARK.datasets
        for row in BENCHMARK.rows(dataset)
        if row.raw and (not kinds or kind_of(row) in kinds)
        for seed in BENCHMARK.seeds(row.name)
    ]


def learning_of():
    """Measures of what every training here learned."""
    return [str(job.record.with_name("held_out.csv")) for job in RESULTS.learning]


def features_of():
    """Feature maps of the data sets on which SegFANet is trained here."""
    return [str(job.record.with_suffix(".npz")) for job in RESULTS.features]


def plan(wildcards):
    """What the report is about; a function, because Snakemake looks for wildcards in texts."""
    return as_json(RESULTS.plan)
