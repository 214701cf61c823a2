"""What quiet spells leave open: a leak that steady load hides is one, and threads that stay are none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from every import every
from factories.trials import findings, noisy, strategy_case, trial

from loadlab.analysis.objections import leak
from loadlab.analysis.rooms import leak_of
from loadlab.model.counts import ConnectionCounts
from loadlab.model.samples import Burst
from loadlab.plan.members import config_of, usable_connections
from loadlab.report.content import tables
from loadlab.report.prose.objections import clause
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.samples import Trial

REQUESTS = 400  # of the window and of each burst
# With granian 2.8.9 and idle threads that end in each pause: opened in all, and open, after each burst.
FOUR_THREADS = [(4, 4), (7, 7), (10, 10), (13, 13)]
COLLECTED = [(4, 4), (7, 7), (10, 10), (13, 4)]  # a garbage collection fell into the last burst
MANY_THREADS = [(10, 10), (17, 17), (25, 25), (32, 32)]


def case(server: str, max_age: float | None = 60, **parameters: Any) -> Case:
    made = strategy_case(server, "max_age", max_age=max_age)
    config = config_of(SERVERS, server, parameters, "server")
    return replace(made, server=config, usable_connections=usable_connections(config, made.strategy, made.users))


def after_bursts(of: Case, counted: list[tuple[int, int]], seen: Trial | None = None) -> Trial:
    """A trial of which these were opened and open; what is neither was closed by the garbage collector."""

    def counts(number: int, opened: int, still_open: int) -> ConnectionCounts:
        closed = {"garbage_collected": opened - still_open} if opened > still_open else {}
        reused = (number + 1) * REQUESTS - opened
        return ConnectionCounts(opened=opened, reused=reused, open=still_open, closed=closed)

    bursts = tuple(Burst(counts=counts(number, *both), requests=REQUESTS) for number, both in enumerate(counted))
    seen = seen or trial(of)
    rest = bursts[-1].counts
    connections = replace(seen.connections, at_rest=rest, left_open=rest.open, bursts=bursts)
    return replace(seen, connections=connections)


@every(
    ("parameters", "counted"),
    [({"threads": 4}, FOUR_THREADS), ({"threads": 4}, COLLECTED), ({"threads": 512}, MANY_THREADS)],
)
def test_what_ended_threads_leave_open_is_a_leak(parameters: dict[str, Any], counted: list[tuple[int, int]]) -> None:
    assert leak_of(after_bursts(case("granian", **parameters), counted)) == "yes"


@every("threads", [4, 512])
def test_steady_load_alone_shows_no_leak_of_ended_threads(threads: int) -> None:
    assert leak_of(after_bursts(case("granian", threads=threads), FOUR_THREADS[:1])) == "no"


@every(
    ("server", "counted"),
    [
        ("gthread", [(8, 8)] * 4),
        ("gthread", [(5, 5), (6, 6), (8, 8), (8, 8)]),  # a pool of threads that opens its last connections late
        ("waitress", [(4, 4)] * 4),
        ("granian", [(4, 4), (5, 4), (6, 4), (7, 4)]),  # of each thread that ended, something closed the connection
    ],
)
def test_threads_that_stay_and_connections_that_end_are_no_leak(server: str, counted: list[tuple[int, int]]) -> None:
    seen = after_bursts(case(server), counted)
    bursts = seen.connections.bursts
    closed = [{"explicit": sum(one.counts.closed.values())} for one in bursts]  # not by the garbage collector
    in_order = tuple(
        replace(one, counts=replace(one.counts, closed=each)) for one, each in zip(bursts, closed, strict=True)
    )
    connections = replace(seen.connections, bursts=in_order, at_rest=in_order[-1].counts)
    assert leak_of(replace(seen, connections=connections)) == "no"


def test_clients_that_come_back_leak_where_each_has_a_thread() -> None:
    """Client keep-alive hides the leak of runserver and gevent, until the clients have been away."""
    for server in ("threaded", "gevent"):
        kept = replace(case(server), keep_alive=True)
        assert leak_of(after_bursts(kept, [(8, 8)])) == "no"
        assert leak_of(after_bursts(kept, [(8, 8), (16, 16), (24, 24)])) == "yes"


def test_a_report_shows_what_was_open_after_each_burst() -> None:
    leaking, closing = case("granian", threads=4), case("granian", 0, threads=4)
    trials = [after_bursts(leaking, FOUR_THREADS, one) for one in noisy(leaking, 300, blocks=6)]
    found = findings([closing, leaking], [*noisy(closing, 100, blocks=6), *trials])
    (arm,) = [arm for arm in found.arms if arm.case == leaking]
    assert (arm.leak, arm.open_after_bursts, arm.left_open) == ("yes", (4, 7, 10, 13), 13)
    assert clause(leak(arm)) == "leaks, 4, 7, 10, 13 open after bursts with pauses"
    table = tables.bursts(found)
    ((_, *cells),) = table.rows
    assert [column.title for column in table.columns] == ["Case", "Window", "Burst 1", "Burst 2", "Burst 3"]
    assert cells == ["4", "7", "10", "13"]


def test_a_report_without_quiet_spells_has_no_table_of_them() -> None:
    plain = case("granian", threads=4)
    assert tables.bursts(findings([plain], noisy(plain, 100, blocks=6))).rows == ()
