"""Forecast what a configuration needs: `segfanet-bench plan --help`."""

import argparse
import json

from harness.cli import Commands, add_command, add_include, assignment, device, positive, threads
from harness.commands.configured import add_configfile, read_config

EPILOG = """\
Times a few training steps and one call of `fuse` on noise, for every distinct method, recipe and
tile size, and multiplies. Neither data sets nor weights are needed. No file is written.

examples:
  segfanet-bench plan --configfile config/paper.yaml
  segfanet-bench plan --configfile config/paper.yaml --device cuda --steps 20 --json
  segfanet-bench plan --configfile config/tiles.yaml
"""


def add_parser(commands: Commands) -> None:
    """Add this command's parser."""
    summary = "forecast hours, memory and disk space of a configuration"
    parser = add_command(commands, "plan", run, summary, EPILOG)
    add_configfile(parser)
    parser.add_argument(
        "--config",
        type=assignment,
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="top-level keys that replace those of the file",
    )
    parser.add_argument(
        "--device",
        type=device,
        help="device to measure on: auto, cpu, cuda or cuda:N; default the configuration's",
    )
    words = "processor threads; default the configuration's"
    parser.add_argument("--threads", type=threads, metavar="N", help=words)
    parser.add_argument(
        "--steps", type=positive, default=2, metavar="N", help="training steps to time; default 2"
    )
    add_include(parser)
    parser.add_argument("--json", action="store_true", help="JSON output with one entry per job")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print the forecast.

    Raises:
        HarnessError: if the configuration cannot be read or cannot work.
    """
    # They load torch, which the help of this command does without.
    from harness.benchmark import Benchmark
    from harness.machine.device import choose_device, make_deterministic
    from harness.planner.forecast import forecast
    from harness.planner.measuring import Setting
    from harness.planner.table import render

    config = {**read_config(arguments.configfile), **dict(arguments.config)}
    if arguments.include:
        config["include"] = [str(folder) for folder in arguments.include]
    benchmark = Benchmark(config)
    count = arguments.threads or benchmark.config.threads
    chosen = choose_device(arguments.device or benchmark.config.device)
    make_deterministic(0, count)
    plan = forecast(benchmark, Setting(chosen, count, arguments.steps))
    print(json.dumps(plan.as_json(), indent=2) if arguments.json else render(plan))
