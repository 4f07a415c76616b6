"""The jobs of a configuration, with the number of tiles or steps of each job."""

from dataclasses import dataclass, replace
from math import prod

from harness.benchmark import Benchmark
from harness.fetching.source import ExternalFile
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec, weight_entry, weight_source
from harness.scenes.adapters import files_to_fetch, layout_of
from harness.scenes.scene import SPLITS
from harness.tiles.cutting import Tiling, plan, train_shape


@dataclass(frozen=True)
class Tiles:
    """Numbers of tiles of one data set, their sizes, number of classes.

    shape: (height, width) of a training tile, or of what a stage is measured with, pixels.
    largest: of the test tiles. test_pixels: of all test tiles together.
    """

    train: int
    test: int
    shape: tuple[int, int]
    classes: int
    largest: tuple[int, int]
    test_pixels: int

    def seen_by(self, stage: str) -> "Tiles":
        """Return the tiles with the shape that a stage is measured with: the largest it meets."""
        return replace(self, shape=self.largest) if stage in ("fuse", "measure") else self

    def pixels(self, stage: str) -> int:
        """Return the number of pixels that a stage works on; of a training, those of one epoch."""
        train = self.train * prod(self.shape)
        return {"prepare": train + self.test_pixels, "train": train}.get(stage, self.test_pixels)


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    stage: `prepare`, `train`, `fuse` or `measure`. row: the row in the tables of the data set
    whose stretches the job makes as well, empty for `prepare`. amount: the number of steps of a
    training, otherwise of tiles. stacks: the number of stretches. after: the names of the jobs
    that must end first.
    """

    stage: str
    dataset: str
    row: str
    seed: int | None
    amount: int
    after: tuple[str, ...]
    spec: MethodSpec | None = None
    stacks: int = 1

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
    shape = train_shape(layout.scenes, tiling)
    sizes = [row.size for row in rows["test"]]
    largest = max(sizes, key=prod, default=shape)
    return Tiles(train, test, shape, len(layout.classes), largest, sum(map(prod, sizes)))


def downloads_of(benchmark: Benchmark) -> dict[str, list[ExternalFile]]:
    """Return data set or method → the external files that it needs."""
    found = {name: files_to_fetch(benchmark.adapter(name)) for name in benchmark.datasets}
    for name, spec in benchmark.methods.items():
        rows = benchmark.method_rows(name)
        official = any(benchmark.weights(row.name) == "official" for row in rows)
        if spec.kind != "ablation" and official:
            entry = weight_entry(spec)
            found[name] = [weight_source(entry)] if entry else []
    return {name: files for name, files in found.items() if files}


def jobs_of(benchmark: Benchmark, tiles: dict[str, Tiles]) -> list[Job]:
    """List the jobs, without the report, in an order in which they can run."""
    jobs: list[Job] = []
    for dataset, counts in tiles.items():
        prepare = Job("prepare", dataset, "", None, counts.train + counts.test, ())
        rows = [row for row in benchmark.rows(dataset) if row.raw and not row.given]
        runs = [(row, seed) for row in rows for seed in benchmark.seeds(row.name)]
        trainings = {
            (row, seed): Job("train", dataset, row.name, seed, steps, (prepare.name,), spec)
            for row, seed in runs
            if benchmark.is_trained(row.name)
            for spec in [benchmark.methods[row.method]]
            for steps in [Recipe.of(spec.train).total_steps(counts.train)]
        }
        jobs += [prepare, *trainings.values()]
        for row, seed in runs:
            spec, stacks = benchmark.methods[row.method], len(benchmark.stretches(row.name))
            training = [trainings[row, seed].name] if (row, seed) in trainings else []
            after = (prepare.name, *training)
            fuse = Job("fuse", dataset, row.name, seed, counts.test, after, spec, stacks)
            jobs += [fuse, replace(fuse, stage="measure", after=(fuse.name,))]
    return jobs
