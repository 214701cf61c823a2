"""What a server mode is: how Python serves HTTP, and how many connections it can use at once."""

from __future__ import annotations

import signal
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

Count = Annotated[int, Field(ge=1, le=10_000, description="a whole number, 1 or more")]
Seconds = Annotated[int, Field(ge=0, le=3600, description="whole seconds, 0 or more")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where the Django project is, in the terms of each kind of server: always with the lab's settings override."""

    wsgi: str = "loadlab.settings_override.wsgi:application"
    asgi: str = "loadlab.settings_override.asgi:application"
    manage: tuple[str, ...] = ("-m", "loadlab.settings_override")
    python: str = sys.executable


@dataclass(frozen=True, kw_only=True, slots=True)
class Server(ABC):
    """Base of the family; the fields of a member are its parameters, validated as annotated.

    `title` is what people call it. `stop_signal` asks the server for its orderly end. `packages` are those it needs in
    the project's Python, besides Django. `program` ("runserver", "gunicorn", "uvicorn", or empty for any other), `asgi`
    and `greenlets` tell strategies what they may count on.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    title: ClassVar[str] = ""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    packages: ClassVar[tuple[str, ...]] = ()
    program: ClassVar[str] = ""
    asgi: ClassVar[bool] = False
    greenlets: ClassVar[bool] = False

    @abstractmethod
    def argv(self, site: Site, port: int) -> list[str]:
        """The command that serves `site` on 127.0.0.1:`port` in the foreground."""

    @abstractmethod
    def processes(self) -> int:
        """How many processes answer requests: the mode is ready when that many have loaded the site."""

    @abstractmethod
    def usable_connections(self, users: int) -> int:
        """The most connections that serve a request at one instant, with `users` clients of one request each."""

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  members look where they must
        """The most connections that a later request can find while none is served: one per thread that serves again.

        `keep_alive` says that clients keep their connection to the server, and with it a thread that is theirs.
        """
        return self.usable_connections(users)

    def environment(self) -> dict[str, str]:
        """What the mode needs in its environment, beyond the site's own."""
        return {}
