"""The configured benchmark: which rows of which tables are made, from which jobs.

Reads YAML only (no torch), because the workflow builds it at every parse.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from harness.configuration import (
    EVERY,
    Configuration,
    DatasetSection,
    FusedSection,
    Mode,
    OverrideSection,
)
from harness.disk.schema import check
from harness.errors import HarnessError, suggest
from harness.methods.recipe import Recipe
from harness.methods.rows import GIVEN, Row
from harness.methods.spec import MethodSpec, discover, published_rule
from harness.pixels import PUBLISHED, STRETCHES
from harness.scenes.adapters import Adapter, find_adapter
from harness.tiles.cutting import Tiling, check_examples
from metrics.colour import colour_rule
from metrics.dialects import lookup
from metrics.errors import MetricError
from metrics.registry import METRICS

MODES = get_args(Mode)
NAMED = "name"
"""A variant that is asked by it takes part only where `methods` names it."""


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
            if name in (chosen or ())
            or (spec.asked_by != NAMED and (chosen is None or spec.folder.name in chosen))
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
        stretches = [PUBLISHED, *(name for name in STRETCHES if name != "none")]
        for method, chosen in config.stretched.items():
            _check_known(f"stretched: {method}", "stretch", chosen, stretches)
            if PUBLISHED in chosen:
                published_rule(self.found[method])

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
            for position, weights in enumerate(section.weights):
                if weights in MODES or (position == 0 and Path(weights).is_file()):
                    continue
                if position and Path(weights).is_file():
                    raise HarnessError(
                        f"config: {place}: weights: the file {weights!r} cannot follow another "
                        f"item, as rows are named by the words {', '.join(MODES)}; put it first"
                    )
                raise HarnessError(
                    f"config: {place}: weights: found {weights!r}, expected {', '.join(MODES)} or "
                    f"an existing file; {suggest(weights, MODES)}"
                )

    def _check_method(self, name: str) -> None:
        spec = self.methods[name]
        try:
            Recipe.of(spec.train)
            if "demonstration" in self._modes(name) and not spec.demonstration.is_file():
                raise HarnessError(
                    "weights: found demonstration, but this project trained no such weights for "
                    f"it; set `overrides: {{{name}: {{weights: official}}}}`"
                )
        except HarnessError as error:
            raise HarnessError(f"config: {name}: {error}") from error

    def _check_dataset(self, name: str) -> None:
        try:
            self._check_measuring(name)
            adapter, options = self.adapter(name), self.dataset_options(name)
            adapter.check_options(options)
            layout, examples = getattr(adapter, "layout", None), self.datasets[name].examples
            if examples and layout is not None:
                check_examples(layout(options), Tiling(**self.tiling(name)), examples)
        except HarnessError as error:
            raise HarnessError(f"config: datasets: {name}: {error}") from error

    def _check_measuring(self, name: str) -> None:
        section = self.datasets[name]
        for metric in section.metrics or ():
            if metric not in METRICS:
                raise HarnessError(f"metrics: no metric {metric!r}; {suggest(metric, METRICS)}")
        try:
            lookup(self.metrics(name), section.dialect)
        except MetricError as error:
            raise HarnessError(f"dialect: {error}") from error
        for row, given in self.given(name).items():
            if given is None:
                continue
            if not Path(given.folder).is_dir():
                raise HarnessError(
                    f"fused: {row}: the folder {given.folder} does not exist; correct it, or leave "
                    "the row out"
                )
            if "{name}" not in given.name:
                raise HarnessError(
                    f"fused: {row}: name: found {given.name!r}, expected a text with {{name}}"
                )

    def metrics(self, dataset: str) -> list[str]:
        """Return the columns of the tables of a data set."""
        return list(self.datasets[dataset].metrics or self.config.metrics)

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

    def tiling(self, name: str) -> dict[str, Any]:
        """Return tile side and stride of a data set, pixels, and whether test images are whole."""
        section = self.datasets[name]
        by_default = "tiling" not in section.model_fields_set
        if section.tiling is None or (by_default and getattr(self.adapter(name), "WHOLE", False)):
            return asdict(Tiling(whole=True))
        return asdict(Tiling(**section.tiling.model_dump()))

    def rows(self, dataset: str) -> list[Row]:
        """Return the rows of a data set: of each method its runs, each with its stretches."""
        return [
            row.stretched(stretch)
            for name, spec in self.methods.items()
            if spec.asked_by in ("", NAMED) or getattr(self.datasets[dataset], spec.asked_by)
            for row in self.method_rows(name)
            for stretch in self.stretches(name)
        ] + [Row(name, GIVEN) for name in self.given(dataset)]

    def given(self, dataset: str) -> dict[str, FusedSection | None]:
        """Return name → folder of fused images; None for those that the data set publishes.

        Raises:
            HarnessError: naming the images that the data set does not publish.
        """
        found: dict[str, FusedSection | None] = {}
        for name, section in self.datasets[dataset].fused.items():
            if section is not None:
                found[name] = section
                continue
            published = getattr(self.adapter(dataset), "fused", {})
            if not published:
                raise HarnessError(
                    f"fused: {name}: {self.adapter_name(dataset)} publishes no fused images; give "
                    "the folder that holds them"
                )
            if name not in (EVERY, *published):
                words = suggest(name, [EVERY, *published])
                raise HarnessError(f"fused: no published images {name!r}; {words}")
            found |= dict.fromkeys(published if name == EVERY else [name])
        return found

    def method_rows(self, method: str) -> list[Row]:
        """Return one row per mode of a method's weights; the first one is unmarked."""
        return [Row(method), *(Row(method, mode) for mode in self._modes(method)[1:])]

    def stretches(self, row: str) -> list[str]:
        """Return the stretches of a row's outputs, all made by one job; `none` is the first."""
        parsed = Row.parse(row)
        return ["none", *(() if parsed.given else self.config.stretched.get(parsed.method, ()))]

    def measuring(self, dataset: str) -> dict[str, Any]:
        """Return how a data set is measured: its dialect, None for ours, and its colour rule."""
        section = self.datasets[dataset]
        return {
            "dialect": section.dialect,
            "colour": section.colour or colour_rule(section.dialect),
        }

    def _modes(self, method: str) -> list[str]:
        """Return the modes of a method's weights that it has; `official` if it needs none."""
        spec = self.methods[method]
        wanted = [section.weights for section in self._overrides(spec) if section.weights]
        instead = {}
        if spec.train is None:
            instead["train"] = "official"
        elif spec.weights is None:
            instead["official"] = "train"
        if spec.weights is None and not spec.demonstration.is_file():
            instead["demonstration"] = "train" if spec.train else "official"
        modes = wanted[-1] if wanted else self.config.weights
        return list(dict.fromkeys(instead.get(mode, mode) for mode in modes))

    def weights(self, row: str) -> str:
        """Return where a row's weights come from: one of `MODES`, or a user's file."""
        parsed = Row.parse(row)
        return parsed.weights or self._modes(parsed.method)[0]

    def is_trained(self, row: str) -> bool:
        """Return whether the row's method is trained here (else it has weights or needs none)."""
        return self.weights(row) == "train"

    def weights_file(self, row: str) -> str:
        """Return what the fuse stage loads where there is no checkpoint."""
        return "official" if self.is_trained(row) else self.weights(row)

    def seeds(self, row: str) -> list[int]:
        """Return the seeds of a row; one that is not trained runs once."""
        seeds = list(self.config.seeds)
        return seeds if self.is_trained(row) else seeds[:1]

    def runs(self, dataset: str) -> list[tuple[str, int]]:
        """Return all (row name, seed) of a data set."""
        return [(row.name, seed) for row in self.rows(dataset) for seed in self.seeds(row.name)]


def _merged(*sections: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for section in sections for key, value in section.items()}


def _check_known(place: str, what: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise HarnessError(f"config: {place}: no {what} {name!r}; {suggest(name, known)}")
