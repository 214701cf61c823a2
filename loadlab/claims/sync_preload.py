"""Workers that are forked after a query share its connection: they hang, and answer with each other's rows."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served
from loadlab.lab.application import Extras
from loadlab.lab.clients import answer
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure
from loadlab.system.background import together

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture, RunningServer
    from loadlab.model.behaviour import Setting

SYNC: Final = served("sync", aged(600), workers=2)
GTHREAD: Final = served("gthread", aged(600), workers=2, threads=2)
EXTRAS: Final = Extras(preload=True, apps=("loadlab.sample_app.eager.Eager",))
CLIENTS: Final = 8
EACH: Final = 20  # requests of a client in one load
MOST_LOADS: Final = 10  # until a request hangs; nearly always one does in the first
PATIENCE_SECONDS: Final = 3.0  # a request that hangs does so until gunicorn ends its worker, half a minute later
MASTERS: Final = 1  # connections of gunicorn's master, from the query before the fork


class SyncPreload(Claim):
    """gunicorn with --preload over a project that queries in AppConfig.ready(); each client asks for its own entry.

    A sync worker serves in the thread that was forked, and so with what that thread has open. gthread serves in other
    threads, which open their own connections.
    """

    source: ClassVar[str] = (
        "mihalikv, gunicorn issue #3384, 14 April 2025: 'Does it work?' with preload and sync workers: 'No', with"
        " threads: 'Yes'; jamadden, #1953, 16 January 2019: 'almost certainly not safe to share the same database"
        " socket between different processes [...] messages are interleaved in unexpected ways'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        sync, sync_sessions = _asked(SYNC, postgres)
        threads, threads_sessions = _asked(GTHREAD, postgres)
        return (
            BehaviourFigure(
                figure="sessions in PostgreSQL, for two sync workers",
                published="one socket for all",
                measured=str(sync_sessions),
                holds=sync_sessions == MASTERS,
            ),
            BehaviourFigure(
                figure="requests that get no answer, of sync workers",
                published="some",
                measured=f"{sync['none']} of {sync.total()}",
                holds=sync["none"] > 0,
            ),
            BehaviourFigure(
                figure="answers with an entry that another client has asked for, of sync workers",
                published="interleaved in unexpected ways",
                measured=f"{sync['other']} of {sync.total()}",
                holds=sync["other"] > 0,
            ),
            BehaviourFigure(
                figure="requests that get no answer or the wrong one, of gthread workers",
                published="it works",
                measured=f"{threads['none'] + threads['other']} of {threads.total()}",
                holds=threads["none"] + threads["other"] == 0 and threads_sessions > MASTERS,
            ),
        )


def _asked(setting: Setting, postgres: PostgresFixture) -> tuple[Counter[str], int]:
    """What became of all requests, and how many sessions PostgreSQL has then."""
    answers: Counter[str] = Counter()
    with running_server(setting, postgres, extras=EXTRAS) as server:
        for _ in range(MOST_LOADS):
            answers.update(_load(server))
            if answers["none"]:
                break
        return answers, server.judge.open_now()


def _load(server: RunningServer) -> Counter[str]:
    clients = [partial(_client, server.application.port, number) for number in range(1, CLIENTS + 1)]
    return sum(together(clients), Counter())


def _client(port: int, number: int) -> Counter[str]:
    return Counter(_ask(port, number) for _ in range(EACH))


def _ask(port: int, number: int) -> str:
    said = answer(port, f"/entries/{number}/", patience_seconds=PATIENCE_SECONDS)
    if said is None:
        return "none"
    return "own" if json.loads(said)["id"] == number else "other"
