"""What Django's connections and their counts do when the network is bad: a real PostgreSQL behind a spoilt link."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError
from faulty_link import Fault, FaultyLink
from laboratory import TrialRunner, await_alone
from patience import await_that

from loadlab.instrumentation import checks
from loadlab.lab.observer import Observer
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lone_site import Site, Sites

    from loadlab.lab.lab import Lab

TEXT: Final = "SELECT repeat('x', 200000)"
SCRAM_ROUND_TRIPS: Final = 3  # in which a login's messages go to and fro, the handshake of TCP aside


@pytest.fixture
def link(lab: Lab) -> Iterator[FaultyLink]:
    with FaultyLink(int(lab.database.parameters["port"])) as opened:
        yield opened


@pytest.fixture
def site(lab: Lab, link: FaultyLink, sites: Sites) -> Callable[..., Site]:
    """Makes a site whose database is behind the link."""

    def made(**changes: Any) -> Site:
        return sites(lab.database, PORT=str(link.port), **changes)

    return made


def terminate_all(lab: Lab) -> None:
    own = "FROM pg_stat_activity WHERE datname = %s"
    lab.cursor.execute(f"SELECT pg_terminate_backend(pid) {own}", [lab.database.name])
    await_alone(lab)


def test_a_backend_that_ends_between_requests_fails_one_kept_request(lab: Lab, site: Callable[..., Site]) -> None:
    kept = site(CONN_MAX_AGE=None)
    kept.ask()
    terminate_all(lab)
    with pytest.raises((OperationalError, InterfaceError)):
        kept.ask()
    assert kept.ask() == 1
    assert kept.closed() == {CloseReason.UNUSABLE: 1}
    assert (kept.count().opened, kept.count().open) == (2, 1)


def test_a_backend_that_ends_between_requests_fails_none_that_is_checked(lab: Lab, site: Callable[..., Site]) -> None:
    checked = site(CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True)
    checked.ask()
    terminate_all(lab)
    assert checked.ask() == 1
    assert checked.closed() == {CloseReason.HEALTH_CHECK: 1}


def test_a_backend_that_ends_between_requests_fails_none_at_age_zero(lab: Lab, site: Callable[..., Site]) -> None:
    closing = site(CONN_MAX_AGE=0)
    closing.ask()
    terminate_all(lab)
    assert closing.ask() == 1
    assert closing.closed() == {CloseReason.REQUEST_END: 2}


def test_a_query_that_is_cut_off_fails_once_and_is_not_repeated(lab: Lab, site: Callable[..., Site]) -> None:
    kept = site(CONN_MAX_AGE=None)
    kept.ask()
    failures: list[BaseException] = []

    def ask_slowly() -> None:
        try:
            kept.ask("SELECT pg_sleep(600)")
        except OperationalError as error:
            failures.append(error)

    kept.wrapper.inc_thread_sharing()
    thread = threading.Thread(target=ask_slowly)
    thread.start()

    def asks() -> bool:
        lab.cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%%'", [])
        return lab.cursor.fetchone() == (1,)

    await_that(asks)
    terminate_all(lab)
    thread.join()
    assert len(failures) == 1
    assert (kept.count().opened, kept.closed()) == (1, {CloseReason.UNUSABLE: 1})
    assert kept.ask() == 1


def test_latency_shows_in_each_connect_and_once_in_a_kept_one(link: FaultyLink, site: Callable[..., Site]) -> None:
    """What a model would say: age 0 pays the login's round trips on each request, a kept connection once."""
    link.fault.latency_seconds = one_way = 0.02
    login = SCRAM_ROUND_TRIPS * 2 * one_way
    closing = site(CONN_MAX_AGE=0)
    for _ in range(4):
        closing.ask()
    assert closing.count().connect_seconds >= 4 * login
    connects = closing.count().connect_seconds
    kept = site(CONN_MAX_AGE=60)
    for _ in range(4):
        kept.ask()
    assert kept.count().opened == 4 + 1
    assert kept.count().connect_seconds - connects >= login
    assert kept.count().requests_reused == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(slice_bytes=1),
        Fault(jitter_seconds=0.02),
        Fault(bytes_per_second=2_000_000, slice_bytes=16_384),
    ],
    ids=["a byte at a time", "jitter", "little bandwidth"],
)
def test_a_bad_link_changes_no_answer_and_no_count(fault: Fault, link: FaultyLink, site: Callable[..., Site]) -> None:
    link.fault = fault
    kept = site(CONN_MAX_AGE=None)
    length = 2_000 if fault.slice_bytes == 1 else 200_000
    for _ in range(3):
        assert kept.ask(f"SELECT repeat('é', {length})") == "é" * length
    count = kept.count()
    assert (count.opened, count.open, count.requests_reused, kept.closed()) == (1, 1, 2, {})


def test_a_reset_while_connecting_is_a_failed_attempt_and_no_reuse(link: FaultyLink, site: Callable[..., Site]) -> None:
    kept = site(CONN_MAX_AGE=None)
    link.fault.mode = "reset"
    with pytest.raises(OperationalError):
        kept.ask()
    count = kept.count()
    assert (count.opened, count.requests_opened, count.requests_reused, count.unsettled) == (0, 0, 0, 0)
    assert kept.errors() == {ConnectError.OTHER: 1}
    link.fault.mode = "none"
    assert kept.ask() == 1
    assert (kept.count().opened, kept.count().requests_reused) == (1, 0)


