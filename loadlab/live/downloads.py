"""The reports of a run, as they lie in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.routing import Route

from loadlab.live.reading.runs import inside
from loadlab.report import REPORTS

if TYPE_CHECKING:
    from starlette.requests import Request

    from loadlab.live.reading.runs import Runs

# A report's page brings its own script and style. It is kept apart from this page's own origin, and may fetch nothing.
APART: Final = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def media_types() -> dict[str, str]:
    """Of each file that a report format writes."""
    return {report.filename: report.media_type for name in REPORTS if (report := REPORTS[name]).filename}


def report(request: Request) -> FileResponse:
    runs: Runs = request.app.state.runs
    name = request.path_params["report"]
    run = runs.find(request.path_params["run"])
    kinds = media_types()
    file = inside(run, name) if run and name in kinds else None
    if file is None:
        raise HTTPException(404, "This run has no such report.")
    return FileResponse(file, media_type=kinds[name], headers={"content-security-policy": APART})


routes = [Route("/runs/{run}/{report}", report)]
