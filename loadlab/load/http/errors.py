"""What can go wrong in an HTTP exchange; messages name the kind only, because Locust groups failures by their text.

The names of these classes are keys of `failures` in records and in `report.json`, and names in Locust's own files of
failures. They stay as first released, so that a run of an earlier release can be compared with a new one.
"""

from __future__ import annotations


class UnsafeRequestError(ValueError):
    """What a task asked for must not be sent; nothing was. A fault of the Locust file, not a sample."""


class HttpFaultError(Exception):
    """The exchange failed. With the operating system's own errors, this is what becomes a failed request."""


class UnsupportedOptionError(HttpFaultError):
    """A request was asked for with a keyword that this client cannot obey; nothing was sent."""


class ConnectTimeoutError(HttpFaultError, TimeoutError):
    """The name was not resolved, or the connection not made, within `connection_timeout`."""


class AnswerTimeoutError(HttpFaultError, TimeoutError):
    """The request was not sent and its response not complete within `network_timeout`."""


class ConnectionLostError(HttpFaultError, ConnectionError):
    """The connection ended before the response did.

    `silent`: not one byte of a response had come, so the server may not have seen the request.
    """

    def __init__(self, reason: str, *, silent: bool) -> None:
        super().__init__(reason)
        self.silent = silent


class MalformedAnswerError(HttpFaultError):
    """What came is not one valid HTTP/1 response."""


class AnswerTooLargeError(HttpFaultError):
    """The response's head, or all of it, is beyond its limit."""


class RedirectError(HttpFaultError):
    """The server redirects to where this client does not follow."""


class BadStatusError(HttpFaultError):
    """The response came, and its status says that the request failed."""


# What a request may fail with. Anything else is a fault of the Locust file or of ours, and not a sample.
FAILURES = (HttpFaultError, OSError)
