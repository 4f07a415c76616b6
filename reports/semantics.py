"""Do the semantics help? SegFANet against controls that lack them (docs/statistics.md)."""

from collections.abc import Iterator

from harness.disk.schema import read_yaml
from reports.analysis import REFERENCE, Analysis
from reports.claims import Claim, judge_pair, judge_rank
from reports.plan import PlannedDataset
from reports.printed import PAPER
from reports.rows import representatives
from reports.verdicts import Judgement

PLACE = "Semantics"


def definitions() -> dict[str, list[list[str]]]:
    """Read the controls: `semantics` and `capacity` → pairs of a setting and a claim in words."""
    return dict(read_yaml(PAPER / "semantics.yaml"))


def controls(dataset: PlannedDataset) -> list[str]:
    """Return the controls among the rows of a data set, in the order of their definition."""
    pairs = [pair for several in definitions().values() for pair in several]
    return [method for method, _ in pairs if method in dataset.rows]


def semantics_claims(dataset: PlannedDataset, analysis: Analysis) -> Iterator[Claim]:
    """Judge the thesis by the controls of a data set that ran; without any, nothing is judged."""
    ran = controls(dataset)
    rows = representatives(analysis, [REFERENCE, *ran], literal=False)

    def claim(text: str, metric: str, judgement: Judgement) -> Claim:
        return Claim(PLACE, dataset.name, text, metric.upper(), judgement, network="ours")

    lacking = [method for method, _ in definitions()["semantics"] if method in ran]
    for metric in analysis.metrics if lacking else ():
        judged = judge_rank(analysis, rows, [REFERENCE, *lacking], REFERENCE, metric, 1)
        yield claim("The semantics help: SegFANet beats every control", metric, judged)
    for method, text in (pair for several in definitions().values() for pair in several):
        for metric in analysis.metrics if method in ran else ():
            yield claim(text, metric, judge_pair(analysis, rows, REFERENCE, method, metric))
