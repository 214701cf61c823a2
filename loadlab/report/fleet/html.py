"""A fleet's answer as fleet.html: one self-contained page that works offline, with and without JavaScript."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from loadlab.report import labels, numbers
from loadlab.report.fleet import charts, tables, words
from loadlab.report.page import parts
from loadlab.report.templating import dense_rows, templates

if TYPE_CHECKING:
    from jinja2 import Template

    from loadlab.model.fleet_outcome import FleetAnswer


def as_html(answer: FleetAnswer) -> str:
    recommend = answer.verdict.recommend
    page = _template().render(
        **parts(charts.build(answer)),
        answer=answer,
        chosen=answer.outcomes[answer.verdict.chosen],
        recommend=recommend,
        setting=numbers.setting(recommend, words.names(answer)[answer.verdict.chosen]),
        rest=numbers.rest_of_recommendation(recommend),
        server=labels.title(answer.server.name),
        figures=tables.figures(answer),
        follows=words.follows(answer),
        caveats=words.caveats(answer),
    )
    return numbers.writable(page)


@cache
def _template() -> Template:
    environment = templates("loadlab.report")
    environment.globals.update(numbers=numbers, words=words, dense_rows=dense_rows)
    return environment.get_template("fleet.html.jinja")
