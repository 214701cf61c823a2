"""Puts percentiles to the microsecond into what Locust's own page offers for download: its CSV and its report.

The page itself keeps Locust's rounded ones, because it asks for them all the time, and Locust's users would wait.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import request
from locust.stats import get_readable_percentiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from locust.env import Environment
    from locust.stats import StatsCSV
    from locust.web import WebUI

    from loadlab.load.locust_plugins.exact_percentiles import ExactPercentiles

REPORT: Final = "locust.stats_report"  # the endpoint
EXACT: Final = "get_response_time_percentile"  # what the report asks Locust's statistics for


def make_exact(web_ui: WebUI, environment: Environment, exact: ExactPercentiles) -> None:
    """From now on, in this page's downloads alone."""
    writer = web_ui.stats_csv_writer
    vars(writer)["requests_csv"] = partial(_requests_csv, writer, writer.requests_csv, exact)
    assert web_ui.app is not None  # noqa: S101  made by its constructor
    web_ui.app.before_request(lambda: _lend(environment, exact))
    web_ui.app.after_request(lambda response: _take_back(environment, response))


def _requests_csv(writer: StatsCSV, original: Callable[[Any], None], exact: ExactPercentiles, output: Any) -> None:  # noqa: ANN401
    """What Locust writes, with other figures in the columns of percentiles."""
    rows = _Rows()
    original(rows)
    header, *lines = rows.written
    columns = slice(header.index(get_readable_percentiles(writer.percentiles_to_report)[0]), len(header))
    output.writerow(header)
    for line in lines:
        figures = exact.milliseconds(line[0] or "", line[1], [share * 100 for share in writer.percentiles_to_report])
        if figures:
            line[columns] = [f"{figure:.3f}" for figure in figures]
        output.writerow(line)


class _Rows:
    """Stands in for a CSV writer."""

    def __init__(self) -> None:
        self.written: list[list[Any]] = []

    def writerow(self, row: Any) -> None:  # noqa: ANN401
        self.written.append(list(row))


def _lend(environment: Environment, exact: ExactPercentiles) -> None:
    """To Locust's statistics, as long as the report is made."""
    if request.endpoint == REPORT:
        for entry in (*environment.stats.entries.values(), environment.stats.total):
            vars(entry)[EXACT] = partial(_percentile, exact, entry.method or "", entry.name)


def _percentile(exact: ExactPercentiles, method: str, name: str, share: float) -> float:
    return next(iter(exact.milliseconds(method, name, [share * 100])), 0.0)


def _take_back(environment: Environment, response: Response) -> Response:
    if request.endpoint == REPORT:
        for entry in (*environment.stats.entries.values(), environment.stats.total):
            vars(entry).pop(EXACT, None)
    return response
