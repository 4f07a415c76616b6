"""Train the first 50 steps of the demonstration weights again, and compare the losses.

    python -m benchmarks.demonstration [METHOD ...]

Prints, per method, the largest relative difference from the losses that its record states. It ends
with status 1 where one is larger than 1 %.
"""

import argparse
import sys
import time

from harness.cli import run
from harness.commands.demonstration_weights import DemonstrationTraining
from harness.disk.records import read_record
from harness.methods.spec import discover

ALLOWED = 0.01


def main() -> None:
    """Compare the first losses of each method with the recorded ones."""
    # Variants of a method have its weights.
    trained = [
        name
        for name, spec in discover().items()
        if name == spec.folder.name and spec.demonstration.is_file()
    ]
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("methods", nargs="*", default=trained, help="default: all that have them")
    parser.add_argument("--steps", type=int, default=50, help="steps to compare; default 50")
    arguments = parser.parse_args()
    worst = 0.0
    for name in arguments.methods:
        task = DemonstrationTraining(name)
        record = read_record(task.spec.demonstration.with_name("record.json"))
        expected = record["details"]["first_losses"][: arguments.steps]
        began = time.process_time()
        found = task.first_losses(len(expected))
        seconds = time.process_time() - began
        differences = [abs(a / b - 1) for a, b in zip(found, expected, strict=True)]
        worst = max(worst, *differences)
        print(
            f"{name:10} {len(found)} steps, {expected[0]:.4f} to {expected[-1]:.4f}, largest "
            f"difference {max(differences):.2%}, {seconds:.0f} s of processor time",
            flush=True,
        )
    sys.exit(worst > ALLOWED)


if __name__ == "__main__":
    run(main)
