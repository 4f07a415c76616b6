"""Fuse images with one method: `segfanet-bench fuse --help`."""

import argparse
from pathlib import Path

from harness.cli import Commands, add_command, add_device, add_include, add_mirrors, assignment
from harness.commands.image_pairs import list_pairs
from harness.disk.files import refuse_overwriting
from harness.errors import HarnessError
from harness.methods.chosen_weights import OFFICIAL, given_file
from harness.methods.spec import find_method
from harness.pixels import ROUND, TRUNCATE

CHANGING = (".npy", ".jpg", ".jpeg")
"""Suffixes of files that would hold other values than those that the workflow measures."""
EPILOG = """\
Give two files, or two folders whose files have the same names. If the visible image is in
colour, the fused image is in colour. If the sources are `.npy` files, (H, W) float32 in [0, 1],
or the output is one, the method's own float32 values are written, neither clamped nor quantised.
With --as-published the images are those that the authors' script saves: in the luma that it reads,
stretched, rounded and in colour or gray as it does (`docs/methods.md` lists the rules).
Of two folders, all pairs are tried; those that fail are listed at the end. What an earlier run
finished and nothing has changed since is not fused again; the record `.segfanet-fused.jsonl` in the
output folder knows.

examples:
  segfanet-bench fuse ydtr --infrared ir.png --visible rgb.png -o fused.png
  segfanet-bench fuse tardal --option weights=ct --infrared ir/ --visible rgb/ -o fused/
  segfanet-bench fuse umfusion --weights fus_0280.pth --infrared a.npy --visible b.npy -o f.npy
  segfanet-bench fuse seafusion --as-published --infrared ir/ --visible rgb/ -o published/
  segfanet-bench fuse segfanet --checkpoint checkpoint.pt --infrared ir/ --visible rgb/ -o out/
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "fuse an infrared and a visible image, or two folders"
    parser = add_command(commands, "fuse", run, summary, EPILOG)
    parser.add_argument("method", help="name of a method; `segfanet-bench methods` lists them")
    for source in ("infrared", "visible"):
        what = f"{source} image, array or folder of them"
        parser.add_argument(f"--{source}", type=Path, required=True, metavar="PATH", help=what)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PATH", help="file or folder to write"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="checkpoint.pt that a training run wrote"
    )
    parser.add_argument(
        "--weights",
        default=OFFICIAL,
        metavar="FILE",
        help="weight file to use instead of the authors', or the word demonstration",
    )
    add_mirrors(parser, "the authors' weights under any name")
    parser.add_argument(
        "--option",
        type=assignment,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="option that replaces one of method.yaml; may be repeated",
    )
    written = parser.add_mutually_exclusive_group()
    written.add_argument(
        "--gray",
        action="store_true",
        help="8-bit luma without colour, as the workflow measures it",
    )
    written.add_argument(
        "--as-published",
        action="store_true",
        help="images as the method's authors publish them, instead of the clamped output",
    )
    parser.add_argument(
        "--quantise",
        choices=(TRUNCATE, ROUND),
        help=f"from [0, 255] to 8 bits; default {TRUNCATE}, as the workflow measures it",
    )
    parser.add_argument(
        "--again", action="store_true", help="also fuse pairs that are finished and unchanged"
    )
    add_device(parser)
    add_include(parser)


def run(arguments: argparse.Namespace) -> None:
    """Fuse everything that the arguments name.

    Raises:
        HarnessError: naming the file or method that cannot be obtained, read, fused or written;
            or if an output would replace an input.
    """
    spec = find_method(arguments.method, {}, arguments.include)
    arguments.weights = given_file(spec, arguments.weights)
    for folder in arguments.mirror:
        if not folder.is_dir():
            raise HarnessError(f"--mirror {folder}: no such folder")
    files = list_pairs(arguments.infrared, arguments.visible, arguments.output)
    inputs = [arguments.infrared, arguments.visible, arguments.checkpoint, arguments.weights]
    inputs += [path for pair in files for path in (pair.infrared, pair.visible)]
    outputs = [arguments.output, *(pair.output for pair in files)]
    for output in outputs if arguments.gray else ():
        if output.suffix.lower() in CHANGING:
            raise HarnessError(
                f"{output}: --gray writes the 8-bit values that the workflow measures; found "
                f"{output.suffix}, expected a lossless image; write to a .png file"
            )
    refuse_overwriting(outputs, [path for path in inputs if path])
    # It loads torch, which the help of this command does without.
    from harness.commands.pair_fusion import fuse_files

    fuse_files(spec, files, arguments)
