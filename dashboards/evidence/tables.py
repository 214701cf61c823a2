"""The tables of dashboards/queries.md: every query with what it returned, and every figure with how far off it was."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.evidence.answers import answer
from dashboards.evidence.committed import DASHBOARDS, TARGETS
from dashboards.evidence.figures import FIGURES, deviations
from dashboards.source.lab import LAB
from dashboards.source.promql import comma

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dashboards.evidence.answers import Span
    from dashboards.evidence.api import Answer, Api
    from dashboards.evidence.committed import Target
    from dashboards.evidence.figures import Deviation, Figure
    from dashboards.evidence.trials import Recorded

ROUNDING = 1e-6
DOCUMENT = Path(__file__).parents[1] / "queries.md"


def placed(document: str, name: str, table: str) -> str:
    """The document with `table` between the marks of that name.

    >>> placed("<!-- x -->old<!-- /x -->", "x", "new")
    '<!-- x -->new<!-- /x -->'
    """
    return re.sub(
        rf"(<!-- {name} -->).*?(<!-- /{name} -->)",
        lambda marks: f"{marks[1]}{table}{marks[2]}",
        document,
        flags=re.DOTALL,
    )


def panels(api: Api, span: Span) -> str:
    return f"\nAnswered by Prometheus {api.version()}.\n" + "".join(
        f"\n### {found['title'].removeprefix('loadlab: ')}\n\n{found['description']}\n\n{_of(name, api, span)}"
        for name, found in DASHBOARDS.items()
    )


def _of(dashboard: str, api: Api, span: Span) -> str:
    rows = [_row(target, answer(api, target, span)) for target in TARGETS if target.dashboard == dashboard]
    return _table(("panel", "query", "series", "values"), rows)


def _row(target: Target, found: Sequence[Answer]) -> tuple[str, ...]:
    values = [value for series in found for _, value in series.points if math.isfinite(value)]
    seen = _number(min(values)) if min(values) == max(values) else f"{_number(min(values))} to {_number(max(values))}"
    return target.panel, f"`{_brief(target.expr)}`", str(len(found)), seen


def _brief(expr: str) -> str:
    """Without the matchers that all queries of the lab's dashboards share."""
    return expr.replace(comma(LAB.matchers), "…").replace("|", r"\\|")


def tolerances(api: Api, trials: Sequence[Recorded], span: Span) -> str:
    rows = [
        (f"`{figure.field}`", _promised(figure), _found(deviations(api, figure, trials, span)), figure.why)
        for figure in FIGURES
    ]
    return _table(("figure of a trial", "may be off by", "was off by", "why"), rows)


def _promised(figure: Figure) -> str:
    if figure.tolerance is None:
        return "no promise"
    return f"{100 * figure.tolerance:g} %"


def _found(found: Sequence[Deviation]) -> str:
    off = [one.relative for one in found]
    return f"{min(off):+.1%} to {max(off):+.1%}" if any(abs(one) > ROUNDING for one in off) else "0 %"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, tuple("---" for _ in head), *rows)
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float) -> str:
    """Whole numbers whole, others with three digits.

    >>> _number(1234.0), _number(0.00123456), _number(0.0)
    ('1234', '0.00123', '0')
    """
    return f"{value:.0f}" if value == round(value) else f"{value:.3g}"
