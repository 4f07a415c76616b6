"""`python -m metrics`: score folders of images, explain a metric, list them all."""

import argparse
import csv
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from .colour import RULES, Colour, colour_rule, in_colour, score_channels
from .dialects import DIALECTS, lookup
from .errors import MetricError
from .images import Bytes, grey_of, pair_files, read_aligned, read_grey, read_image
from .registry import METRICS, PAPER, VARIANTS, find
from .scoring import Table, score_methods
from .shared.arrays import Values

# Half-width of a 95 % interval of a mean, in standard errors.
NORMAL_95 = 1.96

SOURCES = ("infrared", "visible")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with the given words, or else the process's own.

    Returns:
        The exit status: 0, or 1 after a message about unusable input; argparse itself exits with 2.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # A reader such as `head` may stop early; discard what is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (MetricError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _program() -> str:
    """Name the program as it was called, which may be `segfanet-bench`."""
    path = Path(sys.argv[0])
    return f"python -m {path.parent.name}" if path.name == "__main__.py" else path.name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_program(), description="Metrics of infrared and visible image fusion."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    scoring = commands.add_parser(
        "score",
        help="table of the metrics of folders of images",
        description="Measure folders of 8-bit images: one row per image and method, and the means.",
    )
    scoring.set_defaults(run=_score)
    _add_score_options(scoring)
    explaining = commands.add_parser(
        "explain",
        help="meaning of one metric",
        description="Print a metric's formula, direction, range, source and equal public code.",
    )
    explaining.add_argument("metric", help="name as `list` prints it")
    explaining.set_defaults(run=_explain)
    listing = commands.add_parser(
        "list",
        help="all metrics and dialects",
        description="Print all metrics, their variants for audits, and the dialects.",
    )
    listing.set_defaults(run=_list)
    return parser


def _add_score_options(parser: argparse.ArgumentParser) -> None:
    needed = partial(parser.add_argument, required=True, type=Path)
    for source in SOURCES:
        needed(f"--{source}", metavar="DIR", help=f"folder of {source} images")
    needed(
        "--fused",
        nargs="+",
        metavar="DIR",
        help="one folder per method; each must hold the file names of the sources",
    )
    needed("-o", "--output", metavar="CSV", help="CSV file to write")
    add = parser.add_argument
    add(
        "--metrics",
        nargs="+",
        default=list(PAPER),
        metavar="NAME",
        help=f"names as `list` prints them; default {' '.join(PAPER)}",
    )
    add("--dialect", choices=sorted(DIALECTS), help="public evaluator to reproduce instead")
    add(
        "--colour",
        choices=RULES,
        help="luma of colour images, or the mean over their channels; default that of the dialect",
    )
    add("--resize", type=int, metavar="PX", help="side of images after a bilinear resize")
    add(
        "--threads",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="images measured at once; default one per core",
    )


def _score(options: argparse.Namespace) -> None:
    # Refuse unknown names and useless outputs before a thousand images are measured.
    lookup(options.metrics, options.dialect)
    _check_output(options.output)
    methods = _methods(options.fused)
    names = pair_files({"infrared": options.infrared, "visible": options.visible, **methods})
    _check_no_input(options.output, names)
    colour = options.colour or colour_rule(options.dialect)
    if colour == "per_channel" and options.resize:
        raise MetricError("--resize measures the luma; add --colour luma, or leave --resize out")
    table = score_files(
        names,
        list(methods),
        options.metrics,
        threads=options.threads,
        dialect=options.dialect,
        resize=options.resize,
        colour=colour,
    )
    write_csv(options.output, list(names), table)
    definition = f"dialect {options.dialect}" if options.dialect else "default definitions"
    size = f"resized to {options.resize}×{options.resize} px" if options.resize else "native size"
    print(f"{definition}, {size}, colour: {colour}; mean ± half the 95 % interval")
    print(f"written to {options.output}")
    for method, columns in table.items():
        print(f"\n{method} ({len(names)} images)")
        for name, values in columns.items():
            print(f"  {name:<10}{summary(values)}")


def _methods(folders: Sequence[Path]) -> dict[str, Path]:
    methods: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in methods or name in SOURCES:
            raise MetricError(f"{folder}: another folder is already called {name!r}; rename one")
        methods[name] = folder
    return methods


