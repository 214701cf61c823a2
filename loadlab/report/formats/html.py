"""Findings as report.html: one self-contained page that works offline, with and without JavaScript."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, ClassVar

from markupsafe import Markup

from loadlab.report import labels, numbers
from loadlab.report.content import added_latency, charts, matrix, story, tables, verdicts
from loadlab.report.formats.base import Report
from loadlab.report.templating import dense_rows, templates
from loadlab.store import layout

if TYPE_CHECKING:
    from jinja2 import Template

    from loadlab.model.findings import Findings
    from loadlab.report.content.charts import Charts

LIBRARY, NUMBERS, SCRIPT, TABLES = SCRIPTS = ("echarts.min.js", "numbers.js", "report.js", "tables.js")
STYLE = "report.css"
# The characters with which text could leave a <script> block, or end a line of JavaScript.
_UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True, kw_only=True, slots=True)
class HtmlPage(Report):
    """The browser is told to run the page's own scripts only, and to fetch nothing at all."""

    filename: ClassVar[str | None] = layout.report("html")
    media_type: ClassVar[str] = "text/html; charset=utf-8"

    def render(self, findings: Findings) -> str:
        series = charts.build(findings)
        page = _template().render(
            title=story.title(findings),
            brief=verdicts.brief(findings) or story.title(findings),
            to_set=verdicts.to_set(findings),
            policy=content_security_policy(),
            style=Markup(_asset(STYLE)),  # noqa: S704  a file of this package
            library=Markup(_asset(LIBRARY)),  # noqa: S704
            numbers_script=Markup(_asset(NUMBERS)),  # noqa: S704
            script=Markup(_asset(SCRIPT)),  # noqa: S704
            tables_script=Markup(_asset(TABLES)),  # noqa: S704
            chart_data=Markup(embedded_json(series)),  # noqa: S704  escaped for its place
            charts=series,
            findings=findings,
            matrix=matrix.build(findings),
            advice=verdicts.build(findings),
            overview=verdicts.overview(findings),
            added_latency=added_latency.build(findings),
            latency_lead=added_latency.LEAD,
        )
        return numbers.writable(page)


def content_security_policy() -> str:
    """Allows the inline scripts and the style by their hashes, and no connection anywhere."""
    scripts = " ".join(_hash(name) for name in SCRIPTS)
    return (
        f"default-src 'none'; script-src {scripts}; style-src {_hash(STYLE)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def embedded_json(series: Charts) -> str:
    """The charts' series as JSON that is safe inside a <script> element."""
    return json.dumps(asdict(series), separators=(",", ":"), allow_nan=False).translate(_UNSAFE)


@cache
def _asset(name: str) -> str:
    return (resources.files("loadlab.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _hash(name: str) -> str:
    digest = hashlib.sha256(_asset(name).encode()).digest()
    return f"'sha256-{b64encode(digest).decode()}'"


@cache
def _template() -> Template:
    environment = templates("loadlab.report")
    environment.globals.update(
        layout=layout, labels=labels, numbers=numbers, story=story, tables=tables, dense_rows=dense_rows
    )
    return environment.get_template("report.html.jinja")
