"""Where the time of opening a connection goes, as PostgreSQL and its client tell together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal

# Why it is not known: the log of another's PostgreSQL is not the lab's to read, an older one does not tell, or too few
# connections were opened, as where the project's own pool gives them out.
Unknown = Literal["", "given", "older", "too_few"]
FEWEST: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """One connection that was opened, in seconds: `total` by the client, with its `client_cpu`; the rest by the server.

    `setup` is the server's own time, from when it accepts the connection until it waits for a query. It includes its
    `fork` and its `authentication`, and that includes the waits for the client's messages.
    """

    total: float
    client_cpu: float
    setup: float
    fork: float
    authentication: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenTimes:
    """The means of `opens` connections: the middle half of all by their total, so that the parts add up.

    `strategy` is how the client logs in: "" by its password, or the name of a strategy. `server` is the server's time
    that is neither fork nor authentication, `outside` what is left of the total: the network, and the client.
    """

    strategy: str
    opens: int
    total: float
    fork: float
    authentication: float
    server: float
    outside: float
    client_cpu: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Opens:
    """What a run knows of it: for each way to log in, or why it is `unknown`."""

    times: tuple[OpenTimes, ...] = ()
    unknown: Unknown = ""


def summed_up(strategy: str, openings: Sequence[Opening]) -> OpenTimes | None:
    """None for too few."""
    if len(openings) < FEWEST:
        return None
    ordered = sorted(openings, key=lambda one: one.total)
    quarter = len(ordered) // 4
    middle = ordered[quarter : len(ordered) - quarter]
    mean = {part.name: sum(getattr(one, part.name) for one in middle) / len(middle) for part in fields(Opening)}
    return OpenTimes(
        strategy=strategy,
        opens=len(middle),
        total=mean["total"],
        fork=mean["fork"],
        authentication=mean["authentication"],
        server=mean["setup"] - mean["fork"] - mean["authentication"],
        outside=mean["total"] - mean["setup"],
        client_cpu=mean["client_cpu"],
    )
