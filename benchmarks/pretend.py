"""Give every result of a configuration the record of a finished job, without running any.

    python -m benchmarks.pretend CONFIGFILE

Works in the current folder. The records state no artefacts; the files that Snakemake expects
have to exist. It is for measuring what a run costs in which there is nothing to do.
"""

import json
import sys
from pathlib import Path

from harness.benchmark import Benchmark
from harness.disk.inventory import Inventory
from harness.disk.records import Asked, Claim, Record
from harness.disk.schema import read_yaml
from harness.scenes.adapters import source_places
from harness.tiles.store import INVENTORY
from harness.workflow import Job, Results
from reports.plan import plan_of


def main() -> None:
    """Write the records, inputs before what is made from them."""
    benchmark = Benchmark(read_yaml(Path(sys.argv[1])))
    results = Results(benchmark, plan_of(benchmark))
    audits = [Job("audit", dataset) for dataset in benchmark.datasets]
    parts = [Job("examples"), *results.features, *audits]
    ends = [Job(stage) for stage in ("tables", "report", "complete")]
    for job in [*results.jobs(), *results.learning, *parts, *ends]:
        asked = Asked(**json.loads(results.asked(job)))
        sources = None
        if job.stage == "prepare":
            places = source_places(benchmark.dataset_options(job.dataset))
            sources = Inventory(places, job.record.with_name(INVENTORY)).content
        claim = Claim(job.record, asked, lambda job=job: results.request(job), sources)
        Record(job.stage, {}, claim=claim).write(job.record, [])


if __name__ == "__main__":
    main()
