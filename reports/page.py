"""Rendering the HTML page."""

import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.figures import data_url, draw_panel, panels
from reports.formats import status_mark
from reports.run import Report
from reports.tables import heading

TEMPLATES = Path(__file__).parent / "templates"


def render(report: Report) -> str:
    """Render the whole page; every text from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(heading=heading, status_mark=status_mark, isnan=math.isnan)
    figures = [
        (dataset, panel, data_url(draw_panel(panel)))
        for dataset in report.outline.datasets
        for panel in panels(report.outline, dataset, report.runs[dataset.name])
    ]
    stores = {dataset.name: store for dataset, store in report.stores()}
    provenance = report.provenance()
    return environment.get_template("page.html").render(
        outline=report.outline,
        tables=report.tables,
        failures=report.failures(),
        figures=figures,
        stores=stores,
        provenance=provenance,
        machine=provenance[0]["machine"] if provenance else {},
        packages=provenance[0]["packages"] if provenance else {},
        git=provenance[0]["git"] if provenance else {},
    )
