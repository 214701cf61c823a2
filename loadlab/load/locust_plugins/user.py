"""The user that scenarios derive from: Locust's fast client, with client keep-alive as an option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust import FastHttpUser, HttpUser, User, events
from locust.user.wait_time import constant
from requests.adapters import HTTPAdapter

from loadlab.load.locust_plugins import web  # noqa: F401  the tab in Locust's page, for those who ask for it

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from requests import Response

ENTRIES = 1000  # the site is seeded with entries 1 to 1000
CLOSE = {"Connection": "close"}


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    """Locust keeps client connections alive, which hides what a server does with a connection per request."""
    parser.add_argument(
        "--client-keep-alive",
        choices=["on", "off"],
        default="on",
        env_var="LOADLAB_CLIENT_KEEP_ALIVE",
        help="off: a new TCP connection for each request, as behind a proxy that keeps none upstream",
    )


class OneRequestAdapter(HTTPAdapter):
    """Keeps no connection, not even one whose server has not said that it closes it."""

    def send(self, *arguments: Any, **options: Any) -> Response:  # noqa: ANN401  as requests calls it
        self.poolmanager.clear()
        return super().send(*arguments, **options)


class KeepAliveOption(User):
    """Obeys --client-keep-alive, whichever of Locust's HTTP clients the user has."""

    abstract = True

    def __init__(self, environment: Any) -> None:  # noqa: ANN401  Locust's Environment; importing it here is circular
        options = environment.parsed_options
        closes = options is not None and getattr(options, "client_keep_alive", "on") == "off"
        if closes:  # FastHttpUser's headers, read when it is made
            vars(self)["default_headers"] = {**(getattr(self, "default_headers", None) or {}), **CLOSE}
        super().__init__(environment)
        if closes and isinstance(self, HttpUser):
            self.client.headers.update(CLOSE)
            for scheme in ("http://", "https://"):
                self.client.mount(scheme, OneRequestAdapter())


def with_keep_alive_option(user: type[User]) -> type[User]:
    """A user class of a Locust file, made to obey the option as well."""
    if issubclass(user, KeepAliveOption):
        return user
    return type(user.__name__, (KeepAliveOption, user), {"__module__": user.__module__})


class SiteUser(KeepAliveOption, FastHttpUser):
    """Sends its next request as soon as it has the response to the last one."""

    abstract = True
    wait_time = constant(0)
    connection_timeout = 30.0
    network_timeout = 30.0
