"""The configured benchmark: which rows of which tables are made, from which jobs.

Reads YAML only (no torch), because the workflow builds it at every parse.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.disk.schema import check_schema
from harness.errors import HarnessError
from harness.methods.spec import MethodSpec, discover
from harness.scenes.adapters import adapter_file, find_adapter
from harness.workflow import module_name, source_files
from metrics.registry import METRICS, PAPER

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
        check_schema(config, "config", "the configuration")
        self.config = dict(config)
        self.found = discover()
        self._check_methods()
        self._check_metrics()
        self._check_mirrors()
        for name in self.datasets:
            self._check_dataset(name)

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """The configured data sets by name."""
        return dict(self.config["datasets"])

    @cached_property
    def methods(self) -> dict[str, MethodSpec]:
        """The methods that take part, options of the configuration applied."""
        chosen = self.config.get("methods")
        return {
            name: self._configured(spec)
            for name, spec in self.found.items()
            if chosen is None or name in chosen or spec.folder.name in chosen
        }

    def _configured(self, spec: MethodSpec) -> MethodSpec:
        override = self.config.get("overrides", {}).get(spec.folder.name, {})
        recipe = None
        if spec.train is not None:
            recipe = {**spec.train, **self.config.get("train", {}), **override.get("train", {})}
        return replace(spec, options={**spec.options, **override.get("options", {})}, train=recipe)

    def _check_methods(self) -> None:
        mentioned = {
            "methods": self.config.get("methods") or [],
            "stretched": self.config.get("stretched", {}),
            "overrides": self.config.get("overrides", {}),
        }
        for key, names in mentioned.items():
            for name in names:
                if name not in self.found:
                    known = ", ".join(self.found)
                    raise HarnessError(f"config: {key}: no method {name!r}; found: {known}")

    def _check_metrics(self) -> None:
        for name in self.metrics:
            if name not in METRICS:
                raise HarnessError(
                    f"config: metrics: no metric {name!r}; known: {', '.join(METRICS)}"
                )

    @property
    def metrics(self) -> list[str]:
        """Columns of the tables; those of the paper unless configured."""
        return list(self.config.get("metrics", PAPER))

    @property
    def mirrors(self) -> list[str]:
        """Folders searched for archives and weights before any download."""
        mirror = self.config.get("mirror", [])
        return [mirror] if isinstance(mirror, str) else list(mirror)

    def _check_mirrors(self) -> None:
        for folder in self.mirrors:
            if not Path(folder).is_dir():
                raise HarnessError(
                    f"config: mirror: the folder {folder} does not exist; make it, or leave it out"
                )

    def _check_dataset(self, name: str) -> None:
        try:
            adapter = find_adapter(self.datasets[name]["adapter"])
            adapter.check_options(self.dataset_options(name))
        except HarnessError as error:
            raise HarnessError(f"config: datasets: {name}: {error}") from error

    def dataset_options(self, name: str) -> dict[str, Any]:
        """Options of a data set's adapter, `{tiles_root}` filled in."""
        options = dict(self.datasets[name].get("options", {}))
        if isinstance(options.get("root"), str):
            root = str(self.config.get("tiles_root", ""))
            options["root"] = options["root"].replace("{tiles_root}", root)
        return options

    def tiling(self, name: str) -> dict[str, int]:
        """Tile side and stride of a data set, pixels."""
        return {"size": 320, "stride": 320, **self.datasets[name].get("tiling", {})}

    def rows(self, dataset: str) -> list[Row]:
        """Rows of a data set: every method, its stretches, and the ablations where asked."""
        rows = []
        for name, spec in self.methods.items():
            if spec.kind == "ablation" and not self.datasets[dataset].get("ablations", False):
                continue
            stretches = ["none", *self.config.get("stretched", {}).get(name, [])]
            rows += [Row(name, stretch) for stretch in stretches]
        return rows

    def is_trained(self, method: str) -> bool:
        """Whether the method is trained here (else it has official weights or needs none)."""
        spec, mode = self.methods[method], self.weights_mode(method)
        if spec.train is None:
            return False
        return mode == "train" or (mode == "official" and spec.weights is None)

    def weights_mode(self, method: str) -> str:
        """`official`, `train` or a user's weight file."""
        override = self.config.get("overrides", {}).get(self.methods[method].folder.name, {})
        return str(override.get("weights", self.config.get("weights", "official")))

    def weights_file(self, method: str) -> str:
        """What the fuse stage is told to load where there is no checkpoint."""
        mode = self.weights_mode(method)
        return "official" if mode == "train" else mode

    def seeds(self, method: str) -> list[int]:
        """Seeds a method runs with; one that is not trained runs once."""
        seeds: list[int] = self.config.get("seeds", [0])
        return seeds if self.is_trained(method) else seeds[:1]

    def runs(self, dataset: str) -> list[tuple[str, int]]:
        """All (row name, seed) of a data set: the unit of work."""
        return [(row.name, seed) for row in self.rows(dataset) for seed in self.seeds(row.method)]

    def method_code(self, method: str) -> list[Path]:
        """Files of the method's folder, and those of ours that they import."""
        files = self.found[method].code_files()
        modules = [module_name(path) for path in files if path.suffix == ".py"]
        return sorted({*files, *source_files(modules)})

    def adapter_code(self, dataset: str) -> list[Path]:
        """Files that decide what an adapter's tiles look like."""
        name = self.datasets[dataset]["adapter"]
        data_files = getattr(find_adapter(name), "DATA_FILES", ())
        return sorted({*source_files([module_name(adapter_file(name))]), *data_files})
