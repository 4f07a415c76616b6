"""How often verdicts err where the truth is known: `python -m benchmarks.verdicts [--draws N]`.

Prints the tables of docs/statistics.md. A verdict errs if it says *reproduced* of a difference
beyond the tolerance, *differs* of one within it, *supported* of an effect that is not positive,
*contradicted* of one that is not negative, *holds* of an order that is another, or *broken* of
one that is true.
"""

import argparse

from tests.helpers.verdict_world import (
    NOISES,
    SHIFTS,
    claim_verdicts,
    order_verdicts,
    truth,
    value_verdicts,
)

EFFECTS = (0.0, 0.2, 1.0, 2.0, 5.0)
ORDERS = {
    "as printed, gaps of 2 %": ((0.6, 0.4, 0.2, 0.0), "holds"),
    "as printed, gaps of 0.2 %": ((0.06, 0.04, 0.02, 0.0), "holds"),
    "two swapped by 0.1 %": ((0.4, 0.19, 0.2, 0.0), "broken"),
    "two swapped by 2 %": ((0.6, 0.2, 0.4, 0.0), "broken"),
}


def main():
    """Print one table per kind of verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    print(f"{draws} draws per line, per cent\n")
    _head("noise", "shift", "truth", "reproduced", "differs", "undecided", "wrong")
    for noise in NOISES:
        for shift in SHIFTS:
            right = truth(noise, shift)
            found = value_verdicts(noise, shift, draws)
            shares = [_share(found, word) for word in ("reproduced", "differs", "undecided")]
            wrong = shares[1 if right == "reproduced" else 0]
            _line(noise.name, f"{shift:.0%}", right, *shares, wrong)
    _head("seeds", "effect / spread", "supported", "contradicted", "undecided", "wrong")
    for seeds in (2, 3, 10):
        for effect in EFFECTS:
            found = claim_verdicts(seeds, effect, draws)
            shares = [_share(found, word) for word in ("supported", "contradicted", "undecided")]
            _line(str(seeds), f"{effect:g}", *shares, shares[1] + (shares[0] if not effect else 0))
    _head("scenes", "true order", "holds", "broken", "undecided", "wrong")
    for scenes in (7, 20):
        for name, (levels, right) in ORDERS.items():
            found = order_verdicts(levels, scenes, draws)
            shares = [_share(found, word) for word in ("holds", "broken", "undecided")]
            _line(str(scenes), name, *shares, shares[1 if right == "holds" else 0])


def _share(found, word):
    return 100 * found.count(word) / len(found)


def _head(*words):
    print("| " + " | ".join(words) + " |")
    print("|" + "---|" * len(words))


def _line(*cells):
    texts = [cell if isinstance(cell, str) else f"{cell:.1f}" for cell in cells]
    print("| " + " | ".join(texts) + " |", flush=True)


if __name__ == "__main__":
    main()
