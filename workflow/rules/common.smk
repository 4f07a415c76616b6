# The jobs' python is the one that runs Snakemake, also where no environment is activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join(
    [workflow.basedir, *filter(None, [os.environ.get("PYTHONPATH")])]
)

THREADS = config.get("threads", 1)
DEVICE = config.get("device", "auto")
# `auto` asks for an accelerator only where there is one, so that other machines run jobs
# side by side; torch itself is too slow to import here.
HAS_GPU = Path("/dev/nvidiactl").exists()
GPUS = int(DEVICE.startswith("cuda") or (DEVICE == "auto" and HAS_GPU))


wildcard_constraints:
    dataset="|".join(BENCHMARK.datasets),
    row=r"[a-z0-9_]+(\+[a-z0-9_]+)?",
    seed=r"\d+",


def method_of(wildcards):
    """Name of the method behind a row."""
    return Row.parse(wildcards.row).method


def options_of(method):
    """Options of a method as JSON."""
    return as_json(BENCHMARK.methods[method].options)


def as_json(value):
    """One argument of a command line, in one stable spelling."""
    return json.dumps(dict(value), sort_keys=True)


def code_of(*modules):
    """Files of ours that a rule runs; editing one reruns the rule."""
    return relative(sorted({path for module in modules for path in stage_code(module)}))


def method_code(wildcards):
    """Files of ours that a method runs."""
    return relative(BENCHMARK.method_code(method_of(wildcards)))


def results_of(dataset, file, kinds=None):
    """One file of every run of a data set, or of the runs of some kinds of method."""
    return [
        f"results/{dataset}/{row}/seed{seed}/{file}"
        for row, seed in BENCHMARK.runs(dataset)
        if kinds is None or BENCHMARK.methods[Row.parse(row).method].kind in kinds
    ]


def scores_of(*kinds):
    """Per-image tables of all data sets, of the named kinds of method or of all."""
    return [
        path
        for dataset in BENCHMARK.datasets
        for path in results_of(dataset, "scores.csv", kinds or None)
    ]
