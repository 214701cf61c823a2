"""The pages themselves: all runs, one run, two side by side; what moves on them comes by streams."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from loadlab.live.reading.summary import summaries
from loadlab.probes import unplaced
from loadlab.report import numbers
from loadlab.report.templating import templates
from loadlab.store import layout

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request

    from loadlab.live.reading.runs import Runs


def page(template: str, *, status_code: int = 200, **values: object) -> HTMLResponse:
    text = _templates().get_template(template).render(**values)
    return HTMLResponse(numbers.writable(text), status_code=status_code)


@cache
def _templates() -> Environment:
    environment = templates("loadlab.live")
    environment.globals.update(layout=layout)
    return environment


def all_runs(request: Request) -> HTMLResponse:
    runs: Runs = request.app.state.runs
    return page("runs.html.jinja", runs=summaries(runs), folder=str(runs.folder.name))


def all_runs_json(request: Request) -> JSONResponse:
    return JSONResponse([asdict(one) for one in summaries(request.app.state.runs)])


def one_run(request: Request) -> HTMLResponse:
    return page("run.html.jinja", names=_known(request, "run"), quantities=unplaced())


def two_runs(request: Request) -> HTMLResponse:
    return page("run.html.jinja", names=_known(request, "left", "right"), quantities=unplaced())


def _known(request: Request, *parameters: str) -> list[str]:
    runs: Runs = request.app.state.runs
    names = [request.path_params[parameter] for parameter in parameters]
    if not all(runs.is_known(name) for name in names):
        raise HTTPException(404, "This folder has no such run.")
    return names


def not_found(request: Request, error: Exception) -> HTMLResponse:  # noqa: ARG001  a handler's signature
    return page("missing.html.jinja", status_code=404, why=getattr(error, "detail", ""))


routes = [
    Route("/", all_runs),
    Route("/runs.json", all_runs_json),
    Route("/runs/{run}", one_run),
    Route("/beside/{left}/{right}", two_runs),
    Mount("/assets", StaticFiles(packages=[("loadlab.live", "assets"), ("loadlab.report", "assets")])),
]
