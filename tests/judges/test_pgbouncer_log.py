"""What is read from PgBouncer's log, in the words of several of its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.judges._pgbouncer_log import LogCounts, Reader, Refusal

if TYPE_CHECKING:
    from pathlib import Path

STAMP: Final = "2026-01-01 00:00:00.000 UTC [42]"
CLIENT: Final = f"{STAMP} LOG C-0x55aa: shop/me@127.0.0.1:50000"
SERVER: Final = f"{STAMP} LOG S-0x55bb: shop/me@127.0.0.1:5432"
ASKED: Final = f"{CLIENT} login attempt: db=shop user=me tls=no"
REACHED: Final = f"{SERVER} new connection to server (from 127.0.0.1:40000)"


def counts_of(*lines: str) -> LogCounts:
    counted = LogCounts("shop", "me")
    for line in lines:
        counted.take(line)
    return counted


def clients(counted: LogCounts) -> tuple[int, int, int]:
    return counted.asked, counted.turned_away, counted.closed


def servers(counted: LogCounts) -> tuple[int, int, int]:
    return counted.connected, counted.failed, counted.ended


def test_a_client_that_was_let_in_is_counted_at_its_end() -> None:
    assert clients(counts_of(ASKED)) == (1, 0, 0)
    assert clients(counts_of(ASKED, f"{CLIENT} closing because: client close request (age=3s)")) == (1, 0, 1)


def test_newer_versions_say_more_of_a_login() -> None:
    assert clients(counts_of(f"{CLIENT} login attempt: db=shop user=me tls=no replication=no")) == (1, 0, 0)


def test_other_databases_other_users_and_the_console_are_not_counted() -> None:
    strangers = ("pgbouncer/me", "shop/you", "shopping/me", "ashop/me", "(nodb)/(nouser)")
    lines = [
        line.replace("shop/me", stranger)
        for stranger in strangers
        for line in (ASKED, REACHED, f"{CLIENT} closing because: x (age=0s)", f"{SERVER} closing because: x (age=0s)")
    ]
    counted = counts_of(*lines)
    assert clients(counted) == servers(counted) == (0, 0, 0)


def test_a_reason_cannot_pass_for_somebody_elses_line() -> None:
    words = f"{CLIENT} closing because: {CLIENT} closing because: query_wait_timeout (age=0s) (age=0s)"
    counted = counts_of(words)
    assert counted.closed == 1
    assert not counted.refusals


def test_a_client_beyond_the_limit_is_refused_before_it_has_a_name() -> None:
    nobody = f"{STAMP} LOG C-0x55cc: (nodb)/(nouser)@127.0.0.1:50001"
    counted = counts_of(
        f"{nobody} closing because: no more connections allowed (max_client_conn) (age=0s)",
        f"{STAMP} WARNING C-0x55cc: (nodb)/(nouser)@127.0.0.1:50001"
        " pooler error: no more connections allowed (max_client_conn)",
    )
    assert clients(counted) == (0, 0, 0)
    assert counted.refusals == {Refusal.MAX_CLIENT_CONN: 1}


def test_a_wrong_password_grants_no_access() -> None:
    counted = counts_of(ASKED, f"{CLIENT} closing because: SASL authentication failed (age=0s)")
    assert clients(counted) == (1, 1, 0)
    assert counted.refusals == {Refusal.OTHER: 1}


def test_what_postgresql_says_to_a_first_login_turns_its_clients_away() -> None:
    counted = counts_of(
        ASKED,
        REACHED,
        f"{STAMP} WARNING server login failed: FATAL sorry, too many clients already",
        f"{CLIENT} closing because: sorry, too many clients already (age=0s)",
        f"{SERVER} closing because: login failed (age=0s)",
    )
    assert clients(counted) == (1, 1, 0)
    assert servers(counted) == (1, 1, 0)
    assert counted.refusals == {Refusal.OTHER: 1}


def test_who_was_let_in_and_is_sent_away_later_is_refused_and_closed() -> None:
    counted = counts_of(
        f"{CLIENT} closing because: query_wait_timeout (age=10s)",
        f"{CLIENT} closing because: server login has been failing, try again later (server_login_retry) (age=0s)",
        f"{CLIENT} closing because: server login has been failing, cached error: x (server_login_retry) (age=0s)",
    )
    assert clients(counted) == (0, 0, 3)
    assert counted.refusals == {Refusal.QUERY_WAIT_TIMEOUT: 1, Refusal.OTHER: 2}


def test_without_a_postgresql_session_no_client_was_let_in() -> None:
    counted = counts_of(ASKED, f"{CLIENT} closing because: query_wait_timeout (age=10s)")
    counted.no_client_was_admitted()
    assert clients(counted) == (1, 1, 0)
    assert counted.refusals == {Refusal.QUERY_WAIT_TIMEOUT: 1}


def test_a_connection_that_never_reached_postgresql_is_none() -> None:
    assert servers(counts_of(f"{SERVER} closing because: connect failed (age=0s)")) == (0, 0, 0)


def test_a_connection_is_a_session_unless_its_login_failed() -> None:
    ends = {
        "server conn crashed?": (1, 0, 1),
        "client disconnect while server was not ready": (1, 0, 1),
        "server idle timeout": (1, 0, 1),
        "login failed": (1, 1, 0),
        "connect timeout": (1, 1, 0),
        "successfully sent cancel request": (1, 1, 0),
    }
    for reason, counts in ends.items():
        assert servers(counts_of(REACHED, f"{SERVER} closing because: {reason} (age=1s)")) == counts, reason


def test_an_address_in_memory_is_used_again_by_the_next_connection() -> None:
    end = f"{SERVER} closing because: server lifetime over (age=1s)"
    assert servers(counts_of(REACHED, end, REACHED, end)) == (2, 0, 2)


def test_a_line_is_read_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    reader = Reader(log)
    with log.open("a", buffering=1) as file:
        file.write("one\ntw")
        file.flush()
        assert list(reader.lines()) == ["one"]
        assert list(reader.lines()) == []
        file.write("o\n")
        assert list(reader.lines()) == ["two"]


def test_what_is_dropped_in_its_first_second_may_have_been_a_session_or_not() -> None:
    dropped = f"{SERVER} closing because: server conn crashed? (age=0s)"
    counted = counts_of(REACHED, dropped)
    assert (servers(counted), counted.cut_off) == ((1, 0, 1), 1)


def test_what_is_dropped_later_or_before_the_latest_had_been_a_session() -> None:
    another = REACHED.replace("0x55bb", "0x55cc")
    for lines in (
        (REACHED, f"{SERVER} closing because: server conn crashed? (age=9s)"),
        (
            REACHED,
            f"{SERVER.replace('LOG', 'WARNING')} got packet 'E' from server when not linked",
            f"{SERVER} closing because: server conn crashed? (age=0s)",
        ),
        (REACHED, another, f"{SERVER} closing because: server conn crashed? (age=0s)"),
        (REACHED, f"{SERVER} closing because: client disconnect while server was not ready (age=0s)"),
    ):
        counted = counts_of(*lines)
        assert (counted.ended, counted.cut_off) == (1, 0), lines
