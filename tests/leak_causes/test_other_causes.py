"""The causes that come with forks, commands, debug tools, copies and pools, in listings made by hand."""

from __future__ import annotations

from typing import Any, Final

from every import every
from factories.listings import OUTSIDE, SHOP, connections, listing

from loadlab.leak_causes import named, verdict
from loadlab.model.holders import START_UP, Holder
from loadlab.model.open_connections import NamedCause, Session, Unit

COMMAND: Final = Unit(kind="other", name="poll_prices")
STARTED: Final = Unit(kind="other", name=START_UP)
LOOP: Final = Unit(kind="other", name="shop.prices.refresh")
SLEEPS: Final = Session(state="idle", state_seconds=125.0)
PAUSES: Final = Session(state="idle", state_seconds=9.0)
WORKS: Final = Session(state="active", state_seconds=300.0)
HOLDS: Final = Session(state="idle in transaction", state_seconds=12.0, transaction_seconds=40.0)
BROKEN: Final = Session(state="idle in transaction (aborted)", state_seconds=12.0)
MAIN: Final[dict[str, Any]] = {"thread_name": "MainThread"}


def the_cause(holder: Holder, count: int = 1, *, max_age: float | None = 60, **facts: Any) -> NamedCause | None:
    told = {name: facts.pop(name) for name in ("server", "limit") if name in facts}
    causes = named(listing(connections(count, holder, **facts), max_age=max_age, **told))
    assert len(causes) <= 1
    return causes[0] if causes else None


def name(holder: Holder, **facts: Any) -> str:
    cause = the_cause(holder, **facts)
    return cause.name if cause else ""


def test_a_connection_that_forked_processes_use_is_named_with_its_parent() -> None:
    cause = the_cause(Holder.OUTSIDE, opened_by=STARTED, shared_with=(201, 202), **MAIN)
    assert cause is not None
    assert (cause.name, cause.openers) == ("opened_before_fork", (("start-up", 1),))
    assert cause.sentence == (
        "1 of 1 open connection was opened by process 100 before it forked, and 2 processes that were forked use it"
    )


def test_a_command_that_waits_for_long_is_named() -> None:
    facts: dict[str, Any] = {"opened_by": COMMAND, "used_by": COMMAND, **MAIN}
    cause = the_cause(Holder.OUTSIDE, session=SLEEPS, **facts)
    assert cause is not None
    assert cause.name == "command_never_returns"
    assert cause.sentence == (
        "1 of 1 open connection is held by `poll_prices`, which runs outside of any request or task and has not used it"
        " for 2 min 5 s"
    )
    assert name(Holder.OUTSIDE, **{**facts, "used_seconds": 61.0}) == "command_never_returns"


@every("session", [None, Session(state="", user="shop")])
def test_a_role_that_sees_no_state_hides_no_cause(session: Session | None) -> None:
    command: dict[str, Any] = {"opened_by": COMMAND, "used_by": COMMAND, "session": session, **MAIN}
    assert name(Holder.OUTSIDE, **command, used_seconds=61.0) == "command_never_returns"
    assert name(Holder.OUTSIDE, **command, used_seconds=59.0) == ""
    assert name(Holder.IDLE, apart=True, session=session, used_seconds=61.0) == "unclosed_alias"


def test_what_a_program_has_opened_at_its_start_is_to_be_closed_there() -> None:
    program = Unit(kind="other", name="celery")
    cause = the_cause(Holder.OUTSIDE, opened_by=STARTED, used_by=program, session=SLEEPS, **MAIN)
    assert cause is not None
    assert cause.name == "command_never_returns"
    assert cause.fix == "call connections.close_all() at the end of what runs at start-up"


def test_a_command_s_open_transaction_is_said_and_its_cure_leaves_it() -> None:
    waits = Session(state="idle in transaction", state_seconds=3600.0)
    cause = the_cause(Holder.OUTSIDE, opened_by=COMMAND, used_by=COMMAND, session=waits, **MAIN)
    assert cause is not None
    assert cause.name == "command_never_returns"
    assert cause.sentence.endswith("for 1 h 0 min, and has a transaction open")
    assert cause.fix == "have it leave atomic() and call connections.close_all() before it waits"


@every("session", [PAUSES, WORKS])
def test_a_command_that_works_is_no_cause(session: Session) -> None:
    assert name(Holder.OUTSIDE, opened_by=COMMAND, used_by=COMMAND, session=session, **MAIN) == ""


@every("session", [HOLDS, BROKEN])
def test_an_idle_transaction_is_named_with_the_unit_that_holds_it(session: Session) -> None:
    for holder in (Holder.IN_USE, Holder.IDLE, Holder.OUTSIDE):
        assert name(holder, session=session) == "idle_transaction"
    cause = the_cause(Holder.IN_USE, 2, session=session)
    assert cause is not None
    assert cause.sentence == (
        "2 of 2 open connections wait in an open transaction, idle for up to 12 s; used last by `shop/<int:pk>/`"
    )


