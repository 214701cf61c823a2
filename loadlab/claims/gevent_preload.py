"""gevent patches a preloaded project too late: all greenlets share one wrapper, and nearly every request fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served
from loadlab.lab.application import Extras
from loadlab.lab.behaviour import PATH
from loadlab.lab.clients import ClientPool
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

SETTING: Final = served("gevent", aged(600), workers=2)
WORDS: Final = b"can only be used in that same thread"
PATIENCE_SECONDS: Final = 5.0  # two greenlets that use one connection may wait for each other
NEARLY_EVERY: Final = 0.9


class GeventPreload(Claim):
    """Two workers of gunicorn, with --preload and without.

    Django makes a wrapper as soon as it loads a model: in gunicorn's master, so that it is no greenlet's own.
    """

    source: ClassVar[str] = (
        "gunicorn issue #927: the same 'DatabaseWrapper objects created in a thread can only be used in that same"
        " thread' from 4 November 2014 on; simmbot, 9 June 2015: 'removing the preload_app option from my gunicorn"
        " config file fixes the problem'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        failed, said = _failed(postgres, preload=True)
        otherwise, _ = _failed(postgres, preload=False)
        requests = postgres.scale.requests
        return (
            BehaviourFigure(
                figure=f"requests of {requests} that fail with --preload",
                published="they do, for use in another thread",
                measured=f"{failed}; {said} say so",
                holds=min(failed, said) >= NEARLY_EVERY * requests,
            ),
            BehaviourFigure(
                figure=f"requests of {requests} that fail without it",
                published="none",
                measured=str(otherwise),
                holds=otherwise == 0,
            ),
        )


def _failed(postgres: PostgresFixture, *, preload: bool) -> tuple[int, int]:
    """How many requests fail, and how often the server's log says that a wrapper was used in another thread."""
    with running_server(SETTING, postgres, extras=Extras(preload=preload)) as server:
        log = server.application.program.log
        mark = log.stat().st_size
        port, scale = server.application.port, postgres.scale
        failed = ClientPool(port, scale.clients, keep_alive=False, patience_seconds=PATIENCE_SECONDS).ask(
            PATH, scale.each
        )
        return failed, log.read_bytes()[mark:].count(WORDS)
