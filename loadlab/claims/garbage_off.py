"""Without garbage collection, only as many requests succeed as PostgreSQL has connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from loadlab.claims.base import Claim, aged, served
from loadlab.lab.behaviour import TOO_MANY, flood
from loadlab.lab.fixture import running_server
from loadlab.model.behaviour import BehaviourFigure

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture
    from loadlab.model.behaviour import Setting

SETTINGS: Final = {"runserver": served("threaded", aged(600)), "gevent": served("gevent", aged(600), workers=1)}


class GarbageOff(Claim):
    """The worst that a leak can do, and the one that does not depend on when Python collects its garbage."""

    source: ClassVar[str] = (
        "Aymeric Augustin, 'Persistent connections, take 2', django-developers, 18 March 2013: 'keeps connections open"
        " until they're garbage collected'; 'Florian independently discovered the same problem with gunicorn + gevent'"
    )

    def run(self, postgres: PostgresFixture) -> tuple[BehaviourFigure, ...]:
        return tuple(_figure(name, setting, postgres) for name, setting in SETTINGS.items())


def _figure(name: str, setting: Setting, postgres: PostgresFixture) -> BehaviourFigure:
    with running_server(setting, postgres) as server:
        counts = flood(server)
    requests, free = postgres.scale.requests, postgres.scale.free
    refused = counts["flood_errors"].get(TOO_MANY, 0)
    return BehaviourFigure(
        figure=f"requests of {requests} that are answered under {name}, with {free} connections left",
        published="as many as there are connections",
        measured=f"{requests - counts['flood_failed']}; {refused} others were refused a connection",
        holds=counts["flood_failed"] == refused == requests - free,
    )
