"""CONN_MAX_AGE together with libpq's time-outs: how long a connection waits for a network that does not answer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar

from loadlab.model.bounds import Before, Bounds
from loadlab.model.strategy import Changes, ServerTraits
from loadlab.strategies.base import Flag, MaxAge, Strategy, Variant, read_unlimited

Whole = Annotated[
    Annotated[int, Bounds(ge=1, le=86_400_000)] | None,
    Bounds(description='a whole number, 1 or more; or "none" for libpq\'s default'),
    Before(read_unlimited),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class MaxAgeWithTimeouts(Strategy):
    """CONN_MAX_AGE, and parameters of libpq in OPTIONS by their own names; None leaves one at libpq's default.

    `connect_timeout` is in seconds, for each attempt. `tcp_user_timeout` is in milliseconds, for what was sent and is
    not acknowledged. With `keepalives`, a connection that waits asks its peer after `keepalives_idle` seconds, again
    each `keepalives_interval`, and is given up after `keepalives_count` times without an answer.
    """

    proposed_by: ClassVar[str] = "PostgreSQL: keepalives in libpq since 9.0, tcp_user_timeout since 12"
    gives_up: ClassVar[tuple[str, ...]] = (
        "a network that is silent for longer than the time-outs fails requests which would have gone on after it",
        "tcp_user_timeout has an effect on Linux alone",
    )
    variants: ClassVar[tuple[Variant, ...]] = ()  # without a fault they are those of max_age

    max_age: MaxAge = 60
    conn_health_checks: Flag = False
    connect_timeout: Whole = 5
    tcp_user_timeout: Whole = 5000
    keepalives: Flag = True
    keepalives_idle: Whole = 5
    keepalives_interval: Whole = 2
    keepalives_count: Whole = 2

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002
        said = {name: getattr(self, name) for name in OF_LIBPQ}
        options = {name: int(value) for name, value in said.items() if value is not None}
        return Changes(
            database={
                "CONN_MAX_AGE": self.max_age,
                "CONN_HEALTH_CHECKS": self.conn_health_checks,
                "OPTIONS": options,
            }
        )


OF_LIBPQ = tuple(one.name for one in fields(MaxAgeWithTimeouts) if one.name not in {"max_age", "conn_health_checks"})
