"""Joining with the database's sessions: by number and age, never by a query, and never a guess."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from every import every
from factories.listings import connections, listing

from loadlab.listing.joining import DatabaseReading, joined
from loadlab.listing.merging import merged
from loadlab.listing.sessions import Backend, DatabaseSessions, harmless
from loadlab.model.holders import Holder
from loadlab.model.open_connections import GONE, AliasSettings, EndedConnection, Listing, Session

if TYPE_CHECKING:
    from loadlab.model.open_connections import OpenConnection

POSTGRES = AliasSettings(vendor="postgresql", max_age=60)


def backend(pid: int, seconds: float | None = 40.1, state: str = "idle", **facts: Any) -> Backend:
    return Backend(pid=pid, seconds=seconds, session=Session(state=state, user="shop", **facts))


def asked(*backends: Backend, **facts: Any) -> DatabaseReading:
    known: dict[str, Any] = {"before": 0.1, "after": 0.1, **facts}
    seen = DatabaseSessions(database="shop", role="watcher", server=1.7e9, limit=97, asked_by=7, backends=backends)
    return DatabaseReading(sessions=seen, **known)


def states(found: Listing) -> dict[int, str | None]:
    return {one.backend: one.session and one.session.state for one in found.connections}


def not_ours(found: Listing) -> list[OpenConnection]:
    return [one for one in found.connections if one.holder is Holder.NOT_OURS]


def ended(*numbers: int) -> tuple[EndedConnection, ...]:
    return tuple(EndedConnection(alias="default", backend=number) for number in numbers)


def join(seen: Listing, *answers: DatabaseReading) -> Listing:
    return joined(seen, seen, answers)


def test_a_connection_gets_the_session_of_its_number_and_age() -> None:
    found = join(listing(connections(2), asked=False), asked(backend(1000), backend(1001, state="active")))
    assert states(found) == {1000: "idle", 1001: "active"}
    assert (found.asked, found.limit, found.notes) == (True, 97, ())


def test_a_number_that_was_given_anew_is_another_session() -> None:
    found = join(listing(connections(2)), asked(backend(1000), backend(1001, seconds=12.0)))
    assert [(one.backend, one.session and one.session.state) for one in not_ours(found)] == [(1001, "idle")]
    (gone,) = (one for one in found.connections if one.session and one.session.state == GONE)
    assert (gone.backend, gone.holder) == (1001, Holder.LEAKED)
    assert found.notes == ("default: the database has ended 1 connection that the project still holds.",)


def test_a_session_may_be_older_than_its_connection_after_a_suspended_machine() -> None:
    assert states(join(listing(connections(1)), asked(backend(1000, seconds=40_000.0)))) == {1000: "idle"}


def test_a_connection_of_weeks_is_found_although_the_clocks_have_drifted() -> None:
    weeks = connections(1, opened_seconds=3_000_000.0, used_seconds=3.0)
    found = join(listing(weeks), asked(backend(1000, seconds=2_999_000.0)))
    assert (states(found), found.notes) == ({1000: "idle"}, ())


def test_where_a_session_begins_in_the_future_numbers_alone_tell() -> None:
    old, new = connections(1, opened_seconds=4000.0), replace(connections(2)[1], opened_seconds=40.0)
    found = join(listing(old, (new,)), asked(backend(1000, seconds=400.0), backend(1001, seconds=-3560.0), backend(9)))
    assert states(found) == {1000: "idle", 1001: "idle", 9: "idle"}
    assert [one.backend for one in not_ours(found)] == [9]
    (note,) = found.notes
    assert note.startswith("The clock of database shop was set back")


def test_a_pooler_s_sessions_are_not_strange_while_the_project_has_none_open() -> None:
    found = join(listing(), asked(backend(1000), backend(1001), pooled=True, aliases=("default",)))
    assert found.connections == ()
    assert found.notes[0].startswith("default: a pooler is between the project and the database")


def test_what_opens_or_closes_between_the_readings_is_not_called_strange() -> None:
    closing, opening = connections(2), connections(1, opened_seconds=0.05, used_seconds=None)
    before, after = listing(closing), listing(closing[:1], (replace(opening[0], backend=1500),))
    passing = backend(1600, seconds=0.05)
    found = joined(before, after, [asked(backend(1000), backend(1001), passing, backend(1700, seconds=9.0))])
    assert states(found) == {1000: "idle", 1500: None, 1700: "idle"}
    assert [one.backend for one in not_ours(found)] == [1700]
    assert found.notes == ("Sessions of shop that began while this was read: 1. Whose they are is not known.",)


def test_sessions_of_others_are_not_ours() -> None:
    report = backend(5, application="report", client="10.0.0.7")
    found = join(listing(connections(1)), asked(backend(1000), report))
    (other,) = not_ours(found)
    assert (other.backend, other.alias, other.session) == (5, "default", report.session)
    assert [one.holder for one in found.connections] == [Holder.LEAKED, Holder.NOT_OURS]
    idle = listing(ended=ended(1000, 1001))
    assert [one.backend for one in not_ours(join(idle, asked(report)))] == [5]


def test_a_closed_connection_s_number_tells_of_a_pooler() -> None:
    found = join(listing(ended=ended(2_000_000_000, -7)), asked(backend(30), backend(31)))
    assert found.connections == ()
    assert found.notes[0].startswith("default: a pooler is between the project and the database")


def test_of_a_project_that_has_opened_nothing_no_session_is_called_not_ours() -> None:
    two = {"default": POSTGRES, "archive": POSTGRES}
    for seen in (listing(), replace(listing(ended=ended(1000)), aliases=two), replace(listing(), aliases={})):
        found = join(seen, asked(backend(30)))
        assert [(one.backend, one.holder) for one in found.connections] == [(30, Holder.NOT_TOLD)]
        (note,) = found.notes
        assert "the sessions of database shop may be of a pooler that the project uses" in note


def test_sessions_that_a_silent_host_may_have_are_not_called_not_ours() -> None:
    both, one = listing(connections(1)), replace(listing(connections(1)), silent=("web-2",))
    for before, after in ((one, one), (both, one), (one, both)):
        found = joined(before, after, [asked(backend(1000), backend(30))])
        assert [(row.backend, row.holder) for row in found.connections] == [
            (1000, Holder.LEAKED),
            (30, Holder.NOT_TOLD),
        ]
        (note,) = found.notes
        assert note == "Sessions of database shop that no listed host has may be of those that gave no listing: web-2."


def test_where_processes_are_not_counted_no_session_is_called_not_ours() -> None:
    for seen in (listing(uncounted=True), listing(connections(1), uncounted=True)):
        found = join(seen, asked(backend(1000), backend(30), aliases=("default",)))
        assert not_ours(found) == []
        assert Holder.NOT_TOLD in [one.holder for one in found.connections]
        assert merged({"a": found, "b": replace(listing(), place="b")}, {}).uncounted


def test_where_the_project_itself_asks_without_a_pooler_a_session_is_not_ours() -> None:
    found = join(listing(), asked(backend(30), aliases=("default",)))
    assert ([one.backend for one in not_ours(found)], found.notes) == ([30], ())


@every("numbers", [(-7, 2_000_000_000), (1 << 23, 1 << 24)])
def test_a_pooler_is_said_and_its_sessions_are_not_called_strange(numbers: tuple[int, int]) -> None:
    rows = [replace(one, backend=number) for one, number in zip(connections(2), numbers, strict=True)]
    found = join(listing(rows), asked(backend(30), backend(31)))
    assert not_ours(found) == []
    assert set(states(found).values()) == {None}
    assert found.notes[0].startswith("default: a pooler is between the project and the database")


def test_a_pooler_with_likely_numbers_is_known_by_the_question_itself() -> None:
    found = join(listing(connections(2)), asked(backend(1000), pooled=True, aliases=("default",)))
    assert (not_ours(found), set(states(found).values())) == ([], {None})
    assert "Which of the 1 sessions of database shop serve this project cannot be told" in found.notes[0]


def test_connections_that_the_database_does_not_know_make_nothing_strange() -> None:
    found = join(listing(connections(2)), asked(backend(30), backend(31)))
    assert not_ours(found) == []
    assert "none of its connections is among the sessions of database shop. A pooler may be" in found.notes[0]
    assert found.notes[0].endswith("or another database was asked; so no session is called not ours.")


def test_where_the_project_itself_asks_a_session_that_is_missing_is_gone() -> None:
    found = join(listing(connections(2)), asked(backend(30), aliases=("default",)))
    assert states(found) == {1000: GONE, 1001: GONE, 30: "idle"}
    assert found.notes == ("default: the database has ended 2 connections that the project still holds.",)


def test_of_two_aliases_only_that_of_the_database_is_joined() -> None:
    here, elsewhere = connections(3), connections(3, alias="archive", opened_seconds=9.0)
    seen = replace(listing(here, elsewhere), aliases={"default": POSTGRES, "archive": POSTGRES})
    found = join(seen, asked(*(backend(1000 + n) for n in range(3)), backend(9)))
    assert {one.alias for one in found.connections if one.session} == {"default"}
    assert [one.backend for one in not_ours(found)] == [9]
    assert found.notes[0].startswith("archive: none of its connections is among the sessions of database shop.")
    assert found.notes[0].endswith("or another database was asked.")  # one session is called not ours


def test_the_few_connections_that_outlived_a_restart_are_ours() -> None:
    dead, alive = connections(9, opened_seconds=900.0), replace(connections(1)[0], backend=1020)
    unnumbered = replace(alive, backend=0)
    seen = listing(dead, (alive, unnumbered), (replace(alive, alias="again", backend=1021),))
    seen = replace(seen, aliases={"default": POSTGRES, "again": POSTGRES})
    found = join(seen, asked(backend(1020), backend(1021), backend(1003), backend(7)))
    assert {number: state for number, state in states(found).items() if state} == {
        1020: "idle", 1021: "idle", 1003: "idle", 7: "idle",
    }  # fmt: skip
    assert sorted(one.backend for one in not_ours(found)) == [7, 1003]
    assert found.notes[0].startswith(
        "default: 1 of its 10 connections is among the sessions of database shop. The database has"
    )


def test_the_few_are_ours_too_where_a_role_sees_no_ages() -> None:
    dead, alive = connections(9, opened_seconds=900.0), replace(connections(1)[0], backend=1020)
    seen = listing(dead, (alive,), (replace(alive, alias="again", backend=1021),))
    seen = replace(seen, aliases={"default": POSTGRES, "again": POSTGRES})
    hidden = [Backend(pid=pid, seconds=None, session=Session(state="", user="shop")) for pid in (1020, 1021)]
    assert not_ours(join(seen, asked(*hidden))) == []


def test_a_session_that_two_aliases_may_have_is_that_of_the_surer_one() -> None:
    far = (*connections(1, alias="archive"), *connections(4, alias="archive", opened_seconds=900.0)[1:])
    seen = replace(listing(connections(2), far), aliases={"default": POSTGRES, "archive": POSTGRES})
    found = join(seen, asked(backend(1000), backend(1001)))
    assert [one.alias for one in found.connections if one.session] == ["default", "default"]
    assert found.notes[0].startswith("archive: none of its connections is among the sessions of database shop.")


def test_two_aliases_of_one_database_share_its_sessions() -> None:
    seen = listing(connections(1), (replace(connections(1)[0], alias="again", backend=1001),))
    found = join(seen, asked(backend(1000), backend(1001), backend(9), aliases=("default", "again")))
    assert states(found) == {1000: "idle", 1001: "idle", 9: "idle"}
    assert [one.backend for one in not_ours(found)] == [9]


def test_the_limits_of_two_servers_are_told_apart() -> None:
    primary, replica = asked(backend(1000), aliases=("default",)), asked(backend(9), backend(10), aliases=("replica",))
    other = replace(replica, sessions=replace(replica.sessions, server=1.6e9, limit=20))
    found = join(listing(connections(1)), primary, other)
    assert found.limit is None
    assert found.notes[:2] == (
        "The server of default accepts 97 sessions in all, and has 1 in the databases that were asked.",
        "The server of replica accepts 20 sessions in all, and has 2 in the databases that were asked.",
    )
    assert join(listing(connections(1)), primary, replica).limit == 97


def test_a_role_that_may_not_see_others_is_told_what_it_lacks() -> None:
    hidden = Backend(pid=9, seconds=None, session=Session(state="", user="other"))
    found = join(listing(connections(1)), asked(backend(1000), hidden))
    assert [one.backend for one in not_ours(found)] == [9]
    assert "The role watcher may not see what 1 sessions of other roles do" in found.notes[0]
    assert "pg_read_all_stats" in found.notes[0]


def test_connections_without_a_number_make_the_others_uncertain() -> None:
    found = join(listing(connections(1), (replace(connections(1)[0], backend=0),)), asked(backend(1000), backend(9)))
    assert "as many of those that are listed as not ours may be ours" in found.notes[0]


def test_what_waits_in_a_transaction_comes_before_the_old() -> None:
    waiting = backend(1003, state="idle in transaction", transaction_seconds=3.0, seconds=41.0)
    idle = [replace(one, backend=one.backend + 2) for one in connections(2, Holder.IDLE)]
    seen = listing(connections(1, opened_seconds=1.0), idle)
    found = join(seen, asked(backend(1000, seconds=1.2), backend(1002), waiting))
    assert [one.backend for one in found.connections] == [1000, 1003, 1002]


@every(
    ("said", "shown"),
    [
        ("psql", "psql"),
        ("gunicorn: worker [shop]", "gunicorn: worker [shop]"),
        ("x" * 19 + " " + "y" * 60, "x" * 19 + " " + "y" * 19 + "…"),
        ("nightly\nreport\x1b[31m", "nightly report�[31m"),
        ("postgresql://me:tiger@db/shop", ""),
        ("PASSWORD=tiger", ""),
        ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", ""),
        ("token 9f86d081884c7d659a2feaa0c55ad015", ""),
    ],
)
def test_a_session_s_own_name_is_shown_only_if_it_is_no_secret(said: str, shown: str) -> None:
    assert harmless(said) == shown


def test_listings_of_several_hosts_are_put_together() -> None:
    one = replace(listing(connections(1), server="gevent", notes=("Unread.",), asked=False), place="a")
    two = replace(listing(connections(2, Holder.IDLE), asked=False), place="b", ended=ended(5))
    found = merged({"web-1": one, "web-2": two, "web-1:9183": one}, {})
    assert [row.host for row in found.connections] == ["web-1", "web-2", "web-2"]
    assert (found.server, found.ended) == ("gevent", ended(5))
    assert found.notes == ("web-1: Unread.", "web-1:9183 and web-1 tell of the same processes, which are listed once.")


def test_a_listing_of_one_host_stays_as_it_is() -> None:
    only = listing(connections(1))
    assert merged({"web-1": only}, {}) == only


def test_a_silent_host_is_named_beside_those_that_are_listed() -> None:
    found = merged({"web-1": listing(connections(1))}, {"web-2": "web-2 does not answer."})
    assert [row.host for row in found.connections] == ["web-1"]
    assert (found.silent, found.notes) == (("web-2",), ("Not listed: web-2 does not answer.",))
