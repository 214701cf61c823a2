"""What a project gives up behind PgBouncer: what belongs to a session, once its session is anybody's.

In transaction pooling two clients take turns on one session of PostgreSQL, or one client meets two. In session pooling
a client has a session to itself, and the next one gets it after DISCARD ALL.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

import psycopg
import psycopg2
import pytest
from patience import await_that
from poolers import asked, client, connected

from loadlab.services.pgbouncer import pgbouncer_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolers import Cluster, Pooler
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from loadlab.services.pgbouncer import Bouncer

LOCKS: Final = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
# PgBouncer follows prepared statements since 1.21, and by default since 1.24.
FOLLOWS_STATEMENTS: Final = (1, 24)


@pytest.fixture
def shared(pooler: Pooler) -> Bouncer:
    """All clients take turns on one session."""
    return pooler(pool_mode="transaction", pool_size=1)


@pytest.fixture
def wide(pooler: Pooler) -> Bouncer:
    return pooler(pool_mode="transaction", pool_size=2)


@pytest.fixture
def polite(pooler: Pooler) -> Bouncer:
    """One session, which each client has to itself until it goes."""
    return pooler(pool_mode="session", pool_size=1)


@pytest.fixture
def two(shared: Bouncer, clients: ExitStack) -> tuple[Connection, Connection]:
    """Two clients, on what both believe to be a session of their own."""
    one, other = client(clients, shared), client(clients, shared)
    assert session(one) == session(other)
    return one, other


@pytest.fixture
def mover(wide: Bouncer, clients: ExitStack) -> tuple[Connection, Connection]:
    """A client, and one that makes it move: `BEGIN` of the second takes the session that the first has used last."""
    return client(clients, wide), client(clients, wide)


def session(connection: Connection) -> int:
    return int(asked(connection, "SELECT pg_backend_pid()"))


def moved_after(mover: tuple[Connection, Connection], query: str) -> Connection:
    """The client, once it has asked `query` in one session and got another."""
    traveller, squatter = mover
    first = session(traveller)
    asked(traveller, query)
    asked(squatter, "BEGIN")
    assert session(squatter) == first != session(traveller)
    return traveller


def followed_by(polite: Bouncer, clients: ExitStack, *queries: str) -> Connection:
    """The next client in the session in which another has asked `queries`, and gone."""
    with closing(connected(polite.database)) as predecessor:
        for query in queries:
            asked(predecessor, query)
        inherited = session(predecessor)
    heir = client(clients, polite)
    assert session(heir) == inherited
    return heir


def test_transactions_a_set_of_one_client_is_in_force_for_the_next(two: tuple[Connection, Connection]) -> None:
    one, other = two
    asked(one, "SET statement_timeout = '12345ms'")
    assert asked(other, "SHOW statement_timeout") == "12345ms"


def test_transactions_a_set_is_lost_with_the_next_session(mover: tuple[Connection, Connection]) -> None:
    assert asked(moved_after(mover, "SET statement_timeout = '12345ms'"), "SHOW statement_timeout") == "0"


def test_transactions_set_local_does_no_harm(two: tuple[Connection, Connection]) -> None:
    one, other = two
    asked(one, "BEGIN")
    asked(one, "SET LOCAL statement_timeout = '12345ms'")
    assert asked(one, "SHOW statement_timeout") == "12345ms"
    asked(one, "COMMIT")
    assert asked(other, "SHOW statement_timeout") == "0"


def test_transactions_the_time_zone_goes_with_its_client(two: tuple[Connection, Connection]) -> None:
    one, other = two
    asked(one, "SET timezone = 'Asia/Tokyo'")
    assert (asked(other, "SHOW timezone"), asked(one, "SHOW timezone")) == ("UTC", "Asia/Tokyo")


def test_sessions_a_set_is_gone_with_its_client(polite: Bouncer, clients: ExitStack) -> None:
    assert asked(followed_by(polite, clients, "SET statement_timeout = '12345ms'"), "SHOW statement_timeout") == "0"


def test_transactions_a_session_advisory_lock_excludes_no_client(two: tuple[Connection, Connection]) -> None:
    one, other = two
    assert asked(one, "SELECT pg_try_advisory_lock(1)") is True
    assert asked(other, "SELECT pg_try_advisory_lock(1)") is True


def test_transactions_a_session_advisory_lock_outlives_its_client(shared: Bouncer, cluster: Cluster) -> None:
    with closing(connected(shared.database)) as connection:
        asked(connection, "SELECT pg_advisory_lock(1)")
    await_that(lambda: shared.judge.counts().clients_open == 0)

    def locks() -> int:
        cluster.cursor.execute(LOCKS)
        (count,) = cluster.cursor.fetchone() or (0,)
        return int(count)

    await_that(lambda: locks() == 1, locks)  # sessions of earlier tests may still have theirs


def test_transactions_a_session_advisory_lock_cannot_be_given_back(mover: tuple[Connection, Connection]) -> None:
    traveller = moved_after(mover, "SELECT pg_advisory_lock(1)")
    assert asked(traveller, "SELECT pg_advisory_unlock(1)") is False


def test_transactions_a_transaction_advisory_lock_excludes_others(
    mover: tuple[Connection, Connection],
) -> None:
    one, other = mover
    asked(one, "BEGIN")
    assert asked(one, "SELECT pg_try_advisory_xact_lock(1)") is True
    assert asked(other, "SELECT pg_try_advisory_xact_lock(1)") is False
    asked(one, "COMMIT")
    assert asked(other, "SELECT pg_try_advisory_xact_lock(1)") is True


def test_sessions_an_advisory_lock_ends_with_its_client(pooler: Pooler, cluster: Cluster, clients: ExitStack) -> None:
    bouncer = pooler(pool_mode="session", pool_size=2)
    other = client(clients, bouncer)
    with closing(connected(bouncer.database)) as one:
        assert asked(one, "SELECT pg_try_advisory_lock(1)") is True
        assert asked(other, "SELECT pg_try_advisory_lock(1)") is False
    await_that(lambda: asked(other, "SELECT pg_try_advisory_lock(1)") is True)


def test_transactions_what_one_client_listens_to_another_hears(two: tuple[Connection, Connection]) -> None:
    one, other = two
    asked(one, "LISTEN news")
    asked(other, "NOTIFY news, 'for the other'")
    other.poll()
    one.poll()
    assert [notice.payload for notice in other.notifies] == ["for the other"]
    assert one.notifies == []


def test_sessions_who_listens_hears(pooler: Pooler, clients: ExitStack) -> None:
    bouncer = pooler(pool_mode="session", pool_size=2)
    one, other = client(clients, bouncer), client(clients, bouncer)
    asked(one, "LISTEN news")
    asked(other, "NOTIFY news, 'for one'")
    await_that(lambda: one.poll() is not None and bool(one.notifies))
    assert other.notifies == []


def test_sessions_a_gone_clients_listen_is_dropped(polite: Bouncer, clients: ExitStack) -> None:
    heir = followed_by(polite, clients, "LISTEN news")
    assert asked(heir, "SELECT count(*) FROM pg_listening_channels()") == 0


HELD: Final = "DECLARE letters CURSOR WITH HOLD FOR SELECT unnest(ARRAY['a', 'b', 'c'])"


def test_transactions_a_held_cursor_is_not_there_in_the_next_session(mover: tuple[Connection, Connection]) -> None:
    traveller = moved_after(mover, HELD)
    with pytest.raises(psycopg2.errors.InvalidCursorName, match='cursor "letters" does not exist'):
        asked(traveller, "FETCH letters")


def test_transactions_a_held_cursor_is_anybodys(two: tuple[Connection, Connection]) -> None:
    one, other = two
    asked(one, HELD)
    assert (asked(other, "FETCH letters"), asked(one, "FETCH letters")) == ("a", "b")


def test_transactions_a_cursor_without_hold_works_in_a_transaction(
    two: tuple[Connection, Connection],
) -> None:
    one, _ = two
    with pytest.raises(psycopg2.errors.NoActiveSqlTransaction):
        asked(one, HELD.replace("WITH HOLD", ""))
    asked(one, "BEGIN")
    asked(one, HELD.replace("WITH HOLD", ""))
    assert [asked(one, "FETCH letters") for _ in range(3)] == ["a", "b", "c"]
    asked(one, "COMMIT")


def test_sessions_a_held_cursor_is_its_clients_alone(polite: Bouncer, clients: ExitStack) -> None:
    heir = followed_by(polite, clients, HELD, "FETCH letters")
    with pytest.raises(psycopg2.errors.InvalidCursorName):
        asked(heir, "FETCH letters")


def test_transactions_a_temporary_table_is_not_there_in_the_next_session(mover: tuple[Connection, Connection]) -> None:
    traveller = moved_after(mover, "CREATE TEMPORARY TABLE basket (id int)")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        asked(traveller, "SELECT count(*) FROM basket")


def test_transactions_a_temporary_table_is_in_another_clients_way(two: tuple[Connection, Connection]) -> None:
    one, other = two
    asked(one, "CREATE TEMPORARY TABLE basket (id int)")
    with pytest.raises(psycopg2.errors.DuplicateTable):
        asked(other, "CREATE TEMPORARY TABLE basket (id int)")


def test_transactions_a_temporary_table_of_one_transaction_does_no_harm(two: tuple[Connection, Connection]) -> None:
    for connection in two:
        asked(connection, "BEGIN")
        asked(connection, "CREATE TEMPORARY TABLE basket (id int) ON COMMIT DROP")
        assert asked(connection, "SELECT count(*) FROM basket") == 0
        asked(connection, "COMMIT")


def test_sessions_a_temporary_table_is_gone_with_its_client(polite: Bouncer, clients: ExitStack) -> None:
    heir = followed_by(polite, clients, "CREATE TEMPORARY TABLE basket (id int)")
    assert asked(heir, "SELECT to_regclass('basket')") is None


def follows_statements() -> bool:
    return tuple(int(part) for part in pgbouncer_version().split(".")[:2]) >= FOLLOWS_STATEMENTS


def preparing(bouncer: Bouncer, threshold: int | None) -> psycopg.Connection[Any]:
    """A client of psycopg 3 that prepares a query when it has seen it `threshold` times, or never."""
    parameters = {**bouncer.database.parameters, "dbname": bouncer.database.name}
    return psycopg.connect(**parameters, autocommit=True, prepare_threshold=threshold)


@pytest.fixture
def prepared(wide: Bouncer) -> Iterator[psycopg.Connection[Any]]:
    """Has prepared a query, and will be in another session when it executes it next."""
    with preparing(wide, 0) as connection, closing(connected(wide.database)) as squatter:
        connection.execute("SELECT %s::int", [1])
        first = session(squatter)
        asked(squatter, "BEGIN")
        assert session(squatter) == first
        yield connection


def test_transactions_a_prepared_statement_is_lost_before_1_24(
    prepared: psycopg.Connection[Any],
) -> None:
    if follows_statements():
        assert prepared.execute("SELECT %s::int", [2]).fetchone() == (2,)
    else:
        with pytest.raises(psycopg.errors.InvalidSqlStatementName, match="does not exist"):
            prepared.execute("SELECT %s::int", [2])


def test_transactions_two_clients_prepare_under_one_name_before_1_24(shared: Bouncer) -> None:
    with preparing(shared, 0) as one, preparing(shared, 0) as other:
        one.execute("SELECT 'one'")
        if follows_statements():
            assert other.execute("SELECT 'other'").fetchone() == ("other",)
        else:
            with pytest.raises(psycopg.errors.DuplicatePreparedStatement, match="already exists"):
                other.execute("SELECT 'other'")


def test_transactions_who_prepares_nothing_is_safe(shared: Bouncer) -> None:
    with preparing(shared, None) as one, preparing(shared, None) as other:
        for connection in (one, other) * 10:
            assert connection.execute("SELECT %s::int", [1]).fetchone() == (1,)


def test_sessions_a_prepared_statement_is_its_clients_alone(polite: Bouncer) -> None:
    for _ in range(2):
        with preparing(polite, 0) as connection:
            for _ in range(3):
                connection.execute("SELECT %s::int", [1])
            count = connection.execute("SELECT count(*) FROM pg_prepared_statements", prepare=False).fetchone()
            assert count == (1,)
