"""SegFANet benchmark: data → train → fuse → measure → report. See README.md."""

import atexit
import gc
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

# Python would look for unused objects several times before it exits: 0.3 s after a dry run.
atexit.register(gc.freeze)

sys.path.insert(0, workflow.basedir)
from harness.benchmark import Benchmark
from harness.disk.schema import read_yaml
from harness.errors import HarnessError

# A file given by --configfile replaces the default; it is not merged into it. The default lies
# beside this file, wherever --directory puts the results.
if "datasets" not in config:

    configfile: f"{workflow.basedir}/config/config.yaml"


try:
    for file in workflow.configfiles:
        # Snakemake keeps the last of two equal keys; this refuses them.
        read_yaml(Path(file))
    BENCHMARK = Benchmark(config)
except HarnessError as error:
    raise WorkflowError(str(error))


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/fuse.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"


onsuccess:
    # A training that did not learn leaves values, so that nothing fails; it is named here.
    text = Path("results/report/complete.txt")
    if text.is_file() and "did not learn" in text.read_text():
        logger.warning(text.read_text().rstrip())


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/report/index.html",
        "results/report/complete.txt",
