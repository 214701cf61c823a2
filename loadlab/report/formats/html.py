"""Findings as report.html: one self-contained page that works offline, with and without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from loadlab.report import labels, numbers
from loadlab.report.content import (
    added_latency,
    aftermaths,
    charts,
    comparisons,
    gates,
    holding,
    matrix,
    over_an_hour,
    spread,
    story,
    tables,
    verdicts,
)
from loadlab.report.formats.base import Report
from loadlab.report.page import parts
from loadlab.report.templating import dense_rows, templates
from loadlab.store import layout

if TYPE_CHECKING:
    from jinja2 import Template

    from loadlab.model.findings import Findings


@dataclass(frozen=True, kw_only=True, slots=True)
class HtmlPage(Report):
    """The browser is told to run the page's own scripts only, and to fetch nothing at all."""

    filename: ClassVar[str | None] = layout.report("html")
    media_type: ClassVar[str] = "text/html; charset=utf-8"

    def render(self, findings: Findings) -> str:
        page = _template().render(
            **parts(charts.build(findings)),
            title=story.title(findings),
            brief=verdicts.brief(findings) or story.title(findings),
            to_set=verdicts.to_set(findings),
            findings=findings,
            matrix=matrix.build(findings),
            advice=verdicts.build(findings),
            no_verdict=verdicts.none(findings),
            overview=verdicts.overview(findings),
            gates=gates.build(findings),
            added_latency=added_latency.build(findings),
            latency_lead=added_latency.LEAD,
            compared=comparisons.build(findings),
            aftermaths=aftermaths.build(findings),
            aftermaths_title=aftermaths.TITLE,
            holding=holding,
            spread=spread.build(findings),
            over_an_hour=over_an_hour.build(findings),
        )
        return numbers.writable(page)


@cache
def _template() -> Template:
    environment = templates("loadlab.report")
    environment.globals.update(
        layout=layout, labels=labels, numbers=numbers, story=story, tables=tables, dense_rows=dense_rows
    )
    return environment.get_template("report.html.jinja")
