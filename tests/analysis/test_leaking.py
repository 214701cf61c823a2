"""The verdict on leaks: what became of each connection, against how many have a use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from every import every
from factories.trials import KEPT, Behaviour, case, findings, trial

from loadlab.analysis.arms import leak_of_all
from loadlab.analysis.leaking import Account, Room, judge, judge_growth
from loadlab.analysis.rooms import leak_of, room_of
from loadlab.model.condition import OpenLoad
from loadlab.model.counts import ConnectionCounts

if TYPE_CHECKING:
    from loadlab.model.findings import Leak
    from loadlab.model.samples import Trial

KEPT_MODES = ("sync", "gthread")
PER_REQUEST = ("threaded", "gevent", "asgi")


def ended(server: str, max_age: float | None, rest: ConnectionCounts, *, users: int, keep_alive: bool = False) -> Trial:
    """A trial with these counts at rest, each request sent once."""
    usable = {"sync": 2, "gthread": 8}.get(server, users)
    of = case(server, max_age, usable=usable, users=users, keep_alive=keep_alive)
    seen = trial(of, 1, Behaviour(requests=rest.opened + rest.reused, opened=rest.opened, held=rest.open))
    connections = replace(seen.connections, at_rest=rest, left_open=rest.open)
    return replace(seen, connections=connections)


# Real trials of 24 users at age 60, in which every connection leaked.
MISSED_BEFORE = [
    ("gevent", ConnectionCounts(opened=34, open=34)),
    ("gevent", ConnectionCounts(opened=28, open=28)),
    ("asgi", ConnectionCounts(opened=25, open=25)),
    ("asgi", ConnectionCounts(opened=30, open=27, closed={"garbage_collected": 3})),
    ("threaded", ConnectionCounts(opened=32, open=31, closed={"garbage_collected": 1})),
    ("threaded", ConnectionCounts(opened=43, open=21, closed={"garbage_collected": 22})),
]


@every(("server", "rest"), MISSED_BEFORE)
def test_many_users_and_few_requests_show_a_leak(server: str, rest: ConnectionCounts) -> None:
    assert leak_of(ended(server, 60, rest, users=24)) == "yes"


@every("server", PER_REQUEST)
@every("opened", [1, 12, 24])
def test_fewer_than_the_users_left_open_cannot_tell(server: str, opened: int) -> None:
    assert leak_of(ended(server, 60, ConnectionCounts(opened=opened, open=opened), users=24)) == "cannot tell"


@every("server", [*KEPT_MODES, *PER_REQUEST])
@every(
    "rest",
    [
        ConnectionCounts(opened=1, closed={"request_end": 1}),
        ConnectionCounts(opened=60, closed={"request_end": 56}, open=4),  # four requests have no response yet
        ConnectionCounts(opened=400, closed={"request_end": 376}, open=24),
        ConnectionCounts(opened=400, closed={"request_end": 370, "garbage_collected": 30}),
    ],
)
def test_where_nothing_is_kept_nothing_leaks(server: str, rest: ConnectionCounts) -> None:
    rest = replace(rest, open=min(rest.open, {"sync": 2, "gthread": 8}.get(server, 24)))
    assert leak_of(ended(server, 0, rest, users=24)) == "no"


def test_a_server_that_stands_still_at_age_zero_cannot_tell() -> None:
    assert leak_of(ended("gevent", 0, ConnectionCounts(opened=24, open=24), users=24)) == "cannot tell"


@every(
    ("server", "rest", "told"),
    [
        ("sync", ConnectionCounts(opened=2, reused=60, open=2), "no"),
        ("gthread", ConnectionCounts(opened=8, reused=60, open=8), "no"),
        ("gthread", ConnectionCounts(opened=8, reused=3, open=8), "cannot tell"),  # most were never found again
        ("gthread", ConnectionCounts(opened=6, open=6), "cannot tell"),
        ("gthread", ConnectionCounts(opened=10, reused=500, open=10), "no"),  # a process's own thread keeps one more
        ("gthread", ConnectionCounts(opened=14, reused=500, open=14), "yes"),
        ("gthread", ConnectionCounts(opened=300, reused=500, open=8, closed={"garbage_collected": 292}), "yes"),
        ("sync", ConnectionCounts(opened=4, reused=3, open=4), "cannot tell"),
        ("sync", ConnectionCounts(opened=4, open=4), "cannot tell"),
    ],
)
def test_threads_that_serve_again_may_keep_one_each(server: str, rest: ConnectionCounts, told: Leak) -> None:
    assert leak_of(ended(server, 60, rest, users=24)) == told


def test_an_open_load_is_held_to_the_requests_that_it_had_under_way() -> None:
    """It may have a thousand under way, and had two: thirty connections are left, and that is a leak."""
    seen = ended("gevent", 60, ConnectionCounts(opened=30, open=30), users=1000)
    sent = [float(number) for number in range(30)]
    columns = {"ended": [at + 1.5 for at in sent], "response": [1.5] * 30, "failed": [0.0] * 30}
    requests = replace(seen.requests, due=sent, sent=sent, **columns)  # type: ignore[arg-type]
    load = OpenLoad(rate=1.0, arrivals="uniform")
    seen = replace(seen, requests=requests, case=replace(seen.case, open_load=load))
    assert leak_of(seen) == "yes"
    assert leak_of(replace(seen, requests=replace(requests, failed=[1.0] * 30))) == "cannot tell"


def test_one_user_meets_every_worker() -> None:
    assert leak_of(ended("sync", 60, ConnectionCounts(opened=2, reused=60, open=2), users=1)) == "no"


@every(("server", "told"), [("threaded", "no"), ("gevent", "no"), ("asgi", "yes")])
def test_kept_clients_keep_a_thread_but_not_under_asgi(server: str, told: Leak) -> None:
    reused = 0 if server == "asgi" else 300
    rest = ConnectionCounts(opened=8 if reused else 30, reused=reused, open=8 if reused else 30)
    assert leak_of(ended(server, 60, rest, users=8, keep_alive=True)) == told


@every("server", PER_REQUEST)
@every("counted_as", [1, 2, 5])
def test_closing_old_connections_within_a_request_hides_nothing(server: str, counted_as: int) -> None:
    """The request may be counted in pieces, each of which finds its own connection open."""
    sent = 60
    rest = ConnectionCounts(opened=sent, reused=(counted_as - 1) * sent, open=40, closed={"garbage_collected": 20})
    seen = ended(server, 60, rest, users=24)
    requests = replace(seen.requests, ended=[1.0] * sent, response=[0.1] * sent, failed=[0.0] * sent)
    assert leak_of(replace(seen, requests=requests)) == "yes"
    few = replace(rest, opened=20, reused=(counted_as - 1) * 20, open=20, closed={})
    connections = replace(seen.connections, at_rest=few, left_open=20)
    assert leak_of(replace(seen, requests=requests, connections=connections)) == "cannot tell"


@every("server", PER_REQUEST)
def test_closing_explicitly_within_a_request_hides_nothing(server: str) -> None:
    """connection.close() in a view, and a query after it: half are closed, half are lost."""
    rest = ConnectionCounts(opened=80, open=30, closed={"explicit": 40, "garbage_collected": 10})
    assert leak_of(ended(server, 60, rest, users=24)) == "yes"
    assert leak_of(ended(server, 60, ConnectionCounts(opened=80, closed={"explicit": 80}), users=24)) == "no"


def with_aliases(of: Trial, **aliases: ConnectionCounts) -> Trial:
    each = aliases.values()
    rest = replace(
        of.connections.at_rest,
        opened=sum(one.opened for one in each),
        reused=sum(one.reused for one in each),
        open=sum(one.open for one in each),
    )
    connections = replace(of.connections, at_rest=rest, left_open=rest.open, by_alias=aliases)
    columns = {name: [float(rest.open)] * len(of.series.at) for name in ("open", "backends")}
    return replace(of, connections=connections, series=replace(of.series, values=columns))


@every(("server", "aliases", "each"), [("sync", 3, 2), ("gthread", 2, 8), ("sync", 2, 2), ("gthread", 5, 8)])
def test_each_thread_keeps_all_its_aliases_and_no_leak_is_invented(server: str, aliases: int, each: int) -> None:
    base = ended(server, 60, ConnectionCounts(opened=each, reused=100, open=each), users=8)
    names = [f"alias{number}" for number in range(aliases)]
    seen = with_aliases(base, **{name: ConnectionCounts(opened=each, reused=100, open=each) for name in names})
    assert leak_of(seen) == "no"
    room = room_of(seen)
    assert room is not None
    assert room.most == each * aliases
    (arm,) = findings([seen.case], [seen]).arms
    assert (arm.leak, arm.usable, arm.peak) == ("no", each * aliases, each * aliases)


def test_a_leak_of_all_aliases_is_found() -> None:
    base = ended("gevent", 60, ConnectionCounts(), users=8)
    assert (
        leak_of(with_aliases(base, **{name: ConnectionCounts(opened=20, open=20) for name in ("a", "b", "c")})) == "yes"
    )


def test_a_leak_of_one_alias_is_found_among_others_that_have_room() -> None:
    base = ended("gthread", 60, ConnectionCounts(), users=8)
    sound = ConnectionCounts(opened=1, reused=100, open=1)
    assert leak_of(with_aliases(base, a=sound, b=sound, c=ConnectionCounts(opened=20, open=20))) == "yes"


def test_a_plan_that_counts_its_aliases_itself_is_not_counted_twice() -> None:
    base = ended("gthread", 60, ConnectionCounts(), users=8)
    kept = ConnectionCounts(opened=8, reused=100, open=8)
    seen = with_aliases(replace(base, case=replace(base.case, usable_connections=16)), a=kept, b=kept)
    assert room_of(seen) == Room(in_use=16, lasting=16, spare=4)


@every(
    ("leaks_of_trials", "told"),
    [
        (["no", "no", "yes"], "yes"),
        (["no", "no", "cannot tell"], "no"),
        (["no", "cannot tell"], "cannot tell"),
        (["cannot tell", "cannot tell"], "cannot tell"),
        ([], "cannot tell"),
    ],
)
def test_a_case_leaks_with_one_trial_and_is_cleared_by_most(leaks_of_trials: list[Leak], told: Leak) -> None:
    assert leak_of_all(leaks_of_trials) == told


def test_backends_that_are_still_exiting_are_no_leak() -> None:
    base = trial(case(usable=2))
    columns = {"backends": [40.0, 40.0], "open": [2.0, 2.0]}
    assert leak_of(replace(base, series=replace(base.series, at=[0.0, 0.1], values=columns))) != "yes"


def test_connections_that_postgresql_alone_shows_at_rest_are_a_leak() -> None:
    base = trial(case("sync", 60, usable=2), 1, KEPT)
    assert leak_of(base) != "yes"
    assert leak_of(replace(base, connections=replace(base.connections, left_open=40))) == "yes"


def test_workers_that_end_hide_no_leak_that_was_seen() -> None:
    """Each worker serves few requests, and its process takes what it leaked with it."""
    account = Account(counts=ConnectionCounts(opened=200, open=4, closed={"process_exit": 196}), peak=60)
    assert judge(account, Room(in_use=8, lasting=0, spare=2), keeps=True) == "yes"


def test_many_connections_that_are_all_closed_are_no_leak() -> None:
    """A view whose own threads open five connections, and close them."""
    account = Account(counts=ConnectionCounts(opened=500, closed={"explicit": 500}), peak=40)
    assert judge(account, Room(in_use=8, lasting=8, spare=2), keeps=True) == "no"


def growth(*each: tuple[int, int, int, int]) -> list[ConnectionCounts]:
    return [
        ConnectionCounts(opened=opened, reused=reused, closed={"garbage_collected": gone}, open=level)
        for opened, reused, gone, level in each
    ]


@every(
    ("points", "told"),
    [
        (growth((0, 0, 0, 0), (15, 0, 0, 15)), "cannot tell"),
        (growth((0, 0, 0, 0), (18, 0, 9, 9)), "cannot tell"),
        (growth((0, 0, 0, 10), (400, 0, 0, 130)), "yes"),
        (growth((0, 0, 0, 0), (8, 40, 0, 8), (8, 120, 0, 8)), "no"),
        (growth((0, 0, 0, 0), (40, 10, 0, 40), (64, 90, 0, 64), (64, 400, 0, 64)), "no"),
        (growth((0, 0, 0, 0), (45, 25, 0, 45), (60, 60, 0, 60)), "cannot tell"),
        (growth((0, 0, 0, 2), (400, 0, 0, 30)), "no"),
        (growth((0, 0, 0, 0), (100, 100, 0, 100), (200, 200, 0, 200)), "yes"),
    ],
)
def test_without_a_known_number_the_growth_tells(points: list[ConnectionCounts], told: Leak) -> None:
    assert judge_growth(points) == told


def test_more_uses_than_requests_are_pieces_of_requests() -> None:
    points = growth((0, 0, 0, 0), (100, 1900, 0, 100))
    assert judge_growth(points) == "no"
    assert judge_growth(points, requests=100) == "yes"
