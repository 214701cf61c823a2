"""A connection for each request, and a login that needs no derivation of keys from the password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class ScramKey(Strategy):
    """CONN_MAX_AGE = 0, and libpq 18 logs in by `scram_client_key` and `scram_server_key` of its service file."""

    proposed_by: ClassVar[str] = "PostgreSQL 18, 2025: made for foreign servers, it logs in any client"
    gives_up: ClassVar[tuple[str, ...]] = (
        "needs psycopg 3 with libpq 18 or newer, and a role with a SCRAM password",
        "a key to keep as safe as a password, and to make anew whenever the password is set",
        "each request still opens a connection: PostgreSQL forks, and the round trips stay",
    )
    refused: ClassVar[Mapping[str, str]] = {
        "max_age": "a kept connection logs in once, and gains nothing from a key; use the strategy max_age"
    }
    service: ClassVar[str] = "scram_key"
    # Its connections live as with max_age = 0: what it changes takes CPU time, and no count shows it.
    variants: ClassVar[tuple[Variant, ...]] = ()

    def incompatible(self, where: ServerTraits) -> str | None:
        if where.driver == "psycopg2":
            return (
                "psycopg2-binary brings libpq 17, which has no scram_client_key;"
                ' use driver = "psycopg" (psycopg[binary] brings libpq 18)'
            )
        return None

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002
        return Changes(database={"CONN_MAX_AGE": 0, "OPTIONS": {"service": self.service}})

    def life(self, where: ServerTraits) -> ConnectionLife | str:  # noqa: ARG002
        return (
            "its connections live as with max_age = 0, and what it saves at each login the model does not know; use"
            " max_age = 0, and compare the two in a plan"
        )