def score_files(
    names: Mapping[str, Mapping[str, Path]],
    methods: Sequence[str],
    metrics: Sequence[str],
    *,
    threads: int = 1,
    dialect: str | None = None,
    resize: int | None = None,
    colour: Colour = "luma",
) -> dict[str, dict[str, Values]]:
    """Measure image files, each read once, with a progress bar on a terminal.

    Args:
        names: by name, the files of "infrared", "visible" and each method.
        methods: the roles that are fused images.
        metrics: as `names` of `metrics.score`.
        threads: how many threads read and measure images.
        dialect: as in `metrics.score`.
        resize: as in `metrics.score`.
        colour: whether colour images are measured by their luma, or channel by channel; if all
            images of a name are grey, this makes no difference.

    Returns:
        Per method one array per metric, with one value per name.

    Raises:
        MetricError: as `read_aligned` and `metrics.score`; names the file.
    """
    from tqdm import tqdm

    if threads < 1:
        raise MetricError(f"threads must be 1 or more, got {threads}")

    def measure(files: Mapping[str, Path]) -> Table:
        images = read_aligned(files, read_image if colour == "per_channel" else read_grey)
        try:
            if any(image.ndim == 3 and len(image) == 3 for image in images.values()):
                bands = {role: in_colour(image)[None] for role, image in images.items()}
                return score_channels(*_roles(bands, methods), metrics, dialect=dialect)
            grey = {role: grey_of(image)[None] for role, image in images.items()}
            return score_methods(*_roles(grey, methods), metrics, dialect=dialect, resize=resize)
        except MetricError as error:
            raise MetricError(f"{files[methods[0]]}: {error}") from error

    with ThreadPoolExecutor(threads) as pool:
        done = pool.map(measure, names.values())
        tables = list(tqdm(done, total=len(names), unit="image", disable=None))
    return {
        method: {
            name: np.concatenate([table[method][name] for table in tables]) for name in columns
        }
        for method, columns in tables[0].items()
    }


def _roles(
    images: Mapping[str, Bytes], methods: Sequence[str]
) -> tuple[dict[str, Bytes], Bytes, Bytes]:
    return {name: images[name] for name in methods}, images["infrared"], images["visible"]


def write_csv(path: Path, names: Sequence[str], table: Mapping[str, Mapping[str, Values]]) -> None:
    """Write one row per image and method, one column per metric; never a partial file.

    Raises:
        MetricError: the file cannot be written; its message gives the reason.
    """
    temporary = path.with_name(f".scores.{os.getpid()}.part")
    try:
        # File names may hold bytes that are not text.
        with temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow(["method", "image", *next(iter(table.values()))])
            for method, columns in table.items():
                for index, name in enumerate(names):
                    values = (repr(float(column[index])) for column in columns.values())
                    writer.writerow([method, name, *values])
        temporary.replace(path)
    except OSError as error:
        raise MetricError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _check_output(path: Path) -> None:
    if path.suffix.lower() != ".csv":
        raise MetricError(f"{path}: found the suffix {path.suffix!r}, expected '.csv'; rename it")
    if not path.parent.is_dir():
        raise MetricError(f"{path}: the folder {path.parent} does not exist; create it first")
    if path.exists() and not path.is_file():
        raise MetricError(f"{path}: is a folder or a device; name the file to write")


def _check_no_input(path: Path, names: Mapping[str, Mapping[str, Path]]) -> None:
    """Refuse to write onto an image that is read, whatever links or spellings lead to it."""
    # `resolve` follows links that lead nowhere yet; hard links and letter case need the inode.
    output, exists = path.resolve(), path.exists()
    for files in names.values():
        for file in files.values():
            if file.resolve() == output or (exists and file.exists() and file.samefile(path)):
                raise MetricError(f"{path}: is the image {file}, which is read; name another file")


def summary(values: Values) -> str:
    """Word the mean of some values, its 95 % normal interval, and how many are undefined."""
    defined = values[~np.isnan(values)]
    undefined = len(values) - len(defined)
    note = f"  undefined for {undefined} of {len(values)}, left out" if undefined else ""
    if not len(defined):
        return f"{'–':>12}{note}"
    if len(defined) == 1 or np.isinf(defined).any():
        return f"{defined.mean():12.5g}{note}"
    half = NORMAL_95 * defined.std(ddof=1) / np.sqrt(len(defined))
    return f"{defined.mean():12.5g} ± {half:.2g}{note}"


def _explain(options: argparse.Namespace) -> None:
    metric = find(options.metric)
    low, high = metric.range
    lines = {
        "formula": metric.formula,
        "better": "larger" if metric.larger_is_better else "smaller",
        "range": f"[{low:g}, {high:g}]" + (f", in {metric.unit}" if metric.unit != "1" else ""),
        "smallest": f"{metric.minimum}×{metric.minimum} px",
        "undefined": metric.undefined or "never, on finite pixels",
        "source": metric.citation,
        "equals": ", ".join(metric.equals),
        "dialects": ", ".join(d for d in DIALECTS if metric.name in DIALECTS[d].metrics) or "none",
    }
    print(f"{metric.name}: {metric.title}")
    for label, text in lines.items():
        print(textwrap.fill(text, 88, initial_indent=f"  {label:<11}", subsequent_indent=" " * 13))


def _list(options: argparse.Namespace) -> None:
    for heading, metrics in (("metrics", METRICS), ("variants, for audits", VARIANTS)):
        print(f"{heading}:")
        for metric in metrics.values():
            print(f"  {metric.name:<10} {metric.arrow} {metric.title}")
    print("dialects:")
    for dialect in DIALECTS.values():
        print(f"  {dialect.name:<13}{dialect.title}")
        print(textwrap.indent(textwrap.fill(dialect.notes, 84), " " * 15))
