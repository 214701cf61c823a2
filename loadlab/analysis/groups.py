"""Cases that differ in their strategy alone: what one verdict is given for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.model.case import Case, OpenLoad, load_words, spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A server mode with all its parameters, under one scenario and one load, at one distance from the database."""

    server: str
    parameters: str
    scenario: str
    users: int
    keep_alive: bool
    round_trip_ms: float = 0.0
    open_load: OpenLoad | None = None


def group_of(case: Case) -> Group:
    return Group(
        server=case.server.name,
        parameters=str(case.server),
        scenario=case.scenario,
        users=case.users,
        keep_alive=case.keep_alive,
        round_trip_ms=case.round_trip_ms,
        open_load=case.open_load,
    )


def groups_of(cases: Iterable[Case]) -> tuple[Group, ...]:
    """In the order of the cases, each once."""
    return tuple(dict.fromkeys(map(group_of, cases)))


def server_name(group: Group, groups: Sequence[Group]) -> str:
    """The mode's bare name; with its parameters where the run has it with several."""
    several = {other.parameters for other in groups if other.server == group.server}
    return group.parameters if len(several) > 1 else group.server


def label(group: Group, groups: Sequence[Group]) -> str:
    """What tells this group from the others of the run, and nothing else, e.g. "gevent with keep-alive on"."""
    details = []
    if len({other.keep_alive for other in groups}) > 1:
        details.append(f"keep-alive {spell(group.keep_alive)}")
    if len({other.scenario for other in groups}) > 1:
        details.append(group.scenario)
    if len({(other.users, other.open_load) for other in groups}) > 1:
        details.append(load_words(group.users, group.open_load))
    if len({other.round_trip_ms for other in groups}) > 1:
        details.append(f"a round trip of +{spell(group.round_trip_ms)} ms")
    name = server_name(group, groups)
    return f"{name} with {', '.join(details)}" if details else name


def closes_each_request(case: Case) -> bool:
    """Whether this is what others are compared with: Django's own CONN_MAX_AGE = 0."""
    return case.strategy.name == "max_age" and case.max_age == 0 and not case.replica


def keeps_connections(case: Case) -> bool:
    """Whether CONN_MAX_AGE lets connections outlive their request here."""
    return case.strategy.name == "max_age" and case.max_age != 0 and not case.replica


def is_candidate(case: Case) -> bool:
    """Whether this is judged against closing after each request."""
    plain_closing = case.strategy.name == "max_age" and case.max_age == 0
    return not plain_closing and not case.replica


def checks_health(case: Case) -> bool:
    return case.strategy.parameters.get("conn_health_checks") is True
