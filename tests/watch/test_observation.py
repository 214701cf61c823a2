"""What a watch concludes from readings: increases, reuse, leaks and closed forms, and nothing without evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from every import every

from loadlab.model.counts import ConnectionCounts
from loadlab.model.reading import Reading
from loadlab.report.watch import as_text
from loadlab.watch.observation import observe

if TYPE_CHECKING:
    from loadlab.model.observation import AliasObservation


def readings(*each: dict[str, Any], **judge: list[int]) -> list[Reading]:
    """Ten seconds apart."""
    return [
        Reading(
            at=10.0 * number,
            hosts={"default": {"": ConnectionCounts(**fields)}},
            judged={name: values[number] for name, values in judge.items()},
        )
        for number, fields in enumerate(each)
    ]


def seen(*each: dict[str, Any], threads: int | None = None) -> AliasObservation:
    return observe(readings(*each), gaps=0, threads=threads).aliases["default"]


def test_counts_are_increases_over_the_watch() -> None:
    one = seen(
        {"opened": 100, "first_uses": 90, "reused": 10, "open": 3},
        {"opened": 110, "first_uses": 99, "reused": 41, "open": 7},
        {"opened": 120, "first_uses": 110, "reused": 90, "open": 4, "connects": 120, "connect_seconds_sum": 1.2},
    )
    assert (one.opened, one.requests, one.reused, one.share_reused) == (20, 100, 80, 0.8)
    assert one.open == (3, 7, 4)
    assert one.mean_connect_seconds == pytest.approx(0.01)


def test_tasks_are_told_apart_from_requests_and_change_no_age() -> None:
    idle = {"first_uses": 4, "units": {"task_opened": 4}}
    busy = {"first_uses": 34, "reused": 90, "units": {"task_opened": 14, "task_reused": 30}}
    one = seen(idle, busy, threads=4)
    assert (one.requests, one.reused, one.units) == (80, 60, {"task_opened": 10, "task_reused": 30})
    assert one.ages == seen({}, {"first_uses": 20, "reused": 60}, threads=4).ages
    text = as_text(observe(readings(idle, busy), gaps=0, threads=4))
    assert "tasks        4.0/s, 75 % reused a connection" in text
    assert "messages" not in text


def test_a_counter_that_begins_anew_gives_no_negative_count() -> None:
    observation = observe(readings({"opened": 100}, {"opened": 130}, {"opened": 5}), gaps=0, threads=None)
    assert observation.aliases["default"].opened == 35
    assert observation.resets == 1


def test_an_unused_alias_has_no_share_and_no_ages() -> None:
    one = seen({}, {}, threads=4)
    assert one.share_reused is None
    assert one.ages == ()


@every(
    ("last", "verdict"),
    [
        ({"opened": 100, "open": 60, "closed": {"garbage_collected": 40}, "first_uses": 100}, "yes"),
        ({"opened": 100, "open": 100, "first_uses": 100}, "yes"),
        ({"opened": 100, "closed": {"request_end": 100}, "first_uses": 100}, "no"),
        ({"opened": 100, "open": 60, "closed": {"max_age": 40}, "first_uses": 100, "reused": 900}, "no"),
        ({"opened": 0, "open": 0, "reused": 50}, "no"),
        ({"opened": 0, "open": 0}, "cannot tell"),
    ],
)
def test_a_connection_that_no_request_finds_again_is_a_leak(last: dict[str, Any], verdict: str) -> None:
    assert seen({}, last).leak.told == verdict


def test_where_no_connect_was_seen_the_earlier_ones_say_what_it_takes() -> None:
    before = {"first_uses": 10, "connects": 10, "connect_seconds_sum": 0.1}
    one = seen(before, {**before, "first_uses": 10, "reused": 80}, threads=4)
    assert one.mean_connect_seconds is None
    assert one.earlier_connect_seconds == pytest.approx(0.01)
    assert one.ages[0].connecting_seconds_per_second == pytest.approx(0.08)


def test_other_ages_follow_the_closed_form_and_need_the_number_of_threads() -> None:
    used = {"first_uses": 80, "connects": 80, "connect_seconds_sum": 0.8}
    assert seen({}, used).ages == ()
    ages = {age.max_age: age for age in seen({}, used, threads=4).ages}
    assert ages[0].reused == 0
    assert ages[0].opened_per_second == pytest.approx(8)
    assert ages[1].reused == pytest.approx(2 / 3)  # 2 requests a second per thread, for one second
    assert ages[None].opened_per_second == 0
    assert ages[0].connecting_seconds_per_second == pytest.approx(0.08)


@every(("sessions", "difference"), [([5, 25], 0), ([5, 30], -5), ([5, 20], 5)])
def test_postgresql_is_the_judge_where_it_was_asked(sessions: list[int], difference: int) -> None:
    both = readings({"opened": 0}, {"opened": 20}, sessions=sessions, sessions_reset=[1, 1], backends=[0, 1])
    observation = observe(both, gaps=0, threads=None)
    assert (observation.sessions, observation.difference) == (sessions[1] - sessions[0], difference)


@every(("opened", "told"), [(20, "exactly as many as the alias default has opened."), (18, "default opened 2 fewer.")])
def test_of_several_aliases_it_is_said_which_one_is_compared(opened: int, told: str) -> None:
    both = readings({}, {"opened": opened}, sessions=[5, 25], sessions_reset=[1, 1], backends=[0, 1])
    beside = [replace(one, hosts={**one.hosts, "replica": one.hosts["default"]}) for one in both]
    text = as_text(observe(beside, gaps=0, threads=None))
    assert told in text
    assert "the project" not in text


def test_an_alias_that_comes_into_use_during_the_watch_counts_from_zero() -> None:
    first = Reading(at=0.0, hosts={})
    later = Reading(at=10.0, hosts={"default": {"": ConnectionCounts(opened=7)}})
    assert observe([first, later], gaps=0, threads=None).aliases["default"].opened == 7


@every(
    ("last", "threads", "said"),
    [
        ({}, 4, "other ages   follow from the rate of requests, and there were none"),
        ({}, 4, "leak         cannot tell: nothing used the database"),
        ({"first_uses": 80}, None, "other ages   say --threads"),
        ({"first_uses": 80}, 4, "no connect was seen"),
        ({"first_uses": 80, "connects": 80, "connect_seconds_sum": 0.8}, 4, "80.0 ms per second"),
    ],
)
def test_the_words_ask_for_nothing_that_was_given(last: dict[str, Any], threads: int | None, said: str) -> None:
    text = as_text(observe(readings({}, last), gaps=0, threads=threads))
    assert said in text
    assert ("say --threads" in text) is (threads is None)
    assert text == "\n".join(line.rstrip() for line in text.splitlines())


def test_what_connecting_takes_is_said_to_be_of_earlier_where_it_is() -> None:
    before = {"first_uses": 10, "connects": 10, "connect_seconds_sum": 0.1}
    series = readings(before, {**before, "first_uses": 10, "reused": 80})
    assert "No connect was seen; 10.0 ms is the mean of all earlier ones." in as_text(
        observe(series, gaps=0, threads=4)
    )
