"""Discovery of fusion methods by folder, and what `method.yaml` says about each.

A method is `segfanet/`, a folder of `baselines/`, or a child of an outside folder; nothing else
lists them. This module reads YAML only, so that the workflow parses without loading torch.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from harness.disk.code import files_of_folder
from harness.disk.plugins import children, load_package
from harness.disk.schema import (
    ROOT,
    STRICT,
    Items,
    Matching,
    Model,
    Name,
    Section,
    Text,
    check,
    read_yaml,
)
from harness.errors import HarnessError, as_method_failure, suggest
from harness.fetching.checksums import contradiction
from harness.fetching.source import ExternalFile
from harness.methods.recipe import MethodRecipe, RecipeKeys
from harness.methods.weight_file import FileName, WeightEntry, by_name

Entry = Annotated[
    str, Matching("([A-Za-z_][A-Za-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*)?", "`module:Class`")
]


DEMONSTRATION = "demonstration"
"""Subfolder of weights that show how a method works."""


class Published(Model):
    """What the authors do with the output before they save it as an 8-bit image."""

    luma: Literal["rounded", "exact"] = Field(
        "rounded", description="luma of a visible image in colour: rounded to 8 bits or not"
    )
    stretch: Literal["none", "minmax", "max"] = Field(
        "none", description="`minmax`: (x − min) / (max − min); `max`: x / max; `none`: clamp"
    )
    over: Literal["luma", "rgb"] = Field(
        "luma",
        description="what is stretched and saved: the fused luma, or the clamped image with the "
        "colours of the visible one",
    )
    batch: int = Field(1, ge=1, description="successive images that share minimum and maximum")
    quantise: Literal["truncate", "round"] = Field(
        "truncate", description="from [0, 255] to 8 bits: truncation, or rounding with .5 up"
    )


class Variant(Model):
    """A named setting of a method."""

    title: Text = Field(description="the name as tables print it")
    options: dict[str, Any] = Field(description="options that differ from the method's")
    asked_by: Literal["ablations", "literal", "name"] = Field(
        "ablations",
        description="key of the data sets on which it runs; `name`: all, where `methods` names it",
    )
    train: Annotated[dict[str, Any], Section(RecipeKeys)] = Field({}, description="for the recipe")


VariantsFile = dict[Name, Variant]
"""Named settings of one method. The entry with the method's own name is the method."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MethodFile:
    """What a `method.yaml` may say. The folder's name is the method's name."""

    name: Name = Field(description="the folder's name; it becomes part of paths")
    title: Text = Field(description="the name as tables print it")
    kind: Literal["baseline", "control", "proposed", "ablation"] = Field(
        "baseline",
        description="`baseline`, `control` (below a rule in every table) or `proposed`",
        json_schema_extra={"enum": ["baseline", "control", "proposed"]},
    )
    year: int | None = Field(None, description="year of publication")
    doi: str = Field("", description="DOI of the publication")
    bibtex: str = Field("", description="BibTeX entry of the publication")
    licence: str = Field("", description="licence of the authors' code")
    notes: str = Field("", description="footnote of the tables: what a reader has to know")
    parity: str = Field(
        "", description="how close the output comes to which numbers and images of the authors"
    )
    entry: Entry = Field(
        "", description="`module:Class` inside the folder; the class has fuse(infrared, visible)"
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="every keyword argument of the class with its default, but `classes`; "
        "`weights` picks one of several weight files instead",
    )
    clamp: bool = Field(
        False, description="clamp the output to [0, 1], for methods whose output can leave it"
    )
    batch: int = Field(8, ge=1, description="tiles per call of fuse")
    size_multiple: int = Field(
        1,
        ge=1,
        description="height and width that fuse takes are multiples of it; the harness extends "
        "other images by reflection at the right and the bottom, and crops the result",
    )
    largest: int | None = Field(
        None,
        ge=64,
        description="largest height and width that fuse takes; larger images are fused in "
        "overlapping parts if `overlap` is stated, and are refused otherwise",
    )
    overlap: int | None = Field(
        None,
        ge=0,
        description="pixels around a pixel that decide its fused value, if distant ones do not: an "
        "image that is too large for the memory is then fused in parts that overlap by as much",
    )
    published: Published | None = Field(
        None,
        description="how the authors save their images, for `fuse --as-published`; the class may "
        "have publish(infrared, visible, rgb) where these keys do not suffice",
    )
    device: Literal["any", "cpu"] = Field(
        "any", description="`cpu` if an accelerator is of no use to the method"
    )
    variants: FileName | None = Field(
        None, description="YAML file in the folder: name → `title` and `options` that differ"
    )
    weights: Annotated[
        dict[Name, WeightEntry] | None,
        BeforeValidator(
            by_name, json_schema_input_type=WeightEntry | dict[Name, WeightEntry] | None
        ),
    ] = Field(
        None,
        description="the authors' weights, used untouched: one file, or several by name, of which "
        "the option `weights` picks one (without that option the first)",
    )
    train: Annotated[dict[str, Any], Section(MethodRecipe)] | None = Field(
        None, description="recipe of a training here; the class has training_loss(batch)"
    )
    command: Items[str] = Field(
        (),
        description="program and arguments of a method in another language, run in its folder; "
        "{infrared}, {visible}, {output} (folders of PNG files) and {device} are replaced",
    )
    conda: str = Field("", description="conda environment that the command runs in")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MethodSpec(MethodFile):
    """A method as its folder declares it, or a variant of it (`kind` is `ablation`).

    asked_by: as in `Variant`; empty for a method, which always runs.
    """

    folder: Path
    asked_by: str = ""

    @property
    def package(self) -> str:
        """Dotted name of the folder, as `import` takes it."""
        if self.folder in (ROOT / "segfanet", ROOT / "baselines" / self.folder.name):
            return ".".join(self.folder.relative_to(ROOT).parts)
        return load_package(self.folder)

    @property
    def demonstration(self) -> Path:
        """File of the weights that this project trained on the demonstration's tiles."""
        return self.folder / DEMONSTRATION / "weights.safetensors"

    @property
    def needs_labels(self) -> bool:
        """Whether it trains on labels; its class then takes their number as `classes`."""
        return bool(self.train and self.train.get("labels"))

    @property
    def weight_files(self) -> dict[str, dict[str, Any]]:
        """The authors' files by name; a single one has the name `official`."""
        return dict(self.weights or {})

    def weight_folder(self, entry: Mapping[str, Any]) -> Path:
        """The folder of a weight file below the cache: different files may have one name."""
        folder = Path("weights", self.name)
        same = [name for name, item in self.weight_files.items() if item["file"] == entry["file"]]
        if len(same) < 2:
            return folder
        return folder / next(name for name in same if self.weight_files[name] == entry)

    def device_for(self, wanted: str) -> str:
        """The device to use where `wanted` is configured: `cpu` if no other is of use."""
        return "cpu" if self.device == "cpu" else wanted

    def code_files(self) -> list[Path]:
        """Every file of the folder that can change the method's output, sorted."""
        # Weights are compared by content where they are used.
        return files_of_folder(self.folder, without=(DEMONSTRATION,))

    def load(self, **overrides: Any) -> Any:
        """Import the entry class and construct it with the options and `overrides`."""
        module_name, class_name = self.entry.split(":")
        module = importlib.import_module(f"{self.package}.{module_name}")
        options = {**self.options, **overrides}
        # It names one of several weight files, which the class need not know.
        options.pop("weights", None)
        return getattr(module, class_name)(**options)

    def load_for(self, classes: int) -> Any:
        """Construct the method for a data set of `classes` classes.

        Raises:
            MethodFailure: if the folder's code raises.
        """
        with as_method_failure("cannot be loaded"):
            return self.load(**({"classes": classes} if self.needs_labels else {}))


