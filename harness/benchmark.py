"""The configured benchmark: which rows of which tables are made, from which jobs.

Reads YAML only (no torch), because the workflow builds it at every parse.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.configuration import Configuration, DatasetSection, OverrideSection
from harness.disk.schema import check
from harness.errors import HarnessError, suggest
from harness.methods.recipe import Recipe
from harness.methods.spec import MethodSpec, discover
from harness.pixels import STRETCHES
from harness.scenes.adapters import Adapter, find_adapter
from harness.tiles.cutting import Tiling, check_examples
from metrics.registry import METRICS

STRETCH_MARK = "+"
"""Joins a method and an output stretch into the name of a row, as in `average+minmax`."""


@dataclass(frozen=True)
class Row:
    """One row of a data set's tables: a method, with the stretch of its output."""

    method: str
    stretch: str = "none"

    @property
    def raw(self) -> bool:
        """Whether the method's output is measured as it is."""
        return self.stretch == "none"

    @property
    def name(self) -> str:
        """Name in paths and tables' data."""
        return self.method if self.raw else f"{self.method}{STRETCH_MARK}{self.stretch}"

    @staticmethod
    def parse(name: str) -> "Row":
        """Inverse of `name`."""
        method, _, stretch = name.partition(STRETCH_MARK)
        return Row(method, stretch or "none")


class Benchmark:
    """A checked configuration together with the methods found.

    Args:
        config: as `config/README.md` explains it.

    Raises:
        HarnessError: for anything that cannot work, before any work starts.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config: Configuration = check(Configuration, config, "the configuration")
        self.include = [Path(folder) for folder in self.config.include]
        self.found = discover(self.include)
        self._check_names()
        self._check_overrides()
        for name in self.methods:
            self._check_method(name)
        for name in self.datasets:
            self._check_dataset(name)

    @property
    def datasets(self) -> dict[str, DatasetSection]:
        """The configured data sets by name."""
        return self.config.datasets

    @cached_property
    def methods(self) -> dict[str, MethodSpec]:
        """The methods that take part, options of the configuration applied."""
        chosen = self.config.methods
        return {
            name: self._configured(spec)
            for name, spec in self.found.items()
            if chosen is None or name in chosen or spec.folder.name in chosen
        }

    def _overrides(self, spec: MethodSpec) -> list[OverrideSection]:
        """Return the overrides of a method: its folder's, then those of the variant alone."""
        names = dict.fromkeys((spec.folder.name, spec.name))
        return [self.config.overrides[name] for name in names if name in self.config.overrides]

    def _configured(self, spec: MethodSpec) -> MethodSpec:
        overrides = self._overrides(spec)
        options = _merged(spec.options, *(section.options for section in overrides))
        recipes = self.config.train, *(section.train for section in overrides)
        train = None if spec.train is None else _merged(spec.train, *recipes)
        return replace(spec, options=options, train=train)

    def _check_names(self) -> None:
        config = self.config
        _check_known("methods", "method", config.methods or (), self.found)
        _check_known("stretched", "method", config.stretched, self.found)
        _check_known("overrides", "method", config.overrides, self.found)
        _check_known("metrics", "metric", config.metrics, METRICS)
        stretches = [name for name in STRETCHES if name != "none"]
        for method, chosen in config.stretched.items():
            _check_known(f"stretched: {method}", "stretch", chosen, stretches)

        for folder in config.mirror:
            if not Path(folder).is_dir():
                raise HarnessError(
                    f"config: mirror: the folder {folder} does not exist; make it, or leave it out"
                )

    def _check_overrides(self) -> None:
        for name, section in self.config.overrides.items():
            place, spec = f"overrides: {name}", self.found[name]
            _check_known(f"{place}: options", "option", section.options, spec.options)
            picked = section.options.get("weights")
            if picked is not None and spec.weights:
                _check_known(f"{place}: options: weights", "weights", [picked], spec.weights)
            weights = section.weights
            modes = ("official", "train")
            if weights and weights not in modes and not Path(weights).is_file():
                raise HarnessError(
                    f"config: {place}: weights: found {weights!r}, expected official, train or "
                    f"an existing file; {suggest(weights, modes)}"
                )

    def _check_method(self, name: str) -> None:
        try:
            Recipe.of(self.methods[name].train)
        except HarnessError as error:
            raise HarnessError(f"config: {name}: {error}") from error

    def _check_dataset(self, name: str) -> None:
        try:
            adapter, options = self.adapter(name), self.dataset_options(name)
            adapter.check_options(options)
            layout, examples = getattr(adapter, "layout", None), self.datasets[name].examples
            if examples and layout is not None:
                check_examples(layout(options), Tiling(**self.tiling(name)), examples)
        except HarnessError as error:
            raise HarnessError(f"config: datasets: {name}: {error}") from error

    @property
    def metrics(self) -> list[str]:
        """Columns of the tables."""
        return list(self.config.metrics)

    def adapter_name(self, dataset: str) -> str:
        """Return the name of a data set's adapter: its own name unless configured."""
        return self.datasets[dataset].adapter or dataset

    def adapter(self, dataset: str) -> Adapter:
        """Return the adapter of a data set."""
        return find_adapter(self.adapter_name(dataset), self.include)

    def dataset_options(self, name: str) -> dict[str, Any]:
        """Return the options of a data set's adapter, with `pairs` and `{tiles_root}` filled in."""
        section = self.datasets[name]
        options = dict(section.options)
        if section.pairs is not None:
            options["pairs"] = list(section.pairs)
        if isinstance(options.get("root"), str):
            options["root"] = options["root"].replace("{tiles_root}", self.config.tiles_root)
        return options

    def tiling(self, name: str) -> dict[str, int]:
        """Return tile side and stride of a data set, pixels."""
        return self.datasets[name].tiling.model_dump()

    def rows(self, dataset: str) -> list[Row]:
        """Return the rows of a data set: every method, its stretches, ablations where asked."""
        ablations = self.datasets[dataset].ablations
        return [
            Row(name, stretch)
            for name, spec in self.methods.items()
            if ablations or spec.kind != "ablation"
            for stretch in ("none", *self.config.stretched.get(name, ()))
        ]

    def is_trained(self, method: str) -> bool:
        """Return whether the method is trained here (else it has weights or needs none)."""
        spec, mode = self.methods[method], self.weights_mode(method)
        wanted = mode == "train" or (mode == "official" and spec.weights is None)
        return spec.train is not None and wanted

    def weights_mode(self, method: str) -> str:
        """Return `official`, `train` or the path of a user's weight file."""
        overrides = self._overrides(self.methods[method])
        modes = [section.weights for section in overrides if section.weights]
        return modes[-1] if modes else self.config.weights

    def weights_file(self, method: str) -> str:
        """Return what the fuse stage loads where there is no checkpoint."""
        mode = self.weights_mode(method)
        return "official" if mode == "train" else mode

    def seeds(self, method: str) -> list[int]:
        """Return the seeds of a method; one that is not trained runs once."""
        seeds = list(self.config.seeds)
        return seeds if self.is_trained(method) else seeds[:1]

    def runs(self, dataset: str) -> list[tuple[str, int]]:
        """Return all (row name, seed) of a data set: the unit of work."""
        return [(row.name, seed) for row in self.rows(dataset) for seed in self.seeds(row.method)]


def _merged(*sections: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for section in sections for key, value in section.items()}


def _check_known(place: str, what: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise HarnessError(f"config: {place}: no {what} {name!r}; {suggest(name, known)}")
