"""The command line: score folders of images, verify published values, explain and list metrics."""

import argparse
import os
import signal
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .colour import RULES, colour_rule
from .dialects import DIALECTS, lookup, vifb
from .errors import MetricError
from .files import check_no_input, check_output, score_files, write_csv
from .images import pair_files
from .intervals import summary
from .registry import METRICS, PAPER, VARIANTS, find
from .texts import printable

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
        print(f"error: {printable(error)}", file=sys.stderr)
        return 1
    return 0


def program() -> None:
    """Run the command line as a program of its own, which leaves no temporary file behind.

    A request to terminate, or the closing of the terminal, unwinds it like an interruption.
    """
    for name in ("SIGTERM", "SIGHUP"):
        # `nohup` has the closing of the terminal ignored, and so it stays; Windows has none.
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _terminate)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _terminate(number: int, _: object) -> None:
    raise SystemExit(128 + number)


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
    verifying = commands.add_parser(
        "verify",
        help="agreement with published values",
        description="Measure published images and compare all digits with the published values.",
    )
    verifying.add_argument("dialect", choices=["vifb"], help="evaluator that was published")
    verifying.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder that holds VIFB's images, of any of its methods, at any depth",
    )
    _add_threads(verifying)
    verifying.set_defaults(run=_verify)
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
        help="one folder per method; each must hold the file names of the sources; those that are "
        "called alike take the names of the folders that they lie in",
    )
    needed("-o", "--output", metavar="CSV", help="CSV file to write")
    add = parser.add_argument
    add(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help=f"names as `list` prints them; default {' '.join(PAPER)}, or all of the dialect",
    )
    add("--dialect", choices=sorted(DIALECTS), help="public evaluator to reproduce instead")
    add(
        "--colour",
        choices=RULES,
        help="luma of colour images, or the mean over their channels; default that of the dialect",
    )
    add("--resize", type=int, metavar="PX", help="side of images after a bilinear resize")
    _add_threads(parser)


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="images measured at once; default one per core",
    )


def _score(options: argparse.Namespace) -> None:
    # Refuse unknown names and useless outputs before a thousand images are measured.
    lookup(options.metrics, options.dialect)
    check_output(options.output)
    methods = _methods(options.fused)
    names = pair_files({"infrared": options.infrared, "visible": options.visible, **methods})
    check_no_input(options.output, names)
    colour = options.colour or colour_rule(options.dialect)
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
    print(f"written to {printable(options.output)}")
    for method, columns in table.items():
        print(f"\n{printable(method)} ({len(names)} images)")
        for name, values in columns.items():
            print(f"  {name:<10}{summary(values)}")


def _methods(folders: Sequence[Path]) -> dict[str, Path]:
    """Name each folder by its last part; several that are called alike by that of their parent."""
    methods: dict[str, Path] = {}
    paths = [folder.resolve() for folder in folders]
    called = Counter(path.name for path in paths)
    for folder, path in zip(folders, paths, strict=True):
        name = path.name if called[path.name] == 1 else path.parent.name
        if name in methods or name in SOURCES:
            raise MetricError(f"{folder}: another folder is already called {name!r}; rename one")
        methods[name] = folder
    return methods


def _verify(options: argparse.Namespace) -> None:
    disagree = []
    print("method       values that agree in all digits, largest relative difference")
    for method, names in sorted(vifb.find(options.images).items()):
        table = score_files(names, [method], threads=options.threads, dialect=options.dialect)
        found = vifb.compare(method, list(names), table[method])
        note = "  not the images that were measured" if method in vifb.REMEASURED else ""
        print(f"{method:<13}{found.equal:>4} of {found.total:<6}{found.largest:.2g}{note}")
        if found.equal < found.total and not note:
            disagree.append(method)
    if disagree:
        raise MetricError(
            f"{options.images}: found other values than published for {', '.join(disagree)}, "
            "expected all digits to agree; check that the images are VIFB's, unchanged"
        )


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
