"""The user that scenarios derive from: Locust's fast client, with client keep-alive as an option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust import FastHttpUser, events
from locust.user.wait_time import constant

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser

ENTRIES = 1000  # the site is seeded with entries 1 to 1000


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


class SiteUser(FastHttpUser):
    """Sends its next request as soon as it has the answer to the last one."""

    abstract = True
    wait_time = constant(0)
    connection_timeout = 30.0
    network_timeout = 30.0

    def __init__(self, environment: Any) -> None:  # noqa: ANN401  Locust's Environment; importing it here is circular
        options = environment.parsed_options
        if options is not None and getattr(options, "client_keep_alive", "on") == "off":
            self.default_headers = {**(self.default_headers or {}), "Connection": "close"}
        super().__init__(environment)
