"""What a part of a request costs the generator: one kind of user, for some seconds; prints CPU seconds per round.

Called by generator.py as `generator_parts.py KIND SECONDS PORT USERS`.
"""

from __future__ import annotations

import os
import sys
import time
from array import array
from typing import Any

import gevent
from gevent import socket
from locust import User, constant, events
from locust.env import Environment

from loadlab.load.http.lean_user import LeanHttpUser

WARM_UP_SECONDS = 1.0
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
META = {"request_type": "GET", "name": "/", "context": {}, "exception": None, "response": None, "url": "/"}


class Counted(User):
    """Goes round as fast as it can."""

    abstract = True
    wait_time = constant(0)
    rounds = 0

    def once(self) -> None:
        Counted.rounds += 1


class EmptyTask(Counted):
    """Locust's own loop."""

    tasks = [Counted.once]  # noqa: RUF012  Locust's own shape


class RequestEvent(Counted):
    """And Locust's request event: its statistics, and a listener that keeps the exact time."""

    def report(self) -> None:
        began = time.perf_counter()
        Counted.rounds += 1
        took = (time.perf_counter() - began) * 1000
        fire: Any = self.environment.events.request.fire
        fire(response_time=took, response_length=43, start_time=time.time(), **META)

    tasks = [report]  # noqa: RUF012


class BareSocket(RequestEvent):
    """And a gevent socket that sends a constant and takes any bytes for a response."""

    def on_start(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self) -> None:
        self.socket.sendall(REQUEST)
        self.socket.recv(65536)
        self.report()

    tasks = [exchange]  # noqa: RUF012


class Whole(LeanHttpUser):
    """All that our user does."""

    host = f"http://127.0.0.1:{sys.argv[3]}"
    wait_time = constant(0)

    def whole(self) -> None:
        Counted.rounds += 1
        self.client.get("/")

    tasks = [whole]  # noqa: RUF012


def main() -> None:
    """Nothing is awaited at the end: Locust's greenlets have nothing more to say."""
    kind, seconds, _, users = sys.argv[1:]
    exact = array("d")
    events.request.add_listener(lambda response_time, **_: exact.append(response_time))
    locust = Environment(user_classes=[globals()[kind]], events=events)
    locust.create_local_runner().start(int(users), spawn_rate=int(users))
    gevent.sleep(WARM_UP_SECONDS)
    cpu, rounds = time.process_time(), Counted.rounds
    gevent.sleep(float(seconds))
    print((time.process_time() - cpu) / (Counted.rounds - rounds), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
