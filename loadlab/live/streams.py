"""What open pages hear: server-sent events of one run, from wherever a page has come to."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from starlette.routing import Route

from loadlab.live.reading.run_view import Shown, as_json, version
from loadlab.live.reading.run_views import run_views
from loadlab.live.reading.timeline import COLUMNS
from loadlab.live.reading.unreadable import UnreadableRunError, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from loadlab.live.reading.run_state import State
    from loadlab.live.reading.run_view import RunView, Which
    from loadlab.live.reading.runs import Runs

TICK_SECONDS: Final = 0.5
PART_BYTES: Final = 1 << 20  # of progress between two messages: a run of hours is drawn as it is read
RETRY_MILLISECONDS: Final = 2000
SILENCE_SECONDS: Final = 15.0  # a comment then keeps proxies and browsers from taking us for dead
_LINES: Final[tuple[Which, ...]] = ("trial", "run")


@dataclass(kw_only=True, slots=True)
class Position:
    """How far a page has come: its id is what the page sends back to go on from there."""

    run: str = ""
    overview: str = ""
    dashboard: str = ""
    shown: dict[str, Shown] = field(default_factory=dict)

    def id(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> Position:
        """From the beginning, if the text says nothing that we have ever said."""
        with suppress(ValidationError):
            return _POSITION.validate_json(text)
        return cls()


_POSITION: Final = TypeAdapter(Position)


def events(request: Request) -> StreamingResponse:
    runs: Runs = request.app.state.runs
    name = request.path_params["run"]
    if not runs.is_known(name):
        raise HTTPException(404, "This folder has no such run.")
    # A browser that lost us says so by the header; a page that comes back to the front, by the query.
    told = request.headers.get("last-event-id") or request.query_params.get("after", "")
    stream = _stream(runs, name, Position.of(told), request.app.state.ending)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _stream(runs: Runs, name: str, position: Position, ending: Callable[[], bool]) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    spoken = time.monotonic()
    while True:
        ends = ending()
        messages, more = await _messages(runs, name, position, ends=ends)
        for event, data in messages:
            yield f"event: {event}\ndata: {data}\nid: {position.id()}\n\n"
            spoken = time.monotonic()
        if ends:
            yield "event: farewell\ndata: {}\n\n"
            return
        if time.monotonic() - spoken > SILENCE_SECONDS:
            yield ": still here\n\n"
            spoken = time.monotonic()
        await asyncio.sleep(0 if more else TICK_SECONDS)


async def _messages(runs: Runs, name: str, position: Position, *, ends: bool) -> tuple[list[tuple[str, str]], bool]:
    """What a page at that position has not heard yet, and whether there is more to read.

    A page that has heard nothing hears at once how the run is; an analysis would keep it waiting.
    """
    try:
        with told():
            run = await asyncio.to_thread(_found, runs, name)
            if run is None:
                return _of_none("awaited" if name == runs.awaited else "unreadable", "It has gone.", position), False
            if ends or position.run == run.identity:
                await _assessed(run, wait=ends)
            return await asyncio.to_thread(_news, run, position), run.behind
    except UnreadableRunError as error:
        return _of_none("unreadable", str(error), position), False


_ANALYSES: set[asyncio.Task[None]] = set()


def _found(runs: Runs, name: str) -> RunView | None:
    path = runs.find(name)
    return run_views().of(path, PART_BYTES) if path else None


async def _assessed(run: RunView, *, wait: bool) -> None:
    """Start an analysis if there is something new; figures go on meanwhile."""
    if not run.is_stale():
        return
    task = asyncio.create_task(asyncio.to_thread(run.assess))
    _ANALYSES.add(task)
    task.add_done_callback(_ANALYSES.discard)
    if wait:
        await asyncio.wait({task})


def _of_none(state: State, reason: str, position: Position) -> list[tuple[str, str]]:
    """Of a run that is not there yet, or cannot be read, there is one thing to say."""
    overview = json.dumps({"state": state} if state == "awaited" else {"state": state, "reason": reason})
    if position == Position(overview=version(overview)):
        return []
    position.run, position.overview, position.dashboard, position.shown = "", version(overview), "", {}
    return [("overview", overview)]


def _news(run: RunView, position: Position) -> list[tuple[str, str]]:
    """What has changed since the position, which moves on to now."""
    if position.run != run.identity:
        position.run, position.overview, position.dashboard, position.shown = run.identity, "", "", {}
    messages = []
    overview = as_json(run.overview())
    if position.overview != version(overview):
        position.overview = version(overview)
        messages.append(("overview", overview))
    if run.dashboard and position.dashboard != version(run.dashboard):
        position.dashboard = version(run.dashboard)
        messages.append(("dashboard", run.dashboard))
    for which in _LINES:
        now, seconds, rows, start = run.points(which, position.shown.get(which))
        position.shown[which] = now
        if rows:
            points = {"of": which, "line": now.generation, "start": start, "seconds": seconds}
            points |= {"columns": COLUMNS, "rows": rows, "marks": run.marks(which)}
            messages.append(("points", json.dumps(points, separators=(",", ":"))))
    return messages


routes = [Route("/runs/{run}/events", events)]
