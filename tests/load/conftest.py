"""What the tests of the load generator's client share: Locust without its patches, a user, what it reports."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

# Locust patches the process that imports it; other tests of this process need theirs as it is. Programs that they
# start inherit the environment, so the variable must not stay in it.
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust.env
from locust.contrib.fasthttp import FastHttpSession
from locust.event import Events

from loadlab.load.http.lean_user import LeanHttpUser, LeanSession

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Making = Callable[..., LeanHttpUser]


class Reported(list[dict[str, Any]]):
    """Locust's request events, in order."""

    def take(self, **event: Any) -> None:
        self.append(event)

    @property
    def failures(self) -> list[str]:
        return [type(event["exception"]).__name__ for event in self if event["exception"] is not None]


@pytest.fixture
def reported() -> Reported:
    return Reported()


@pytest.fixture
def a_user(reported: Reported) -> Iterator[Making]:
    """Makes users whose host is a port of this machine, or any other."""
    made: list[LeanHttpUser] = []

    def make(host: int | str | None, *bases: type, **attributes: Any) -> LeanHttpUser:
        events = Events()
        events.request.add_listener(reported.take)
        url = f"http://127.0.0.1:{host}" if isinstance(host, int) else host
        defaults = {"connection_timeout": 20.0, "network_timeout": 20.0}
        kind = type("Visitor", bases or (LeanHttpUser,), {**defaults, "host": url, **attributes})
        options = attributes.get("parsed_options")
        user = kind(locust.env.Environment(user_classes=[kind], events=events, parsed_options=options))
        made.append(user)
        return user

    yield make
    for user in made:
        close(user.client)


def close(client: Any) -> None:
    """End the connections of our client, or of one of Locust's."""
    if isinstance(client, LeanSession):
        client.http.close()
    elif isinstance(client, FastHttpSession):
        client.client.close()
    else:
        client.close()
