"""What a configuration will take: `python -m harness plan --help`."""

import argparse
import json
from pathlib import Path

from harness.benchmark import Benchmark
from harness.cli import Commands, add_command, assignment, positive
from harness.disk.schema import ROOT, read_yaml
from harness.errors import HarnessError
from harness.machine.device import choose_device, make_deterministic
from harness.planner.forecast import forecast
from harness.planner.measuring import Setting
from harness.planner.table import render

EPILOG = """\
Times a few training steps and one call of fusing for every distinct method, recipe and tile
size on noise, and multiplies. Data sets and weights need not be there. No file is written.

examples:
  python -m harness plan --configfile config/paper.yaml
  python -m harness plan --configfile config/paper.yaml --device cuda --steps 20 --json
  python -m harness plan --configfile config/tiles.yaml --config tiles_root=FOLDER
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "measure what a configuration will take: hours, memory, disk"
    parser = add_command(commands, "plan", run, summary, EPILOG)
    parser.add_argument(
        "--configfile",
        type=Path,
        default=ROOT / "config" / "config.yaml",
        metavar="FILE",
        help="default config/config.yaml, the demonstration",
    )
    parser.add_argument(
        "--config",
        type=assignment,
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="over the file's top-level keys",
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N; default the configuration's")
    parser.add_argument("--threads", type=positive, metavar="N", help="default the configuration's")
    parser.add_argument(
        "--steps", type=positive, default=2, metavar="N", help="training steps to time; default 2"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, every job by itself")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print the plan.

    Raises:
        HarnessError: if the configuration cannot be read or cannot work.
    """
    config = read_yaml(arguments.configfile)
    if not isinstance(config, dict):
        raise HarnessError(f"{arguments.configfile}: not a configuration; see config/README.md")
    config.update(arguments.config)
    benchmark = Benchmark(config)
    threads = arguments.threads or benchmark.config.threads
    device = choose_device(arguments.device or benchmark.config.device)
    make_deterministic(0, threads)
    plan = forecast(benchmark, Setting(device, threads, arguments.steps))
    print(json.dumps(plan.as_json(), indent=2) if arguments.json else render(plan))
