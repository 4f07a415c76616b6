"""The keys of a configuration file: their types, defaults and descriptions."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from harness.disk.schema import Items, Matching, Model, Name, Section, Text, expected
from harness.machine.isolation import SILENCE_SECONDS
from harness.methods.recipe import RecipeKeys
from harness.tiles.cutting import MIN_SIDE, Tiling
from metrics.registry import PAPER

Seed = Annotated[int, Field(ge=0)]
Device = Annotated[str, Matching("auto|cpu|cuda(:[0-9]+)?", "`auto`, `cpu`, `cuda` or `cuda:N`")]


def _different(values: Any) -> Any:
    if isinstance(values, list | tuple) and any(values.count(value) > 1 for value in values):
        raise expected("every item once")
    return values


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _section(value: Any) -> Any:
    return {} if value is None else value


Different = BeforeValidator(_different)
"""Annotation of a list in which nothing stands twice."""


def one_or_more(kind: Any) -> BeforeValidator:
    """Annotation of a list of `kind`, of which a single item may stand alone."""
    return BeforeValidator(_listed, json_schema_input_type=kind | list[kind])


Folders = Annotated[Items[Text], one_or_more(Text)]
Mode = Literal["official", "train", "demonstration"]


def _folder(value: Any) -> Any:
    return {"folder": value} if isinstance(value, str) else value


EVERY = "all"
"""Stands for all fused images that a data set publishes."""


def _fused(value: Any) -> Any:
    names = [value] if value == EVERY else value
    # Without a folder they are those that the data set publishes.
    return dict.fromkeys(names) if isinstance(names, list | tuple) else names


class TilingSection(Model):
    """How scenes are cut into tiles."""

    size: int = Field(default=Tiling.size, ge=MIN_SIDE, description="largest tile side, pixels")
    stride: int = Field(default=Tiling.stride, ge=1, description="pixels from one tile to the next")

    @model_validator(mode="after")
    def _leaves_out_no_pixel(self) -> Self:
        if self.stride > self.size:
            raise expected(
                f"a stride of at most {self.size}, the size; the pixels between two tiles would be "
                "left out"
            )
        return self


def _tiling(value: Any) -> Any:
    if value is None:
        raise expected("`none`, or `size` and `stride`")
    return None if value == "none" else value


class FusedSection(Model):
    """Fused images in a folder, which become a row."""

    folder: Text = Field(description="folder of the images")
    name: Text = Field(
        "{name}",
        description="name of a fused image without its suffix; `{name}` is that of its sources",
    )


FusedInput = Literal["all"] | list[Name] | dict[Name, Text | FusedSection | None]


class DatasetSection(Model):
    """One data set; its key is its name."""

    adapter: Text | None = Field(
        None, description="folder of `harness/datasets/` or of `include`; without it the key"
    )
    stands_for: Literal["whu", "potsdam"] | None = Field(
        None,
        description="`whu` or `potsdam`: whose printed values stand beside ours; data of your own "
        "get a table without them",
    )
    ablations: bool = Field(False, description="also run the settings of Tables 3-5")
    literal: bool = Field(
        False,
        description="also run the other readings of the print: `segfanet_literal`, the network as "
        "Eqs. 1-18 print it, and `tardal_running`, TarDAL with running statistics",
    )
    tiling: Annotated[
        TilingSection | None,
        BeforeValidator(_tiling, json_schema_input_type=Literal["none"] | TilingSection),
    ] = Field(
        TilingSection(),
        description="`size` and `stride` of the tiles; `none`, the default of published sets of "
        "whole images, measures every test image whole",
    )
    metrics: Annotated[Items[str], Different] | None = Field(
        None,
        min_length=1,
        description="columns of the tables of this set, in the place of the common `metrics`",
    )
    dialect: Text | None = Field(
        None, description="public evaluator whose definitions measure this set (`metrics list`)"
    )
    colour: Literal["luma", "per_channel"] | None = Field(
        None,
        description="`luma`, or `per_channel`: each channel by itself, then the mean, SF on the "
        "three side by side; without it what the dialect implies",
    )
    fused: Annotated[
        dict[Name, Annotated[FusedSection | None, BeforeValidator(_folder)]],
        BeforeValidator(_fused, json_schema_input_type=FusedInput),
    ] = Field(
        {},
        description="name → folder of fused images, or `folder` and `name`; each is the row "
        "`NAME@given`. `all`, or a list of names: those that the set publishes itself; beside "
        "folders, `all:` or `NAME:` without a value",
    )
    examples: Annotated[Items[str], Different] | None = Field(
        None,
        min_length=1,
        description="test tiles that the figures show; without it those on which methods differ "
        "most",
    )
    pairs: Annotated[Items[str], Different] | None = Field(
        None,
        min_length=1,
        description="names of the images that take part, a subset; the record says how many of how "
        "many",
    )
    options: dict[str, Any] = Field(
        {}, description="options of the adapter: [docs/datasets.md](../docs/datasets.md)"
    )


class ReportSection(Model):
    """What the report shows."""

    tiles: int = Field(
        default=24, ge=1, description="tiles per data set whose images come with the page"
    )


class OverrideSection(Model):
    """What differs from the method.yaml of a method, or for one of its variants alone."""

    options: dict[str, Any] = Field({}, description="keyword arguments of the entry class")
    train: Annotated[dict[str, Any], Section(RecipeKeys)] = Field(
        {}, description="keys of the recipe"
    )
    weights: Annotated[Items[Text], Different, one_or_more(Text)] = Field(
        (),
        description="`official`, `train`, `demonstration`, or the path of a weight file of your "
        "own; a list gives one row each, and a file can only be its first item",
    )


class Configuration(Model):
    """A configuration of the benchmark."""

    title: Text = Field(description="heading of the report")
    demonstration: bool = Field(
        False, description="the data stand in for the paper's; the report's first line says so"
    )
    tiles_root: str = Field(
        "", description="replaces `{tiles_root}` in the option `root` of data sets"
    )
    include: Folders = Field(
        (),
        description="folder, or list of folders, outside the checkout, whose children with a "
        "`method.yaml` or an `adapter.py` take part; relative to the run's folder",
    )
    mirror: Folders = Field(
        (),
        description="folder, or list of folders, searched at any depth for files before a download",
    )
    device: Device = Field("auto", description="`auto`, `cpu`, `cuda` or `cuda:N`")
    threads: int = Field(
        1, ge=1, le=1024, description="threads of one job; jobs run side by side up to `--cores`"
    )
    timeout: float = Field(
        SILENCE_SECONDS,
        gt=0,
        description="seconds without a training step or a fused tile after which a method counts "
        "as hanging and becomes a failed cell",
    )
    seeds: Annotated[Items[Seed], Different] = Field(
        (0,),
        min_length=1,
        description="seeds: each trained method is trained once per seed, others run once",
    )
    weights: Annotated[Items[Mode], Different, one_or_more(Mode)] = Field(
        ("official",),
        min_length=1,
        description="`official`, `train` or `demonstration` (trained by this project on the "
        "demonstration's tiles), for methods that have them; a list gives one row each, the first "
        "under the method's name, further ones as `ydtr@train`",
    )
    metrics: Annotated[Items[str], Different] = Field(
        tuple(PAPER),
        min_length=1,
        description="columns of the tables, names of `python -m metrics list`; a data set may have "
        "its own",
    )
    methods: Annotated[Items[str], Different] | None = Field(
        None,
        min_length=1,
        description="methods that take part, with their variants; without it every folder found",
    )
    stretched: dict[str, Annotated[Items[str], Different]] = Field(
        {}, description="method → output stretches that become rows of their own"
    )
    report: ReportSection = Field(
        ReportSection(), description="`tiles`: tiles per data set whose images come with the page"
    )
    train: Annotated[dict[str, Any], Section(RecipeKeys)] = Field(
        {}, description="keys that override the recipe of every method (below)"
    )
    overrides: dict[str, OverrideSection] = Field(
        {},
        description="method or variant → `options`, `train`, `weights` that differ from its "
        "`method.yaml` (below); a variant's go over its method's",
    )
    datasets: dict[Name, Annotated[DatasetSection, BeforeValidator(_section)]] = Field(
        min_length=1, description="name → data set (below)"
    )
