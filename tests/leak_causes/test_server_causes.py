"""The causes that come with servers and threads, in listings made by hand: what each finds, and what it leaves."""

from __future__ import annotations

from typing import Any, Final

from every import every
from factories.listings import OUTSIDE, SHOP, connections, listing

from loadlab.leak_causes import named
from loadlab.model.holders import Holder
from loadlab.model.open_connections import Session, Unit

JOB: Final = Unit(kind="other", name="shop.prices.fetch")
TASK: Final = Unit(kind="task", name="shop.tasks.mail")
POOL_THREAD: Final = "ThreadPoolExecutor-*_*"
ASGI: Final[dict[str, Any]] = {"thread_name": POOL_THREAD, "asgi": True, "executor": True}
LOOP: Final[dict[str, Any]] = {"thread_name": "asyncio_*", "asgi": True, "executor": True}
SLEEPS: Final = Session(state="idle", state_seconds=11.0)
PAUSES: Final = Session(state="idle", state_seconds=0.2)
WORKS: Final = Session(state="active", state_seconds=300.0)


def causes(holder: Holder, *, max_age: float | None = 60, **facts: Any) -> list[str]:
    return [cause.name for cause in named(listing(connections(5, holder, **facts), max_age=max_age))]


def test_a_query_in_the_event_loop_is_found_at_any_age() -> None:
    unsafe: dict[str, Any] = {"thread_name": "MainThread", "asgi": True}
    for max_age in (0, 60):
        for holder in (Holder.LEAKED, Holder.IN_USE):
            assert causes(holder, max_age=max_age, **unsafe) == ["async_unsafe"]
    assert causes(Holder.LEAKED, max_age=0, thread_name="MainThread") == []


@every(
    ("facts", "words"),
    [
        ({}, "greenlets that have ended; opened by `shop/<int:pk>/` (5); CONN_MAX_AGE=60 under gevent: set it to 0"),
        (ASGI, "CONN_MAX_AGE=60 under ASGI: "),
        ({"thread_name": "Thread-* (process_request_thread)"}, "under a server with a thread for each client, as "),
        ({"thread_name": "MainThread"}, "under an event loop that runs synchronous code, as tornado's: "),
        ({"thread_name": ""}, "under a server that ends idle threads, as granian does: "),
        ({"max_age": None}, "CONN_MAX_AGE=None under gevent: "),
    ],
)
def test_a_thread_per_request_is_named_with_its_server_and_age(facts: dict[str, Any], words: str) -> None:
    max_age, rest = facts.get("max_age", 60), {name: value for name, value in facts.items() if name != "max_age"}
    (cause,) = named(listing(connections(5, **rest), max_age=max_age))
    assert cause.name == "per_request_threads"
    assert words in f"{cause.sentence}; opened by `{cause.openers[0][0]}` (5); {cause.fix}"


def test_at_age_0_a_request_s_own_thread_is_no_cause() -> None:
    assert causes(Holder.LEAKED, max_age=0, **ASGI) == []
    assert causes(Holder.LEAKED, max_age=0, thread_name="Thread-* (process_request_thread)") == []


def test_a_thread_that_the_project_starts_is_named_at_any_age() -> None:
    for max_age in (0, 60, None):
        own = {"thread_name": "Thread-* (fetch)", "opened_by": JOB}
        assert causes(Holder.LEAKED, max_age=max_age, **own) == ["thread_per_job"]
        assert causes(Holder.LEAKED, max_age=max_age, **{**own, "opened_by": SHOP}) == ["thread_per_job"]
        assert causes(Holder.LEAKED, max_age=max_age, thread_name="mailer", opened_by=JOB) == ["thread_per_job"]
        assert causes(Holder.LEAKED, max_age=max_age, opened_by=OUTSIDE) == ["thread_per_job"]
    assert causes(Holder.LEAKED, max_age=0) == []  # a request that was killed in the middle leaves it too


