"""The HTML page of the report."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.methods.rows import Row
from metrics.registry import METRICS
from reports.analysis import mean_ranks
from reports.audit import change, change_text, describe_audit, read_audit
from reports.claims import UNJUDGED
from reports.costs import costs
from reports.deviations import deviations, weights_used
from reports.diagrams import rank_diagram
from reports.evidence import figure_claims
from reports.examples import RULE
from reports.explorer import explorer_data
from reports.figures import draw, drawings, page_url, png_of, write_files
from reports.formats import status_mark
from reports.learning import marked
from reports.learning_section import learning_of
from reports.plan import ReportPlan
from reports.printed import distinct_comparisons, paper_title
from reports.quality import CONTROLS, quality_checks
from reports.rows import why_unranked
from reports.run import Report
from reports.statistics import Comparison, Interval
from reports.tables import heading
from reports.verdicts import CLAIMS, VERDICTS, Judgement

TEMPLATES = Path(__file__).parent / "templates"


def render(report: Report, folder: Path | None = None) -> str:
    """Render the whole page; all text from outside is escaped.

    Args:
        report: what the page shows.
        folder: where the page will stand. Images that do not fit inside the page are written
            there; without a folder they are left out.
    """
    # Figures take most of the time, so everything that can be refused is read before them.
    texts = {**_results(report), **_background(report), "audits": _audits(report)}
    figures = _figures(report, folder)
    template = _environment().get_template("page.html")
    return template.render(
        **texts,
        figures=figures,
        hero=next((figure for figure in figures if figure["name"] == "figure2"), None),
        example_rule=RULE,
        by_hand=[dataset.name for dataset in report.plan.datasets if dataset.examples],
        explorer=explorer_data(report.plan, report.analyses, folder),
    )


def _figures(report: Report, folder: Path | None) -> list[dict[str, str]]:
    found = []
    for drawing in drawings(report.plan, report.analyses):
        figure = draw(drawing)
        png = png_of(figure)
        if folder is not None:
            write_files(figure, png, folder / "figures", drawing.name)
        words = {key: getattr(drawing, key) for key in ("name", "title", "caption", "alt")}
        found.append({**words, "url": page_url(png)})
    return found


def _audits(report: Report) -> list[dict[str, Any]]:
    plan = report.plan
    tables = {d.name: read_audit(plan.results / d.name / "audit.csv") for d in plan.datasets}
    return [
        describe_audit(plan, name, table, report.analyses[name].unlearned)
        for name, table in tables.items()
        if table is not None
    ]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        heading=heading,
        status_mark=status_mark,
        isnan=math.isnan,
        better=better,
        span=span,
        paper_title=paper_title,
    )
    return environment


def _results(report: Report) -> dict[str, Any]:
    plan, tables = report.plan, report.tables
    claims = [*report.claims(), *figure_claims(report)]
    cells = [cell for table in tables for row in table.rows for cell in row.cells]
    values = Counter(cell.judgement.verdict for cell in cells)
    judged = Counter(claim.judgement.verdict for claim in claims)
    ranking = mean_ranks(list(report.analyses.values()), _ranked_rows(plan))
    checks = quality_checks(report)
    return {
        "plan": plan,
        "tables": tables,
        "analyses": report.analyses,
        "failures": report.failures(),
        "unlearned": report.unlearned(),
        "counts": _counts(report),
        "methods": list(plan.methods.values()),
        "verdicts": {verdict: values[verdict] for verdict in VERDICTS if values[verdict]},
        "comparisons": len(distinct_comparisons()),
        "orders": [(table, order) for table in tables for order in table.orders],
        "claims": claims,
        "claim_counts": {v: judged[v] for v in (*CLAIMS, *UNJUDGED) if judged[v]},
        "deciders": _deciders([c.judgement for c in cells], [c.judgement for c in claims]),
        "deviations": deviations(report),
        "weights_used": weights_used(report),
        "learning": learning_of(report),
        "ranking": ranking,
        "rank_diagram": ranking
        and rank_diagram(ranking, [plan.method(row).title for row in ranking.rows]),
        "checks": checks,
        "beaten": next(check.findings for check in checks if check.title == CONTROLS),
        "rewards": stretch_rewards(report),
    }


DECIDERS = {
    "Nothing on our side, because the print rests on one training or other scenes": "no number",
    "More seeds": "seeds",
    "More scenes or tiles": "",
}
"""What would decide a case, and the part of `Judgement.decide` that says so."""


def _deciders(comparisons: list[Judgement], claims: list[Judgement]) -> dict[str, list[int]]:
    """Count undecided comparisons and claims by what would decide them."""

    def count(judgements: list[Judgement]) -> Counter[str]:
        undecided = [judged.decide for judged in judgements if judged.verdict == "undecided"]
        return Counter(next(w for w, part in DECIDERS.items() if part in d) for d in undecided)

    found = [count(comparisons), count(claims)]
    return {words: [c[words] for c in found] for words in DECIDERS if any(c[words] for c in found)}


def _background(report: Report) -> dict[str, Any]:
    provenance = report.provenance()
    first = provenance[0] if provenance else {}
    return {
        "stores": {dataset.name: report.plan.store(dataset) for dataset in report.plan.datasets},
        "costs": costs(report.plan, report.runs),
        "provenance": provenance,
        "machine": first.get("machine", {}),
        "packages": first.get("packages", {}),
        "git": first.get("git", {}),
    }


def _counts(report: Report) -> dict[str, int]:
    rows = {row for dataset in report.plan.datasets for row in dataset.rows}
    methods = [m for m in report.plan.methods.values() if m.name in rows]
    # Several rows of one method differ in their weights.
    kinds = Counter({Row.parse(m.name).method: m.kind for m in methods}.values())
    return {
        "methods": kinds["baseline"] + kinds["proposed"],
        "controls": kinds["control"],
        "ablations": kinds["ablation"],
        "runs": sum(len(runs) for runs in report.runs.values()),
        "seeds": max((len(method.seeds) for method in methods), default=0),
    }


def _ranked_rows(plan: ReportPlan) -> list[str]:
    """Return the raw rows that every data set has: a mean rank compares only those fairly."""
    return [
        name
        for name, method in plan.methods.items()
        if method.compared
        and not why_unranked(name, method.kind)
        and all(name in dataset.rows for dataset in plan.datasets)
    ]


def stretch_rewards(report: Report) -> list[dict[str, Any]]:
    """List how much each metric's mean changes when an output is only stretched."""
    rows = [
        (dataset, analysis, Row.parse(name), name)
        for dataset, analysis in report.analyses.items()
        for name in analysis.values
    ]
    return [
        {
            "dataset": dataset,
            "title": marked(report.plan.method(name).title, name, analysis.unlearned),
            "stretch": row.stretch,
            "changes": {
                m: change_text(change(analysis.mean(row.run.name, m), analysis.mean(name, m), m), m)
                for m in analysis.metrics
            },
        }
        for dataset, analysis, row, name in rows
        if not row.raw and row.run.name in analysis.values
    ]


def better(test: Comparison, metric: str) -> bool:
    """Whether a method beats SegFANet on a metric."""
    return METRICS[metric].sign * test.difference > 0


def span(interval: Interval) -> str:
    """Put an interval into words."""
    return f"{interval.low:+.4f} … {interval.high:+.4f}" if interval.known else "unknown"