def test_a_transaction_between_two_queries_is_no_cause() -> None:
    pauses = Session(state="idle in transaction", state_seconds=0.5, transaction_seconds=300.0)
    for session in (pauses, WORKS, SLEEPS):
        assert name(Holder.IN_USE, session=session) == ""
    assert name(Holder.NOT_OURS, session=HOLDS) == ""


def test_an_idle_transaction_of_an_executor_is_named_as_one() -> None:
    own: dict[str, Any] = {"thread_name": "ThreadPoolExecutor-*_*", "executor": True, "opened_by": LOOP}
    assert name(Holder.OUTSIDE, **own, used_by=OUTSIDE, session=HOLDS) == "idle_transaction"
    assert name(Holder.OUTSIDE, count=5, **own, used_by=COMMAND, session=SLEEPS) == "executor_in_view"


def test_what_stays_open_after_a_search_for_garbage_is_kept_alive() -> None:
    cause = the_cause(Holder.LEAKED, 4, kept=True)
    assert cause is not None
    assert cause.name == "kept_alive"
    assert cause.sentence == (
        "4 of 4 open connections belong to threads that have ended, and something still refers to them: no garbage"
        " collection helps"
    )


def test_one_that_a_pool_has_lent_to_an_ended_thread_is_lost() -> None:
    for facts in ({}, {"kept": True}, {"thread_name": "Thread-* (fetch)", "opened_by": LOOP}):
        assert name(Holder.LEAKED, lent=True, **facts) == "lent_by_pool_and_lost"
    assert name(Holder.IN_USE, lent=True) == ""
    assert name(Holder.POOL) == ""


def test_what_django_s_handler_does_not_have_is_named_once_it_idles() -> None:
    for holder in (Holder.IDLE, Holder.OUTSIDE):
        cause = the_cause(holder, apart=True, session=SLEEPS, max_age=None)
        assert cause is not None
        assert cause.name == "unclosed_alias"
        assert "of the alias `default`, and no end of a request closes it" in cause.sentence
        assert "connection.copy()" in cause.fix
    assert name(Holder.IDLE, apart=True, session=PAUSES) == ""


def test_a_thread_of_its_own_is_named_once_django_would_have_closed() -> None:
    facts: dict[str, Any] = {"thread_name": "refresher", "opened_by": LOOP, "used_by": OUTSIDE, "session": SLEEPS}
    cause = the_cause(Holder.OUTSIDE, opened_seconds=300.0, **facts)
    assert cause is not None
    assert (cause.name, cause.openers) == ("unclosed_alias", (("shop.prices.refresh", 1),))
    assert "close_old_connections() in each turn" in cause.fix
    assert name(Holder.OUTSIDE, opened_seconds=300.0, max_age=None, **facts) == ""  # as the settings want it
    assert name(Holder.OUTSIDE, opened_seconds=300.0, max_age=600, **facts) == ""
    assert name(Holder.OUTSIDE, opened_seconds=300.0, **{**facts, "session": PAUSES}) == ""


def test_what_start_up_has_opened_is_named_where_requests_come_in_other_threads() -> None:
    facts: dict[str, Any] = {"opened_by": STARTED, "used_by": OUTSIDE, "session": SLEEPS, "opened_seconds": 300.0}
    assert name(Holder.OUTSIDE, server="gthread", **facts, **MAIN) == "unclosed_alias"
    for server in ("sync", ""):
        assert name(Holder.OUTSIDE, server=server, **facts, **MAIN) == ""
    started = connections(1, Holder.OUTSIDE, **facts, **MAIN)
    beside = connections(3, Holder.IDLE, thread=102, thread_name="ThreadPoolExecutor-*_*")
    assert [cause.name for cause in named(listing(started, beside))] == ["unclosed_alias"]
    assert named(listing(started, connections(3, Holder.IDLE, process=200, **MAIN))) == ()


def test_many_live_threads_are_no_leak_and_the_verdict_has_the_arithmetic() -> None:
    live = [connections(9, Holder.IDLE, process=process, **MAIN) for process in range(1, 10)]
    seen = listing(*live, connections(2, Holder.NOT_OURS), limit=97)
    assert verdict(seen) == (
        "No leak: live threads hold 81 connections, up to 9 in each of 9 processes; the database accepts 97, and 2"
        " others are open; opened by `shop/<int:pk>/` (81); use fewer processes or threads, CONN_MAX_AGE=0 if most are"
        " idle, a pooler, or a higher max_connections."
    )
    assert named(listing(*live, limit=200)) == ()
    assert named(listing(*live)) == ()


def test_processes_of_two_hosts_with_the_same_numbers_are_told_apart() -> None:
    hosts = [connections(45, Holder.IDLE, process=7, host=host, **MAIN) for host in ("web-1", "web-2")]
    assert "up to 45 in each of 2 processes" in verdict(listing(*hosts, limit=97))
    ended = [connections(1, thread_name="mails-*", opened_by=OUTSIDE, process=7, host=host) for host in ("a", "b")]
    assert named(listing(*ended)) == ()  # one of each process may be about to close
    assert len(named(listing(ended[0], ended[0]))) == 1


def test_an_apart_connection_of_a_request_is_not_a_request_s_own_leak() -> None:
    assert the_cause(Holder.IDLE, 5, apart=True, opened_by=SHOP) is None
