"""What a load process sees of itself: greenlets of every kind, and ticks that are missing."""

from __future__ import annotations

from dataclasses import replace

import gevent
from gevent.event import Event
from gevent.pool import Group
from gevent.socket import socket as Socket  # noqa: N812
from locust.event import Events
from patience import await_that

from loadlab.load.generator.active_users import ActiveUsers
from loadlab.load.generator.contract import NO_RESULT, LoadResult
from loadlab.load.generator.self_monitor import SelfMonitor
from loadlab.load.generator.ticker import Pause, Ticker
from loadlab.model.window import Window


def test_who_waits_for_an_answer_is_at_work_and_who_pauses_is_not() -> None:
    listening, never = Socket(), Event()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    working = [listening.accept, lambda: spin(never)]
    pausing = [lambda: gevent.sleep(600), lambda: wait_for(never)]
    looks, users = ActiveUsers(), Group()
    for does in (*working, *pausing):
        users.start(gevent.Greenlet(does))
    gevent.sleep(0.05)
    for at in range(3):
        looks.look(float(at), users)
    users.kill()
    listening.close()
    assert looks.at_least(Window(0.0, 3.0)) == len(working)


def wait_for(event: Event) -> None:
    event.wait()


def spin(until: Event) -> None:
    while not until.is_set():
        gevent.sleep(0)


def test_a_watch_follows_the_users_of_the_runner_that_locust_starts() -> None:
    events, monitor, users = Events(), SelfMonitor(), Group()
    monitor.listen(events)
    events.init.fire(environment=None, runner=type("Runner", (), {"user_greenlets": users}), web_ui=None)  # type: ignore[no-untyped-call]
    users.start(user := gevent.spawn(spin, never := Event()))
    watching = gevent.spawn(monitor.run)
    await_that(lambda: gevent.sleep(0.01) or monitor.seen(Window(0.0, 1e12))[1] == 1.0, "not seen")  # type: ignore[func-returns-value]
    never.set()
    gevent.joinall([user])
    watching.kill()


def test_what_was_seen_comes_home_with_the_result_of_each_process() -> None:
    pauses = (Pause(seconds=0.3, suspended=0.1),)
    sent = replace(NO_RESULT, pauses=pauses, active_users=(2.5,))
    taken = LoadResult.from_json(sent.to_json())
    assert (taken.pauses, taken.active_users) == (pauses, (2.5,))


def test_a_process_that_ticks_has_no_pause() -> None:
    ticker = Ticker()
    for number in range(200):
        ticker.take(10.0 + number / 50, 5.0 + number / 50)
    assert ticker.longest(0.0, 100.0) == Pause()
