"""Discovery of fusion methods by folder, and what `method.yaml` says about each.

A method is `segfanet/` or a folder of `baselines/`; nothing else lists them. This module
reads YAML only, so that the workflow parses without loading torch.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.disk.schema import ROOT, check_schema, read_yaml
from harness.errors import HarnessError, blamed, suggest


@dataclass(frozen=True)
class MethodSpec:
    """A method as its folder declares it; `docs/add-a-baseline.md` explains the fields."""

    name: str
    title: str
    folder: Path
    kind: str = "baseline"
    entry: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    clamp: bool = False
    batch: int = 8
    device: str = "any"
    train: Mapping[str, Any] | None = None
    weights: Mapping[str, Any] | None = None
    command: tuple[str, ...] = ()
    conda: str = ""
    year: int | None = None
    doi: str = ""
    bibtex: str = ""
    licence: str = ""
    notes: str = ""

    @property
    def package(self) -> str:
        """Dotted name of the folder, as `import` wants it."""
        return ".".join(self.folder.relative_to(ROOT).parts)

    @property
    def needs_labels(self) -> bool:
        """Whether it trains on labels; its class then takes their number as `classes`."""
        return bool(self.train and self.train.get("labels"))

    @property
    def weight_files(self) -> dict[str, Mapping[str, Any]]:
        """The authors' files by name; a single one has the name `official`."""
        if not self.weights:
            return {}
        return {"official": self.weights} if "file" in self.weights else dict(self.weights)

    def device_for(self, wanted: str) -> str:
        """The device to use where `wanted` is configured: `cpu` if no other is of use."""
        return "cpu" if self.device == "cpu" else wanted

    def code_files(self) -> list[Path]:
        """Every file of the folder that can change the method's output, sorted."""
        kinds = ("*.py", "*.yaml")
        found = {path for kind in kinds for path in self.folder.rglob(kind)}
        if self.command:
            found.update(path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path for path in found if "__pycache__" not in path.parts)

    def load(self, **overrides: Any) -> Any:
        """Import the entry class and construct it with the options and `overrides`."""
        module_name, class_name = self.entry.split(":")
        module = importlib.import_module(f"{self.package}.{module_name}")
        options = {**self.options, **overrides}
        # It names one of several weight files and is no business of the class.
        options.pop("weights", None)
        return getattr(module, class_name)(**options)

    def load_for(self, classes: int) -> Any:
        """Construct the method for a data set of so many classes.

        Raises:
            MethodFailure: if the folder's code raises.
        """
        with blamed("cannot be loaded"):
            return self.load(**({"classes": classes} if self.needs_labels else {}))


def method_folders(root: Path = ROOT) -> list[Path]:
    """Return the folders under `root` that hold a `method.yaml`, SegFANet's first."""
    return [path.parent for path in (root / "segfanet" / "method.yaml",) if path.is_file()] + [
        path.parent for path in sorted((root / "baselines").glob("*/method.yaml"))
    ]


def discover() -> dict[str, MethodSpec]:
    """Read every method folder; variants of a method follow it under their own names.

    Raises:
        HarnessError: for a `method.yaml` that breaks its schema or a name used twice.
    """
    found: dict[str, MethodSpec] = {}
    for folder in method_folders():
        for spec in read_method(folder):
            if spec.name in found:
                other = found[spec.name].folder
                raise HarnessError(f"{folder}: the name {spec.name!r} is taken by {other}; rename")
            found[spec.name] = spec
    return found


def find_method(name: str, options: dict[str, Any]) -> MethodSpec:
    """Return the method called `name` with `options` over its own.

    Raises:
        HarnessError: listing the known names, if there is no such method.
    """
    methods = discover()
    if name not in methods:
        raise HarnessError(f"no method {name!r}: {suggest(name, methods)}")
    spec = methods[name]
    return replace(spec, options={**spec.options, **options})


def read_method(folder: Path) -> Iterator[MethodSpec]:
    """Read one folder: the method itself, then its variants as further specs.

    Raises:
        HarnessError: if the schema is broken or the name is not the folder's.
    """
    path = folder / "method.yaml"
    raw = read_yaml(path)
    check_schema(raw, "method", str(path))
    if raw["name"] != folder.name:
        raise HarnessError(f"{path}: name is {raw['name']!r}, but the folder is {folder.name!r}")
    variants_file = raw.pop("variants", None)
    spec = MethodSpec(folder=folder, **{**raw, "command": tuple(raw.get("command", ()))})
    variants = read_variants(folder / variants_file) if variants_file else {}
    yield _with_options(spec, variants.pop(spec.name, {}))
    for name, variant in variants.items():
        yield replace(_with_options(spec, variant), name=name, kind="ablation")


def read_variants(path: Path) -> dict[str, dict[str, Any]]:
    """Read a variants file: name → {title, options}."""
    variants = read_yaml(path)
    check_schema(variants, "variants", str(path))
    return dict(variants)


def _with_options(spec: MethodSpec, variant: Mapping[str, Any]) -> MethodSpec:
    options = {**spec.options, **variant.get("options", {})}
    return replace(spec, title=variant.get("title", spec.title), options=options)