def test_a_result_that_is_cut_off_drops_its_connection(link: FaultyLink, site: Callable[..., Site]) -> None:
    kept = site(CONN_MAX_AGE=None)
    kept.ask()
    link.fault.limit_bytes = 100_000
    with pytest.raises(OperationalError):
        kept.ask(TEXT)
    link.fault.limit_bytes = None
    assert kept.ask(TEXT) == "x" * 200_000
    assert kept.closed() == {CloseReason.UNUSABLE: 1}
    assert (kept.count().opened, kept.count().open) == (2, 1)


def test_a_connect_that_nothing_answers_ends_by_connect_timeout(link: FaultyLink, site: Callable[..., Site]) -> None:
    link.fault.mode = "blackhole"
    hasty = site(OPTIONS={"connect_timeout": 2})
    with pytest.raises(OperationalError):
        hasty.ask()
    assert hasty.errors() == {ConnectError.TIMEOUT: 1}


@pytest.mark.parametrize("checked", [False, True])
def test_a_session_that_is_ended_while_idle_costs_what_it_is_warned_of(
    checked: bool,  # noqa: FBT001
    lab: Lab,
    site: Callable[..., Site],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {"options": "-c idle_session_timeout=1000"}
    kept = site(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=checked, OPTIONS=options)
    monkeypatch.setattr(checks, "connections", {"default": kept.wrapper})
    assert [warning.id for warning in checks.check_idle(["default"])] == ([] if checked else ["loadlab.W009"])
    await_alone(lab)
    if not checked:
        with pytest.raises(OperationalError):
            kept.ask()
    assert kept.ask() == 1
    assert kept.closed() == {CloseReason.HEALTH_CHECK if checked else CloseReason.UNUSABLE: 1}


@pytest.mark.parametrize(
    ("age", "timeout", "warned"), [(0, "200", 0), (60, "0", 0), (60, "61s", 0), (60, "60s", 0), (None, "1h", 1)]
)
def test_an_idle_limit_is_warned_of_only_where_it_is_reached(
    age: float | None, timeout: str, warned: int, site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = site(CONN_MAX_AGE=age, OPTIONS={"options": f"-c idle_session_timeout={timeout}"})
    monkeypatch.setattr(checks, "connections", {"default": kept.wrapper})
    assert len(checks.check_idle(["default"])) == warned
    kept.wrapper.close()


def test_a_transaction_that_idles_too_long_fails_once(lab: Lab, site: Callable[..., Site]) -> None:
    kept = site(CONN_MAX_AGE=None, OPTIONS={"options": "-c idle_in_transaction_session_timeout=200"})
    with kept.wrapper.cursor() as cursor:
        cursor.execute("BEGIN")
        await_alone(lab)
        with pytest.raises(DatabaseError):  # psycopg 3 says InternalError, psycopg2 OperationalError
            cursor.execute("SELECT 1")
    assert kept.ask() == 1
    assert kept.closed() == {CloseReason.UNUSABLE: 1}


def test_a_statement_that_takes_too_long_fails_and_keeps_its_connection(site: Callable[..., Site]) -> None:
    kept = site(CONN_MAX_AGE=None, OPTIONS={"options": "-c statement_timeout=1000"})
    with pytest.raises(OperationalError, match="statement timeout"):
        kept.ask("SELECT pg_sleep(600)")
    assert kept.ask() == 1
    count = kept.count()
    assert (count.opened, count.open, count.requests_reused, kept.closed()) == (1, 1, 1, {})


@pytest.mark.slow
@pytest.mark.parametrize("age", [0, None])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(slice_bytes=1),
        Fault(latency_seconds=0.02, jitter_seconds=0.02),
        Fault(bytes_per_second=200_000, slice_bytes=4_096),
    ],
    ids=["a byte at a time", "latency and jitter", "little bandwidth"],
)
def test_a_trial_over_a_bad_link_is_complete_and_exact(
    fault: Fault, age: float | None, lab: Lab, link: FaultyLink
) -> None:
    link.fault = fault
    with behind(link, lab) as trial:
        result = trial("sync", max_age=age, workers=2, window_seconds=2.0)
    assert (result.state, result.failures, result.connections.mismatches) == ("complete", (), ())
    opened = result.connections.at_rest.opened
    assert opened == link.accepted
    assert opened == 2 if age is None else opened > 2


@pytest.mark.slow
@pytest.mark.usefixtures("one_try")
def test_a_cut_link_fails_at_most_one_request_per_worker(lab: Lab, link: FaultyLink) -> None:
    def cut_once_used() -> None:
        with lab.database.observed() as connection, connection.cursor() as cursor:

            def used() -> bool:
                query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%target_entry%%'"
                cursor.execute(query, [lab.database.name])
                return cursor.fetchone() == (2,)

            await_that(used)
            time.sleep(0.5)  # into the window, where failures are counted
            link.cut()

    thread = threading.Thread(target=cut_once_used)
    thread.start()
    with behind(link, lab) as trial:
        result = trial("sync", max_age=None, workers=2, window_seconds=3.0)
    thread.join()
    assert result.state == "complete"
    assert result.connections.mismatches == ()
    assert result.connections.at_rest.closed == {"unusable": 2}
    assert 1 <= sum(failure.count for failure in result.failures) <= 2


@contextmanager
def behind(link: FaultyLink, lab: Lab) -> Iterator[TrialRunner]:
    """Runs trials whose target reaches the database by the link; the lab itself goes past it."""
    parameters = {**lab.database.parameters, "port": str(link.port)}
    with Observer(replace(lab.database, parameters=parameters)) as observer:
        yield TrialRunner(replace(lab, observer=observer))
