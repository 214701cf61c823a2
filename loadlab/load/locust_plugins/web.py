"""A tab in Locust's own web page: what the site's database connections do, live, while Locust drives it.

It is there when Locust is told --target-metrics, for any locustfile that imports this module.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import time
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import gevent
from flask import Blueprint, Response, request
from locust import events
from locust.log import greenlet_exception_logger
from locust.runners import MasterRunner

from loadlab.load.locust_plugins.exact_downloads import make_exact
from loadlab.load.locust_plugins.exact_percentiles import ExactPercentiles, cell
from loadlab.load.locust_plugins.options import seconds
from loadlab.load.locust_plugins.site_metrics import TOKEN_VARIABLE, History, look
from loadlab.load.locust_plugins.site_table import rows, series

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment
    from locust.web import WebUI

TAB: Final = "connections"
TITLE: Final = "Connections"
STATISTICS: Final = "locust.request_stats"  # the endpoint that Locust's page asks every two seconds
COLUMNS: Final = {
    "alias": "Alias",
    "figure": "Figure",
    "now": "Now",
    "trend": "Last samples",
    "range": "Min – max",
    "total": "Total",
}
EXACT: Final = {  # sorted behind all others
    "name": "99999",
    "alias": "",
    "figure": "percentiles",
    "now": "rounded on the statistics tab; exact ones: Download Data, exact percentiles CSV",
    "trend": "",
    "range": "",
    "total": "",
}

_log_exception: Final = greenlet_exception_logger(logging.getLogger(__name__))  # type: ignore[no-untyped-call]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    parser.add_argument(
        "--target-metrics",
        type=address,
        metavar="URL",
        default=None,
        env_var="LOADLAB_TARGET_METRICS",
        include_in_web_ui=False,
        help=f"show the site's connection metrics in the web page, from there; their token goes into {TOKEN_VARIABLE}",
    )
    parser.add_argument(
        "--target-metrics-every",
        type=seconds,
        metavar="SECONDS",
        default=2.0,
        env_var="LOADLAB_TARGET_METRICS_EVERY",
        include_in_web_ui=False,
        help="seconds between two readings (default: 2)",
    )


def address(text: str) -> str:
    """A URL to look at, without a secret in it."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ArgumentTypeError(f"should be an address such as http://127.0.0.1:8000/metrics, not {text!r}")
    if parts.username or parts.password:
        raise ArgumentTypeError(f"every user of this machine would see the password; put a token into {TOKEN_VARIABLE}")
    return text


@events.init.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Environment, web_ui: WebUI | None = None, **_: object) -> None:
    """Follow the metrics and show them, where there is a page to show them in."""
    options = environment.parsed_options
    url = getattr(options, "target_metrics", None)
    if options is None or web_ui is None or not url:
        return
    history = History()
    follower = gevent.spawn(_follow, history, url, os.environ.get(TOKEN_VARIABLE), options.target_metrics_every)
    follower.link_exception(_log_exception)
    downloads: dict[str, tuple[str, Callable[[], str]]] = {
        "connections": ("Download connections CSV", lambda: _history_csv(history)),
    }
    if not isinstance(environment.runner, MasterRunner):  # whose workers keep their requests to themselves
        exact = ExactPercentiles()
        environment.events.request.add_listener(exact.add)  # type: ignore[no-untyped-call]
        environment.events.test_start.add_listener(exact.clear)  # type: ignore[no-untyped-call]
        environment.events.reset_stats.add_listener(exact.clear)  # type: ignore[no-untyped-call]
        make_exact(web_ui, environment, exact)
        downloads["percentiles"] = ("Download exact percentiles CSV", exact.to_csv)
    _show(web_ui, history, downloads, base_path=options.web_base_path)


def _follow(history: History, url: str, token: str | None, every_seconds: float) -> None:
    while True:
        look(history, url, token)
        gevent.sleep(max(every_seconds, 0.1))


def _show(
    web_ui: WebUI, history: History, downloads: dict[str, tuple[str, Callable[[], str]]], *, base_path: str | None
) -> None:
    """By what Locust has for extending its page: a tab, a table in it, and links among the downloads."""
    web_ui.template_args |= {
        "extended_tabs": [{"title": TITLE, "key": TAB}],
        "extended_tables": [{"key": TAB, "structure": [{"key": key, "title": name} for key, name in COLUMNS.items()]}],
        "extended_csv_files": [
            {"href": f"./loadlab/{name}.csv", "title": title} for name, (title, _) in downloads.items()
        ],
    }
    blueprint = Blueprint("loadlab", __name__, url_prefix=base_path)
    for name, (_, text) in downloads.items():
        view = web_ui.auth_required_if_enabled(_download(name, text))  # type: ignore[no-untyped-call]
        blueprint.add_url_rule(f"/loadlab/{name}.csv", endpoint=name, view_func=view)
    assert web_ui.app is not None  # noqa: S101  made by its constructor
    hints = [EXACT] if "percentiles" in downloads else []
    web_ui.app.after_request(lambda response: _with_rows(response, history, hints))
    web_ui.app.register_blueprint(blueprint)


def _with_rows(response: Response, history: History, hints: list[dict[str, str]]) -> Response:
    """Locust's statistics, with the table's rows; a response that refuses them stays as it is."""
    if request.endpoint == STATISTICS and response.is_json and isinstance(response.json, dict):
        extended = {**response.json, "extended_stats": [{"key": TAB, "data": [*rows(history), *hints]}]}
        response.set_data(json.dumps(extended))
    return response


def _download(name: str, text: Callable[[], str]) -> Callable[[], Response]:
    def respond() -> Response:
        stamp = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime())
        headers = {"Content-Disposition": f"attachment; filename={name}_{stamp}.csv"}
        return Response(text(), mimetype="text/csv", headers=headers)

    return respond


def _history_csv(history: History) -> str:
    """Every look that is kept, one figure a row; times are seconds of the epoch."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Time", "Alias", "Figure", "Value"])
    for at, alias, figure, value in series(history):
        writer.writerow([f"{at:.3f}", cell(alias), figure, f"{value:g}"])
    return text.getvalue()
