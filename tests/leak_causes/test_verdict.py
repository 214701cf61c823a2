"""The verdict on open connections: causes by name, one for a connection, and nothing where nothing is wrong."""

from __future__ import annotations

from every import every
from factories.listings import CART, OUTSIDE, SHOP, connections, listing

from loadlab.leak_causes import LEAK_CAUSES, named, verdict
from loadlab.model.holders import Holder

IDLE = connections(9, Holder.IDLE, thread_name="MainThread")


def test_a_leak_is_named_with_its_openers_and_what_to_do() -> None:
    seen = listing(IDLE, connections(41), connections(21, opened_by=CART))
    assert verdict(seen) == (
        "62 of 71 open connections belong to greenlets that have ended; opened by `shop/<int:pk>/` (41) and `cart/`"
        " (21); CONN_MAX_AGE=60 under gevent: set it to 0, or use Django's pool, or add"
        " 'loadlab.fixes.close_on_thread_exit.CloseOnThreadExit' to INSTALLED_APPS."
    )
    (cause,) = named(seen)
    assert (cause.name, len(cause.connections)) == ("per_request_threads", 62)
    assert cause.openers == (("shop/<int:pk>/", 41), ("cart/", 21))


def test_more_openers_than_a_sentence_names_are_added_up() -> None:
    routes = [connections(count, opened_by=type(SHOP)(kind="request", name=f"{count}/")) for count in range(6, 1, -1)]
    assert "opened by `6/` (6), `5/` (5), `4/` (4) and others (5); " in verdict(listing(*routes))


def test_more_threads_than_a_sentence_names_are_counted() -> None:
    each = [connections(1, thread_name=f"job {letter}", opened_by=OUTSIDE) for letter in "abcde"]
    assert "that have ended (`job a` and `job b` and `job c` and 2 others); opened by " in verdict(listing(*each))


def test_nothing_wrong_is_said_with_the_figures() -> None:
    busy = connections(2, Holder.IN_USE)
    assert verdict(listing(busy, IDLE)) == (
        "No cause of a leak is found. 11 open connections: 2 live thread, in use; 9 live thread, idle."
    )
    assert verdict(listing(connections(1, Holder.POOL))) == (
        "No cause of a leak is found. 1 open connection: 1 pool, idle."
    )
    assert verdict(listing()) == "No connection of this project is open."
    assert verdict(listing(connections(3, Holder.NOT_OURS))) == "No connection of this project is open."
    assert verdict(listing(silent=("web-2",))) == "No connection of the hosts that answered is open."


def test_what_cannot_be_told_is_said() -> None:
    earlier = connections(3, Holder.UNKNOWN, thread_name="", opened_by=None, used_by=None)
    assert verdict(listing(earlier, IDLE)) == (
        "3 of 12 open connections belong to processes of an earlier loadlab, which do not note the holder: restart"
        " them to know."
    )
    assert verdict(listing(IDLE, asked=False)).endswith(
        "\nThe database was not asked: what other programs have open is not known."
    )


def test_a_single_connection_that_waits_for_garbage_is_no_cause() -> None:
    each = connections(1), connections(1, process=200)
    assert named(listing(*each)) == ()
    assert verdict(listing(*each, IDLE)) == (
        "2 of 11 open connections belong to threads that have ended, and close when Python collects garbage."
    )
    assert len(named(listing(*each, each[0]))) == 1


def test_settings_that_may_not_be_those_of_the_site_are_said() -> None:
    other = "CONN_MAX_AGE is 0 in the settings as they were read here"
    assert [line.startswith(other) for line in verdict(listing(connections(9), max_age=0)).split("\n")] == [False, True]
    for fine in (connections(1), connections(9, lent=True), connections(9, opened_by=OUTSIDE)):
        assert other not in verdict(listing(fine, max_age=0))
    assert other not in verdict(listing(connections(9)))


def test_threads_that_have_just_ended_are_no_cause() -> None:
    just = listing(connections(5, used_seconds=0.9))
    assert named(just) == ()
    assert "5 of 5 open connections belong to threads that have ended, and close when" in verdict(just)
    under_load = listing(connections(5, used_seconds=0.9), connections(2))
    assert [len(cause.connections) for cause in named(under_load)] == [7]


def test_a_connection_belongs_to_one_cause_even_beside_an_equal_one() -> None:
    seen = listing(connections(2), connections(2))
    assert sum(len(cause.connections) for cause in named(seen)) == 4
    everything = listing(connections(5), connections(5, kept=True), connections(5, opened_by=OUTSIDE), IDLE)
    claimed = [id(one) for cause in named(everything) for one in cause.connections]
    assert len(claimed) == len(set(claimed))


@every("name", list(LEAK_CAUSES))
def test_each_cause_finds_nothing_in_a_healthy_listing(name: str) -> None:
    healthy = [
        connections(8, Holder.IDLE, thread_name="MainThread", served=400),
        connections(2, Holder.IN_USE, thread_name="ThreadPoolExecutor-*_*", used_seconds=0.01),
        connections(4, Holder.POOL, thread_name="pool-*-worker-*", opened_by=None, used_by=SHOP),
    ]
    for max_age in (0, 60, None):
        assert LEAK_CAUSES[name]().found(listing(*healthy, max_age=max_age)) == ()
