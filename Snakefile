"""SegFANet benchmark: data → train → fuse → measure → report. See README.md."""

import shlex
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

sys.path.insert(0, workflow.basedir)
from harness.benchmark import Benchmark, Row
from harness.errors import HarnessError
from harness.workflow import (
    as_json,
    code_of,
    export_environment,
    files_in,
    gpus,
    relative,
)
from reports.outline import outline_of

# A file given by --configfile replaces the default; it is not merged into it.
if "datasets" not in config:

    configfile: "config/config.yaml"


try:
    BENCHMARK = Benchmark(config)
except HarnessError as error:
    raise WorkflowError(str(error))


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/fuse.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    data,
    baselines,
    ablation,


rule all:
    default_target: True
    input:
        "results/report/index.html",
        "results/report/complete.txt",


rule data:
    input:
        expand("results/{dataset}/tiles/prepare.json", dataset=BENCHMARK.datasets),


rule baselines:
    input:
        scores_of("baseline", "control"),


rule ablation:
    input:
        scores_of("proposed", "ablation"),
