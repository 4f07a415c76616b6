"""Which departure from the text matters? `python -m benchmarks.factorial [--rates 3e-4 1e-4]`.

Trains SegFANet with every combination of norm × initial × head (docs/protocol.md, point 8), three
seeds each, on 128-pixel crops of ten real tiles of Potsdam. All trainings of a table have the same
width, rate and steps. Prints held-out L_f per combination, and per option the effect: the mean
difference between its two values over all else, beside the standard deviation between the seeds of
one combination. `--spot` checks the first and the last combination at width 16 on whole tiles.
Results are kept in `--work`; a combination without a result is printed as not measured.
"""

import argparse
from itertools import product
from statistics import mean, variance

from benchmarks.trainings import Trial, add_arguments, dead, recipe_text, run, spread
from segfanet.config import CHOICES

FACTORS = ("norm", "initial", "head")
COMBINATIONS = [
    dict(zip(FACTORS, values, strict=True)) for values in product(*(CHOICES[f] for f in FACTORS))
]
SMALL = {"width": 8, "pool": [16, 8, 8]}
DATASET = "potsdam_tiles"


def main():
    """Train, and print one table per rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4, 1e-4])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--spot", action="store_true", help="width 16 on whole tiles instead")
    add_arguments(parser)
    arguments = parser.parse_args()
    combinations = [COMBINATIONS[0], COMBINATIONS[-1]] if arguments.spot else COMBINATIONS
    for rate in arguments.rates:
        recipe = {"steps": arguments.steps, "learning_rate": rate}
        trials = [
            Trial(
                "segfanet",
                DATASET,
                320 if arguments.spot else 128,
                seed,
                {**({"width": 16} if arguments.spot else SMALL), **options},
                recipe,
                group=_name(options),
            )
            for seed in arguments.seeds
            for options in combinations
        ]
        _print(trials, run(trials, arguments))


def _name(options):
    return ", ".join(options[factor] for factor in FACTORS)


def _print(trials, results):
    print(f"\n{trials[0].dataset}: {recipe_text(trials[0])}")
    print("| norm, initial, head | seeds | dead | held-out L_f | worst in training |")
    print("|---|---|---|---|---|")
    cells = {trial.group: [] for trial in trials}
    for trial, result in results:
        cells[trial.group].append(result)
    for name, found in cells.items():
        if found:
            held_out = spread([result["held_out"][0] for result in found])
            worst = max(result["worst"] for result in found)
            print(f"| {name} | {len(found)} | {sum(map(dead, found))} | {held_out} | {worst:.2f} |")
        else:
            print(f"| {name} | 0 | | not measured | |")
    if results:
        limits = results[0][1]
        print(f"Optimum {limits['optimum'][0]:.3f}, average {limits['average'][0]:.3f}.")
    if len(cells) == len(COMBINATIONS) and all(len(found) > 1 for found in cells.values()):
        _print_effects({k: [r["held_out"][0] for r in found] for k, found in cells.items()})


def _print_effects(cells):
    """Print by how much held-out L_f grows if one option has its literal value."""
    deviation = mean(map(variance, cells.values())) ** 0.5
    for place, factor in enumerate(FACTORS):
        ours, literal = CHOICES[factor]
        means = {
            value: mean(
                mean(found) for name, found in cells.items() if name.split(", ")[place] == value
            )
            for value in (ours, literal)
        }
        print(f"{factor}: {literal} instead of {ours} {means[literal] - means[ours]:+.3f}")
    print(f"standard deviation between seeds of one combination: {deviation:.3f}", flush=True)


if __name__ == "__main__":
    main()
