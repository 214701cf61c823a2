"""Every query of every dashboard returns data on a real Prometheus, and the figures are those of the run's record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from every import every

from dashboards.evidence.answers import answer, finite
from dashboards.evidence.committed import TARGETS
from dashboards.evidence.figures import FIGURES, deviations
from dashboards.evidence.recording import Recording
from dashboards.evidence.tables import DOCUMENT, panels, placed, tolerances
from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from dashboards.evidence.answers import Span
    from dashboards.evidence.api import Api
    from dashboards.evidence.committed import Target
    from dashboards.evidence.figures import Figure

RECORDING = Recording()


@every("target", TARGETS, ids=str)
def test_every_query_returns_a_number(target: Target, api: Api, span: Span) -> None:
    assert finite(answer(api, target, span))


@every("figure", FIGURES, ids=lambda figure: figure.field)
def test_figures_are_as_near_to_the_record_as_is_promised(figure: Figure, api: Api, span: Span) -> None:
    found = deviations(api, figure, RECORDING.trials(), span)
    assert any(one.exact for one in found), "nothing of the kind was recorded"
    if figure.tolerance is not None:
        assert not [one for one in found if abs(one.relative) > figure.tolerance]


def test_the_recording_covers_the_dashboards_modes_and_strategies() -> None:
    trials = RECORDING.trials()
    assert {one.server for one in trials} == {"threaded", "sync", "gevent"}
    assert {one.strategy for one in trials} == {"max_age=0", "max_age=60", "pool", "pgbouncer"}


@every("target", [one for one in TARGETS if one.panel == "Open connections, by holder"], ids=str)
def test_the_recording_shows_leaked_connections_beside_those_in_use(target: Target, api: Api, span: Span) -> None:
    highest = {one.labels["holder"]: max(value for _, value in one.points) for one in answer(api, target, span)}
    assert Holder.UNKNOWN.label not in highest, "it was recorded by a loadlab that does not know who holds one"
    assert highest[Holder.LEAKED.label] > highest[Holder.IN_USE.label] > 0
    assert highest[Holder.POOL.label] > 0


def test_tables_in_the_documentation_are_what_prometheus_answers(api: Api, span: Span) -> None:
    """Another version may see a sample at the border of a range otherwise; then only the queries are compared."""
    written = DOCUMENT.read_text("utf-8")
    found = placed(written, "panels", panels(api, span))
    found = placed(found, "tolerances", tolerances(api, RECORDING.trials(), span))
    if f"Prometheus {api.version()}" not in written:
        written, found = without_figures(written), without_figures(found)
    assert written == found, "run `make dashboards-tables`"


def without_figures(text: str) -> str:
    """Without what a query returned: the last two columns, and by which version."""
    return re.sub(r"(?m)^Answered by .*$| \| [^|]* \| [^|]* \|$", "", text)