def test_threads_of_an_executor_are_named_when_they_end_or_idle() -> None:
    own: dict[str, Any] = {"thread_name": POOL_THREAD, "executor": True, "opened_by": JOB}
    assert causes(Holder.LEAKED, **own) == ["executor_in_view"]
    assert causes(Holder.LEAKED, **{**own, "opened_by": SHOP}) == ["executor_in_view"]  # it has the request's context
    assert causes(Holder.OUTSIDE, **own, session=SLEEPS) == ["executor_in_view"]
    assert causes(Holder.OUTSIDE, **own, used_seconds=61.0) == ["executor_in_view"]
    mixed = listing(connections(2, **own), connections(3, Holder.OUTSIDE, session=SLEEPS, **own))
    assert named(mixed)[0].sentence == (
        "5 of 5 open connections belong to threads of a ThreadPoolExecutor that are idle or have ended"
    )


def test_threads_of_an_executor_that_work_are_no_cause() -> None:
    own: dict[str, Any] = {"thread_name": POOL_THREAD, "executor": True, "opened_by": JOB}
    for facts in ({"session": PAUSES}, {"session": WORKS}, {"used_seconds": 5.0}):
        assert causes(Holder.OUTSIDE, **{**own, **facts}) == []
    for unit in (SHOP, TASK):  # a server's or a worker's own executor
        assert causes(Holder.IDLE, **{**own, "opened_by": unit}, session=SLEEPS) == []


def test_the_event_loop_s_executor_is_named_when_no_unit_ends_there() -> None:
    for max_age in (0, 60):
        assert causes(Holder.IN_USE, max_age=max_age, unended=True, **LOOP) == ["thread_insensitive"]
        assert causes(Holder.IN_USE, max_age=max_age, session=SLEEPS, **LOOP) == ["thread_insensitive"]
    outside = {**LOOP, "asgi": False, "opened_by": JOB}
    assert causes(Holder.OUTSIDE, session=SLEEPS, **outside) == ["thread_insensitive"]


def test_the_event_loop_s_executor_is_no_cause_where_units_end() -> None:
    assert causes(Holder.IDLE, session=SLEEPS, **LOOP) == []
    assert causes(Holder.IN_USE, session=PAUSES, **LOOP) == []
    wsgi = {**LOOP, "asgi": False}  # hypercorn's
    assert causes(Holder.IN_USE, unended=True, **wsgi) == []
    assert causes(Holder.IN_USE, session=SLEEPS, **wsgi) == []


def test_a_task_s_greenlet_is_told_from_a_request_s() -> None:
    for max_age in (0, 60):
        assert causes(Holder.LEAKED, max_age=max_age, opened_by=TASK) == ["celery_gevent_pool"]
    both = named(listing(connections(5, opened_by=TASK), connections(9)))
    assert [(cause.name, len(cause.connections)) for cause in both] == [
        ("per_request_threads", 9),
        ("celery_gevent_pool", 5),
    ]


def test_a_task_s_greenlet_at_an_age_has_the_age_in_its_cure() -> None:
    (kept,) = named(listing(connections(5, opened_by=TASK)))
    assert "CONN_MAX_AGE=60: set it to 0 for the worker, for Celery before 5.6 keeps to it" in kept.fix
    (closed,) = named(listing(connections(5, opened_by=TASK), max_age=0))
    assert "CONN_MAX_AGE" not in closed.fix


def test_a_stream_is_named_when_it_has_held_its_connection_for_long() -> None:
    assert causes(Holder.IN_USE, answered=True, used_seconds=10.0) == ["streaming_response"]
    assert causes(Holder.IN_USE, answered=True, used_seconds=9.9) == []
    assert causes(Holder.IN_USE, used_seconds=300.0) == []


def test_what_is_opened_after_a_response_is_named_even_at_age_0() -> None:
    for max_age in (0, 60):
        assert causes(Holder.LEAKED, max_age=max_age, answered=True) == ["streaming_response"]