def weight_entry(spec: MethodSpec) -> Mapping[str, Any] | None:
    """Return the authors' file that the option `weights` chooses, or else the first.

    Raises:
        HarnessError: listing the valid names, if the option is not one of them.
    """
    entries = spec.weight_files
    if not entries:
        return None
    name = spec.options.get("weights", next(iter(entries)))
    if name not in entries:
        raise HarnessError(f"{spec.name}: no weights {name!r}; there are: {', '.join(entries)}")
    return entries[name]


def published_rule(spec: MethodSpec) -> Published:
    """Return how the authors of a method save their images.

    Raises:
        HarnessError: if its method.yaml does not say it.
    """
    if spec.published is None or spec.command:
        raise HarnessError(
            f"{spec.name}: its method.yaml does not say how the authors save their images; add the "
            "key `published` for a class, or do not ask for published images"
        )
    return spec.published


def weight_source(item: Mapping[str, Any], citation: str = "") -> ExternalFile:
    """Return the source that an entry `weights` of a method.yaml describes."""
    url = item.get("url")
    return ExternalFile(
        name=item["file"],
        urls=(*([url] if url else []), *item.get("urls", ())),
        sha256=item.get("sha256") or "",
        git_blob=item.get("git_blob") or "",
        bytes=item.get("bytes", 0),
        licence=item["licence"],
        citation=citation,
        page=item.get("page") or url or "",
    )


