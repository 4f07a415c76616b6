"""The jobs of a configuration, with the number of tiles or steps of each job."""

from dataclasses import dataclass

from harness.benchmark import Benchmark, Row
from harness.fetching.source import ExternalFile
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec, weight_entry, weight_source
from harness.scenes.adapters import files_to_fetch, layout_of
from harness.scenes.scene import SPLITS
from harness.tiles.cutting import Tiling, plan, tile_shape


@dataclass(frozen=True)
class Tiles:
    """Numbers of tiles of one data set, their (height, width) in pixels, number of classes."""

    train: int
    test: int
    shape: tuple[int, int]
    classes: int


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    stage: `prepare`, `train`, `fuse` or `measure`. row: the row in the tables of the data set,
    empty for `prepare`. amount: the number of steps of a training, otherwise of tiles. after:
    the names of the jobs that must end first.
    """

    stage: str
    dataset: str
    row: str
    seed: int | None
    amount: int
    after: tuple[str, ...]
    spec: MethodSpec | None = None

    @property
    def name(self) -> str:
        """Unique name of the job."""
        parts = (self.stage, self.dataset, self.row, "" if self.seed is None else f"{self.seed}")
        return ":".join(part for part in parts if part)

    @property
    def gpus(self) -> int:
        """Number of GPUs that the job occupies on a machine with GPUs."""
        if self.spec is None or self.spec.device == "cpu":
            return 0
        if self.stage == "train":
            return Recipe.of(self.spec.train).processes
        return int(self.stage == "fuse")


def tiles_of(benchmark: Benchmark, dataset: str) -> Tiles:
    """Count the tiles of a data set; its archives need not exist here.

    Raises:
        HarnessError: naming the wrong option or file.
    """
    layout = layout_of(benchmark.adapter(dataset), benchmark.dataset_options(dataset))
    tiling = Tiling(**benchmark.tiling(dataset))
    rows = plan(layout, tiling)
    train, test = (len(rows[split]) for split in SPLITS)
    return Tiles(train, test, tile_shape(layout.scenes, tiling), len(layout.classes))


def downloads_of(benchmark: Benchmark) -> dict[str, list[ExternalFile]]:
    """Return data set or method → the external files that it needs."""
    found = {name: files_to_fetch(benchmark.adapter(name)) for name in benchmark.datasets}
    for name, spec in benchmark.methods.items():
        if spec.kind != "ablation" and benchmark.weights_file(name) == "official":
            entry = None if benchmark.is_trained(name) else weight_entry(spec)
            found[name] = [weight_source(entry)] if entry else []
    return {name: files for name, files in found.items() if files}


def jobs_of(benchmark: Benchmark, tiles: dict[str, Tiles]) -> list[Job]:
    """List the jobs, without the report, in an order in which they can run."""
    jobs: list[Job] = []
    for dataset, counts in tiles.items():
        prepare = Job("prepare", dataset, "", None, counts.train + counts.test, ())
        jobs.append(prepare)
        jobs += _trainings(benchmark, dataset, counts, prepare)
        for name, seed in benchmark.runs(dataset):
            spec = benchmark.methods[Row.parse(name).method]
            before = [prepare.name]
            if benchmark.is_trained(spec.name):
                before.append(f"train:{dataset}:{spec.name}:{seed}")
            fuse = Job("fuse", dataset, name, seed, counts.test, tuple(before), spec)
            jobs += [fuse, Job("measure", dataset, name, seed, counts.test, (fuse.name,), spec)]
    return jobs


def _trainings(benchmark: Benchmark, dataset: str, counts: Tiles, prepare: Job) -> list[Job]:
    trained = {row.method for row in benchmark.rows(dataset) if benchmark.is_trained(row.method)}
    return [
        Job("train", dataset, name, seed, steps, (prepare.name,), spec)
        for name, spec in benchmark.methods.items()
        if name in trained
        for steps in [Recipe.of(spec.train).total_steps(counts.train)]
        for seed in benchmark.seeds(name)
    ]
