"""Parameters and operations of SegFANet: the hand derivation of docs/segfanet.md holds."""

import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from harness.disk.schema import ROOT
from harness.fusing.cost import OperationCounter, gflops, parameters
from tests.helpers.segfanet_variants import FOUND, VARIANTS

GROUPS = ("encoders", "IRM", "CAM", "FFM", "decoders")
META = torch.device("meta")
"""Tensors of this device have shapes but no values, so the full network costs nothing."""


def tables():
    """Return the rows of all tables of the text, as lists of cells without markup."""
    text = (ROOT / "docs" / "segfanet.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


@dataclass(frozen=True)
class Part:
    """One row of the table of sums."""

    name: str
    group: str
    present: str
    parameters: str
    operations: str


PARTS = [Part(*row) for row in tables() if len(row) == 5 and row[1] in GROUPS]


def evaluate(formula, **letters):
    """Compute a formula such as `(72d² + 18d)M`, factors written side by side."""
    product = re.sub(r"(?<=[\w²⁴)])(?=[A-Za-z(])", "*", formula)
    return eval(product.replace("²", "**2").replace("⁴", "**4"), {"__builtins__": {}}, letters)


def present(condition, config, stage):
    """Say whether a part exists: `always`, or conditions on IRM, CAM, i and k joined by `and`."""
    clauses = {
        "always": True,
        "literal": config.segmentation_norm == "none",
        "IRM": config.irm,
        "CAM": config.cam,
        "i ≤ k": stage <= config.sinets,
        **{f"k ≥ {n}": config.sinets >= n for n in (1, 2, 3)},
    }
    return all(clauses[clause] for clause in condition.split(" and "))


def derived(config, height, width, column):
    """Compute the value of each group by the formulas of the text."""
    sums = dict.fromkeys(GROUPS, 0)
    for part in PARTS:
        for stage in (1, 2, 3) if part.name.endswith("each stage") else (1,):
            if present(part.present, config, stage):
                sums[part.group] += evaluate(
                    getattr(part, column),
                    c=config.width,
                    K=config.classes,
                    N=height * width,
                    d=config.channels[stage - 1],
                    M=height * width / 4 ** (stage - 1),
                    p=config.pool[stage - 1],
                )
    return sums


def group_of(name):
    """Return the group to which a parameter or module of the network belongs."""
    if "encoder" in name:
        return "encoders"
    return next((g for g in ("IRM", "CAM", "FFM") if f".{g.lower()}." in f"{name}."), "decoders")


def load(name, device="cpu", **options):
    with torch.device(device):
        return FOUND[name].load(**options).eval()


def test_the_text_lists_every_part():
    assert [part.name for part in PARTS if part.present == "always"] == [
        "segmentation encoder",
        "fusion encoder",
        "fusion decoder",
        "segmentation decoder",
    ]
    assert {part.group for part in PARTS} == set(GROUPS)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("width", "classes"), [(4, 5), (32, 7)])
def test_parameters_of_every_group(name, width, classes):
    method = load(name, META, width=width, classes=classes)
    expected = derived(method.config, 4, 4, "parameters")
    found = dict.fromkeys(GROUPS, 0)
    for key, parameter in method.named_parameters():
        found[group_of(key)] += parameter.numel()
    assert found == expected
    assert parameters(method) == sum(expected.values())


@pytest.mark.parametrize("name", VARIANTS)
def test_operations_of_the_whole_network(name):
    method = load(name, width=4, classes=5, pool=(6, 5, 4))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        method(*torch.rand(2, 1, 1, 64, 96))
    assert counter.get_total_flops() == sum(derived(method.config, 64, 96, "operations").values())
    with torch.no_grad(), OperationCounter() as ours:
        method(*torch.rand(2, 1, 1, 64, 96))
    assert ours.total == counter.get_total_flops()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_operations_are_those_that_torch_counts(mode):
    """Composite operations too, which arrive whole in inference mode, and backward passes."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2),
        torch.nn.ConvTranspose2d(8, 4, 2),
        torch.nn.Flatten(2),
        torch.nn.Linear(64, 16),
        torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True),
    )

    def run(counter):
        with mode(), counter:
            total = torch.einsum("bij,bkj->bik", *(layers(torch.ones(2, 3, 15, 15)),) * 2).sum()
            if total.requires_grad:
                total.backward()

    run(ours := OperationCounter())
    run(torchs := FlopCounterMode(display=False))
    assert ours.total == torchs.get_total_flops() > 0


def test_counting_operations_loads_no_compiler():
    """Every job that fuses counts once; torch's compiler takes a second to load."""
    program = (
        "import sys, torch\n"
        "from harness.fusing.cost import OperationCounter\n"
        "with OperationCounter() as counter: torch.nn.Linear(2, 3)(torch.ones(1, 2))\n"
        "assert counter.total == 12\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def numbers(title):
    """Return the rows of a table of numbers by variant; `title` heads its last column."""
    rows = tables()
    start = next(i for i, row in enumerate(rows) if row[-1] == title) + 1
    found = {}
    for row in rows[start : start + len(VARIANTS)]:
        found[row[0]] = [float(cell.replace(",", "").rstrip(" %")) for cell in row[1:]]
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_printed_costs_at_full_width(name):
    printed = numbers("GFLOP, 6 classes")[FOUND[name].title]
    for classes, (count, operations) in ((7, printed[:2]), (6, printed[2:])):
        method = load(name, META, classes=classes)
        assert count == parameters(method)
        assert operations == pytest.approx(gflops(method, (320, 320), META), abs=0.051)


@pytest.mark.parametrize("title", ["decoders, parameters", "decoders, operations"])
@pytest.mark.parametrize("name", VARIANTS)
def test_printed_shares(name, title):
    config = load(name, META, classes=7).config
    sums = derived(config, 320, 320, title.split(", ")[1])
    shares = [100 * sums[group] / sum(sums.values()) for group in GROUPS]
    assert numbers(title)[FOUND[name].title] == pytest.approx(shares, abs=0.051)
