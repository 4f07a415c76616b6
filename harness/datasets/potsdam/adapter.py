"""ISPRS Potsdam: 5 cm aerial images with near infrared and six labelled classes.

Near infrared is band 4 of the RGBIR product; the channels of the IRRG product are in an
undocumented order. The labels for participants are preferred, because the full set has damaged
labels of 4_12 and 6_7.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.datasets.potsdam.classes import CLASSES, IGNORE, PALETTE
from harness.disk.schema import check
from harness.fetching.registry import dataset_sources
from harness.fetching.source import ExternalFile, locate
from harness.scenes.archived import FetchedOptions, LabelledImage, gather
from harness.scenes.labels import LabelEncoding
from harness.scenes.raster import Member, Raster, members_of
from harness.scenes.scene import Dataset, SceneSizes
from harness.scenes.splits import split_file
from harness.terminal import progress

SOURCES = "potsdam"
DATA_FILES = (split_file("potsdam"),)

IMAGES = "4_Ortho_RGBIR.zip"
LABELS = ("5_Labels_for_participants.zip", "5_Labels_all.zip")
LABELS_WITHOUT_BORDERS = (
    "5_Labels_for_participants_no_Boundary.zip",
    "5_Labels_all_noBoundary.zip",
)


class Options(FetchedOptions):
    """What can be chosen.

    Scenes have names such as 2_10. `no_boundary` reads the labels whose object borders are
    black, and ignores those. `tolerance` is the largest difference in a channel at which an
    off-palette colour still counts (6_7 has 252,255,0 for car).
    """

    DATASET = "potsdam"
    SIZE = (6000, 6000)

    no_boundary: bool = False
    tolerance: int = Field(3, ge=0, le=100)


def check_options(options: Mapping[str, Any]) -> Options:
    """Check the options without opening an image."""
    chosen: Options = check(Options, dict(options), "potsdam")
    chosen.check()
    return chosen


def layout(options: Mapping[str, Any]) -> SceneSizes:
    """Return sizes and classes for plans that are made before the archives are there."""
    return SceneSizes(check_options(options).extents(), CLASSES)


def open_dataset(options: Mapping[str, Any]) -> Dataset:
    """Find images and labels, fetch the archives if necessary, and check all headers.

    Raises:
        HarnessError: naming the file or option that is missing or wrong.
    """
    chosen = check_options(options)
    split = chosen.split()
    files = dataset_sources(SOURCES)
    archives = LABELS_WITHOUT_BORDERS if chosen.no_boundary else LABELS
    loose = _loose(chosen)
    images = gather([_image(name) for name, _ in split], loose, [files[IMAGES]], chosen)
    wanted = [_label(name, chosen) for name, _ in split]
    labels = gather(
        wanted,
        _preferred(wanted, loose, files[archives[0]], chosen),
        [files[name] for name in archives],
        chosen,
    )
    ignore = IGNORE if chosen.no_boundary else ()
    hint = f"{LABELS[0]} holds a clean copy"
    encoding = LabelEncoding(PALETTE, ignore, chosen.tolerance, hint)
    scratch = Path(chosen.cache)
    return Dataset(
        title="ISPRS Potsdam",
        scenes=tuple(
            LabelledImage(
                Raster(images.files[_image(name)], scratch),
                Raster(labels.files[_label(name, chosen)], scratch),
                encoding,
            ).scene(name, part)
            for name, part in progress(split, "reading headers", unit="scene")
        ),
        classes=CLASSES,
        palette=PALETTE,
        sources=(*images.records, *labels.records),
        notes=(
            f"{len(split)} images. The division into training and test images is ours "
            "(harness/datasets/potsdam/split.csv) unless the options give another: "
            "the paper states the counts, not the list."
        ),
    )


def _image(name: str) -> str:
    return f"top_potsdam_{name}_RGBIR.tif"


def _label(name: str, chosen: Options) -> str:
    return f"top_potsdam_{name}_label{'_noBoundary' if chosen.no_boundary else ''}.tif"


def _loose(chosen: Options) -> dict[str, Member]:
    """Return unpacked images by name; of two label files, the one for participants."""
    found: dict[str, Member] = {}
    for member in chosen.loose():
        if member.name not in found or _is_clean(member, chosen):
            found[member.name] = member
    return found


def _is_clean(member: Member, chosen: Options) -> bool:
    """Return whether an unpacked label file lies in a folder of the participants' labels."""
    below = member.path.parent.relative_to(str(chosen.root))
    return "participants" in str(below).lower()


def _preferred(
    names: Sequence[str], loose: Mapping[str, Member], clean: ExternalFile, chosen: Options
) -> dict[str, Member]:
    """Leave out unpacked labels of the full set that an archive at hand holds in a clean form."""
    lesser = {name for name in names if name in loose and not _is_clean(loose[name], chosen)}
    archive = locate(clean, cache=Path(chosen.cache), mirrors=chosen.folders) if lesser else None
    better = members_of(archive, lesser) if archive else {}
    return {name: member for name, member in loose.items() if name not in better}
