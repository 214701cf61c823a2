"""Serves the application with uvicorn, and lets open streams say farewell before it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn

from loadlab.live.app import application

if TYPE_CHECKING:
    from loadlab.live.reading.runs import Runs


def serve(runs: Runs, *, host: str, port: int, token: str | None) -> None:
    """Answer until a signal comes."""
    server: uvicorn.Server
    app = application(runs, host=host, token=token, ending=lambda: server.should_exit)
    server = uvicorn.Server(
        uvicorn.Config(
            app, host=host, port=port, log_level="warning", access_log=False, server_header=False, lifespan="off"
        )
    )
    server.run()
