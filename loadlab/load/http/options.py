"""Keywords that Locust's other clients take with a request: understood where that is simple, else refused.

A refused request fails under its own name, so that a ported Locust file never seems to succeed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

import requests
from requests.auth import HTTPBasicAuth

from loadlab.load.http.errors import UnsupportedOptionError
from loadlab.load.http.request import basic_authorization

if TYPE_CHECKING:
    from loadlab.load.http.request import Body, Seconds, Text

    class OtherOptions(TypedDict, total=False):
        """What `HttpUser` or `FastHttpUser` take besides; any but the first three must change nothing."""

        timeout: float | tuple[float | None, float | None] | None
        cookies: Mapping[str, object] | None
        files: Any
        verify: bool | str | None
        stream: bool
        cert: Any
        proxies: Any
        hooks: Any


UNDERSTOOD: Final = ("timeout", "cookies", "files", "verify")
_log = logging.getLogger(__name__)
_told: set[str] = set()


class KeywordOptions(NamedTuple):
    """What such keywords come to. `timeouts` are None for those of the class."""

    timeouts: Seconds | None
    cookies: Mapping[str, object] | None
    files: Any


def extras(options: Mapping[str, Any], url: str, usual: Seconds, *, insecure: bool) -> KeywordOptions:
    """What the keywords of one request ask for; `usual` are the seconds of the class.

    Raises:
        UnsupportedOptionError: this client cannot do it.
        ValueError: no such time can be.
    """
    for name, value in options.items():
        if name not in UNDERSTOOD and value:  # stream=False, proxies={} and the like change nothing
            raise unsupported(f"{name}=")
    _check_verify(options.get("verify"), url, insecure=insecure)
    cookies = options.get("cookies") or None
    if cookies is not None and not isinstance(cookies, Mapping):
        raise unsupported(f"cookies={type(cookies).__name__}", "Pass a dict.")
    return KeywordOptions(_seconds(options.get("timeout"), usual), cookies, options.get("files") or None)


def unsupported(what: str, remedy: str = "Use FastHttpUser or HttpUser for what needs it.") -> UnsupportedOptionError:
    """The fault to raise; the log has it once, the statistics for each request."""
    error = UnsupportedOptionError(f"LeanHttpUser does not take {what}. {remedy} See docs/how-to/lean-client.md.")
    if what not in _told:
        _told.add(what)
        _log.error("%s Each request with it fails.", error)
    return error


def _check_verify(verify: bool | str | None, url: str, *, insecure: bool) -> None:  # noqa: FBT001  as requests has it
    if verify is None or not url.lower().startswith("https:"):
        return
    if not isinstance(verify, bool) or verify == insecure:
        raise unsupported(f"verify={verify!r}", "Set insecure or ssl_context_factory in the class.")


def _seconds(timeout: Any, usual: Seconds) -> Seconds | None:  # noqa: ANN401
    if timeout is None:
        return None
    given = tuple(timeout) if isinstance(timeout, (tuple, list)) else (timeout, timeout)
    connecting, exchange = (default if one is None else float(one) for one, default in zip(given, usual, strict=True))
    if not (connecting > 0 and exchange > 0):
        raise ValueError(f"timeout={timeout!r} should be seconds, more than 0, or a pair (connecting, response)")
    return connecting, exchange


def authorization_of(auth: Any) -> str:  # noqa: ANN401  as requests takes it
    """The value of an Authorization field, from a pair or from what requests has for one."""
    if isinstance(auth, HTTPBasicAuth):
        user: Text = auth.username
        return basic_authorization(user, auth.password)
    if callable(auth):
        raise unsupported(f"auth={type(auth).__name__}", "Pass a pair (user, password), or use HttpUser.")
    return basic_authorization(*auth)


def multipart(files: Any, data: Body) -> tuple[bytes, dict[str, str]]:  # noqa: ANN401
    """The body of a form with files, and the field that goes with it, as requests makes them."""
    prepared = requests.Request("POST", "http://localhost/", files=files, data=data or None).prepare()
    body = prepared.body
    about = {"Content-Type": str(prepared.headers["Content-Type"])}
    return body if isinstance(body, bytes) else str(body).encode(), about
