"""Does every training of SegFANet learn? `python -m benchmarks.stability [--part PART]`.

Parts, each a table of held-out L_f (Eq. 15) beside its optimum and the plain average's:

- `demonstration`: the seven settings on both data sets of `config/config.yaml`, with its recipe;
- `paper`: the same and the literal network at the paper's rate, batch and width on crops of real
  tiles, 300 steps;
- `remedies`: the start that could die, and one change at a time.

`--seeds`, `--settings` and `--datasets` choose a part of a table; results are kept in `--work`.
"""

import argparse
from statistics import median

import torch
import yaml
from torch import nn

from benchmarks.trainings import (
    SETTINGS,
    Trial,
    add_arguments,
    border_excess,
    dead,
    excess,
    recipe_text,
    run,
    spread,
)
from harness.disk.schema import ROOT
from segfanet.initial import LARGE, looks_linear, normal

LITERAL = "segfanet_literal"
LIMITS = {"segfanet": "+30 %"}
"""Setting → largest median excess of held-out L_f over its optimum in the demonstration."""
OTHER = "+60 %"
REPEATED = ("segfanet", LITERAL)
"""What the part `paper` trains three times; the others are trained once."""
CONSTANT = {"learning_rate": 1e-3, "schedule": "constant", "warmup": 20, "steps": 40}
"""The recipe with which trainings of the demonstration died, up to twice its warm-up."""


def main():
    """Train, and print one table per part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", help="seeds; default: those of the part")
    parser.add_argument("--settings", nargs="+", help="rows of variants.yaml; default: all")
    parser.add_argument("--datasets", nargs="+", help="data sets; default: those of the part")
    add_arguments(parser)
    arguments = parser.parse_args()
    for part in arguments.part:
        trials = [
            trial
            for trial in PARTS[part]()
            if (not arguments.seeds or trial.seed in arguments.seeds)
            and (not arguments.settings or trial.method in arguments.settings)
            and (not arguments.datasets or trial.dataset in arguments.datasets)
        ]
        _print(part, trials, run(trials, arguments))


def demonstration():
    """Return the trials of the demonstration, seed by seed."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    ours = config["overrides"]["segfanet"]
    recipe = {**config["train"], **ours["train"]}
    sides = {name: section["tiling"]["size"] for name, section in config["datasets"].items()}
    return [
        Trial(setting, name, side, seed, ours["options"], recipe)
        for seed in range(10)
        for setting in SETTINGS
        for name, side in sides.items()
    ]


def paper():
    """Return the trials at the paper's rate, batch and width."""
    return [
        Trial(setting, "potsdam_tiles", 128, seed, {}, {"steps": 300})
        for seed in range(3)
        for setting in (*REPEATED, *SETTINGS[1:])
        if setting in REPEATED or seed == 0
    ]


def remedies():
    """Return three seeds of the start that could die, and of one change at a time."""
    first = demonstration()[0]
    slower = {**CONSTANT, "learning_rate": 3e-4, "schedule": "cosine"}
    changes = {
        "random images first": (CONSTANT, random_heads),
        "+ gradients clipped to norm 1": (CONSTANT, clipped),
        "+ image bounded by a sigmoid": (CONSTANT, bounded),
        "+ loss for values outside [0, 1]": (CONSTANT, penalised),
        "+ rate 3e-4, cosine": (slower, random_heads),
        "+ sources' mean first": (CONSTANT, None),
        "+ both of the last": (slower, None),
    }
    return [
        Trial(
            "segfanet_1sinet",
            first.dataset,
            first.side,
            seed,
            first.options,
            {**first.recipe, **recipe},
            f"benchmarks.stability:{change.__name__}" if change else "",
            group,
        )
        for group, (recipe, change) in changes.items()
        for seed in range(3)
    ]


PARTS = {"demonstration": demonstration, "paper": paper, "remedies": remedies}


@torch.no_grad()
def random_heads(training):
    """Start with smooth random images instead of the mean, and with f_d heard at full size."""
    method = training.method
    ffm = method.sinets[0].ffm
    looks_linear(ffm.merge[0], joined=2)
    looks_linear(ffm.project, joined=2)
    irms = [sinet.irm for sinet in method.sinets if sinet.irm is not None]
    for head in (method.head, *(irm.head for irm in irms)):
        normal(head, LARGE)
        half = head.weight[:, : head.in_channels // 2]
        head.weight.copy_(torch.cat([half, -half], dim=1))


def clipped(training):
    """Let gradients have a norm of at most one, from the start that could die."""
    random_heads(training)
    step = training.precision.step

    def clipped_step(optimiser):
        nn.utils.clip_grad_norm_(training.module.parameters(), 1.0)
        step(optimiser)

    training.precision.step = clipped_step


def bounded(training):
    """Pass the fused image through a sigmoid, from the start that could die."""
    random_heads(training)
    head = training.method.head
    # The slope of the sigmoid is a quarter, so this keeps the first images.
    head.register_forward_hook(lambda _module, _inputs, image: torch.sigmoid(4 * (image - 0.5)))


def penalised(training):
    """Add the mean distance of the fused image's values from [0, 1] to L_f."""
    random_heads(training)
    method = training.method
    losses = method.losses

    def with_penalty(output, batch):
        terms = losses(output, batch)
        outside = (output.fused - output.fused.clamp(0, 1)).abs().mean()
        return {**terms, "fusion": terms["fusion"] + outside}

    method.losses = with_penalty


COLUMNS = (
    "training",
    "data set",
    "seeds",
    "dead",
    "held-out L_f",
    "optimum",
    "average (over the optimum)",
    "over the optimum",
    "at most",
    "of which border",
    "worst L_f in training",
)


def _print(part, trials, results):
    print(f"\n{part}: {recipe_text(trials[0])}; {len(results)} of {len(trials)} trainings")
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    rows = {}
    for trial, result in results:
        rows.setdefault((trial.group or trial.method, trial.dataset), []).append(result)
    for (name, dataset), found in rows.items():
        optimum, average = (found[0][key][0] for key in ("optimum", "average"))
        limit = LIMITS.get(name, OTHER) if part == "demonstration" else ""
        print(
            f"| {name} | {dataset} | {len(found)} | {sum(map(dead, found))} "
            f"| {spread([result['held_out'][0] for result in found])} "
            f"| {optimum:.3f} | {average:.3f} ({average / optimum - 1:+.1%}) "
            f"| {median(map(excess, found)):+.1%} | {limit} "
            f"| {median(map(border_excess, found)):+.1%} "
            f"| {max(result['worst'] for result in found):.2f} |"
        )
    ours = [result for trial, result in results if trial.method != LITERAL and not trial.change]
    print(f"Dead trainings of ours: {sum(map(dead, ours))} of {len(ours)}.", flush=True)


if __name__ == "__main__":
    main()
