"""What the counts of a server mode say about its setting: codes, each with the rows that it follows from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.behaviour import BehaviourRow
from loadlab.model.config import Config
from loadlab.model.findings import Snippet

# What happens to connections that are kept open after a request. "kept by clients": only a client that keeps its own
# connection to the server finds its database connection again. "grows in pauses": they are reused under steady load,
# but each pause leaves some that no request finds again.
Fate = Literal["reused", "grows in pauses", "kept by clients", "leaks", "fails", "undecided"]
# To keep connections, to close them after each request, or to serve Django in another way.
Choice = Literal["keep", "close", "other server"]
# What becomes of open connections when the server is asked to stop; "not known" where none was open.
Stop = Literal["closes", "abandons", "abandons kept clients'", "abandons some", "not known"]
# Of a strategy in a server mode: requests find connections again, or a pooler bounds what PostgreSQL sees; or it ends
# the leak, but each request still opens one; or it changes nothing for the better.
Effect = Literal["reuses", "bounds", "ends leak", "no help"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """A strategy that was counted in a server mode, and what it did there."""

    strategy: Config
    driver: str
    effect: Effect
    rows: tuple[BehaviourRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Impossible:
    """A strategy that cannot work in a server mode, and why."""

    strategy: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerAdvice:
    """What follows for one server mode.

    `kept` are its rows with CONN_MAX_AGE above 0, `closed` those at 0; `left_at_zero` is the most that those left
    open. `checks_help`: health checks saved requests
    after a restart of the database. `snippets` are what to write for `choice`.
    """

    server: Config
    fate: Fate
    choice: Choice
    checks_help: bool
    left_at_zero: int
    stop: Stop
    kept: tuple[BehaviourRow, ...]
    closed: tuple[BehaviourRow, ...]
    tried: tuple[Tried, ...]
    impossible: tuple[Impossible, ...]
    snippets: tuple[Snippet, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WhichSetting:
    """The advice for each server mode that a recording has, and the modes that it has not."""

    advice: tuple[ServerAdvice, ...]
    uncounted: tuple[str, ...]