def method_folders(root: Path = ROOT) -> list[Path]:
    """Return the folders under `root` that hold a `method.yaml`, SegFANet's first."""
    return [path.parent for path in (root / "segfanet" / "method.yaml",) if path.is_file()] + [
        path.parent for path in sorted((root / "baselines").glob("*/method.yaml"))
    ]


def discover(include: Sequence[Path] = ()) -> dict[str, MethodSpec]:
    """Read every method folder; variants of a method follow it under their own names.

    Args:
        include: folders outside the checkout whose children may be methods.

    Raises:
        HarnessError: for a `method.yaml` with a wrong key or value, a name used twice, weight
            files whose stated hashes contradict each other, or an outside folder that does not
            exist or holds nothing.
    """
    found: dict[str, MethodSpec] = {}
    for folder in [*method_folders(), *children(include, "method.yaml")]:
        for spec in read_method(folder):
            if spec.name in found:
                other = found[spec.name].folder
                raise HarnessError(f"{folder}: the name {spec.name!r} is taken by {other}; rename")
            found[spec.name] = spec
    problem = contradiction(
        (f"{spec.folder}/method.yaml: weights: {name}", entry)
        for spec in found.values()
        for name, entry in spec.weight_files.items()
    )
    if problem:
        raise HarnessError(problem)
    return found


def find_method(name: str, options: Mapping[str, Any], include: Sequence[Path] = ()) -> MethodSpec:
    """Return the method called `name` with `options` over its own.

    Raises:
        HarnessError: giving the nearest known name, if there is no such method.
    """
    methods = discover(include)
    if name not in methods:
        raise HarnessError(f"no method {name!r}; {suggest(name, methods)}")
    spec = methods[name]
    return replace(spec, options={**spec.options, **options})


def read_method(folder: Path) -> Iterator[MethodSpec]:
    """Read one folder: the method itself, then its variants as further specs.

    Raises:
        HarnessError: if a key or value is wrong or the name is not the folder's.
    """
    path = folder / "method.yaml"
    file: MethodFile = check(MethodFile, read_yaml(path), str(path))
    if bool(file.entry) == bool(file.command):
        raise HarnessError(f"{path}: give either `entry` (a class) or `command` (a program)")
    if file.kind == "ablation":
        raise HarnessError(f"{path}: kind: found 'ablation'; list settings in a `variants` file")
    if file.name != folder.name:
        raise HarnessError(f"{path}: name is {file.name!r}, but the folder is {folder.name!r}")
    spec = MethodSpec(folder=folder, **{key.name: getattr(file, key.name) for key in fields(file)})
    variants = read_variants(folder / spec.variants) if spec.variants else {}
    own = variants.pop(spec.name, None)
    yield _with_options(spec, own) if own else spec
    for name, variant in variants.items():
        settings = _with_options(spec, variant)
        yield replace(settings, name=name, kind="ablation", asked_by=variant.asked_by)


def read_variants(path: Path) -> dict[str, Variant]:
    """Read a variants file: name → title and options."""
    return dict(check(VariantsFile, read_yaml(path), str(path)))


def _with_options(spec: MethodSpec, variant: Variant) -> MethodSpec:
    options = {**spec.options, **variant.options}
    train = spec.train and {**spec.train, **variant.train}
    return replace(spec, title=variant.title, options=options, train=train)
