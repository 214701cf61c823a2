"""Makes the bytes of a request; refuses what could be read as more than that one request."""

from __future__ import annotations

import json as json_module
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias, cast
from urllib.parse import urlencode, urlsplit

from requests.utils import requote_uri

from loadlab.load.http.errors import UnsafeRequestError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Text: TypeAlias = str | bytes
Params: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, Any]] | str"
Body: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, Any]] | IO[Any] | Text | None"
Seconds: TypeAlias = "tuple[float, float]"  # for connecting, and for the exchange

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
WITH_LENGTH: Final = frozenset({"POST", "PUT", "PATCH"})  # they say so when they have no body, too

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_TARGET: Final = re.compile(r"[A-Za-z0-9\-._~!#$&'()*+,/:;=?@\[\]]+")  # what needs no quoting; no percent sign
_HOST: Final = re.compile(r"[0-9A-Za-z_.-]+|[0-9A-Fa-f:.]+(?:%[0-9A-Za-z_.~-]+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Where a request goes. `origin` tells connections apart, `authority` is for the Host field."""

    origin: tuple[str, str, int]
    authority: str
    target: str
    url: str

    @property
    def secure(self) -> bool:
        return self.origin[0] == "https"


@lru_cache(maxsize=4096)
def located(url: str) -> Location:
    """The parts of an absolute URL; kept, because a load asks for the same ones over and over.

    Raises:
        UnsafeRequestError: it is not an http or https URL, or holds what must not be sent.
    """
    # urlsplit would drop line ends without a word.
    if _CONTROL.search(url):
        raise UnsafeRequestError(f"URL {url!r} holds control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnsafeRequestError(f"URL {url!r} cannot be understood: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise UnsafeRequestError(f"URL {url!r} does not begin with http:// or https://")
    host = _host(parts.hostname or "", url)
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    port = DEFAULT_PORTS[scheme] if port is None else port
    return Location(
        origin=(scheme, host, port),
        authority=shown if port == DEFAULT_PORTS[scheme] else f"{shown}:{port}",
        target=_target(parts.path or "/", parts.query, url),
        url=url,
    )


def _host(host: str, url: str) -> str:
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UnsafeRequestError(f"URL {url!r} has an invalid host: {error}") from error
    if not _HOST.fullmatch(ascii_host):
        raise UnsafeRequestError(f"URL {url!r} has no valid host")
    return ascii_host


def _target(path: str, query: str, url: str) -> str:
    """Quoted as FastHttpUser and requests do it, so that what is quoted already stays as it is."""
    target = f"{path}?{query}" if query else path
    if _TARGET.fullmatch(target):
        return target
    try:
        return requote_uri(target)
    except UnicodeError as error:
        raise UnsafeRequestError(f"URL {url!r} cannot be encoded: {error}") from error


def with_params(url: str, params: Params) -> str:
    """The URL with these parameters behind those it has, before its fragment."""
    text = params if isinstance(params, str) else urlencode(list(_pairs(params)), doseq=True)
    if not text:
        return url
    address, mark, fragment = url.partition("#")
    return f"{address}{'&' if '?' in address else '?'}{text}{mark}{fragment}"


def _pairs(params: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    """As requests does it, parameters of None are left out."""
    items = params.items() if isinstance(params, Mapping) else params
    return ((key, value) for key, value in items if value is not None)


@lru_cache(maxsize=4096)
def header_line(name: str, value: Text | int) -> str:
    """One line of a head.

    Raises:
        UnsafeRequestError: name or value would not stay one field.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if not _TOKEN.fullmatch(name):
        raise UnsafeRequestError(f"{name!r} is not a valid name of a header field")
    if not _VALUE.fullmatch(text):
        raise UnsafeRequestError(f"The value of header field {name!r} must be one line of Latin-1, and is {text!r}")
    if name.lower() in {"transfer-encoding", "content-length"}:
        raise UnsafeRequestError(f"Header field {name!r} is set from the body; leave it out")
    return f"{name}: {text}\r\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """Fields of a request, as one text; all but those that depend on where it goes, and on its body."""

    lines: Mapping[str, str]  # by name in lower case
    text: str
    closes: bool  # the connection, with the response
    names_host: bool
    names_cookies: bool

    @classmethod
    def of(cls, lines: Mapping[str, str]) -> Head:
        _, _, connection = lines.get("connection", "").partition(":")
        return cls(
            lines=lines,
            text="".join(lines.values()),
            closes="close" in {option.strip().lower() for option in connection.split(",")},
            names_host="host" in lines,
            names_cookies="cookie" in lines,
        )

    def with_headers(self, headers: Mapping[str, Any]) -> Head:
        """These headers in place of those of the same name. A value of None takes one away."""
        lines = dict(self.lines)
        for name, value in headers.items():
            if value is None:
                lines.pop(name.lower(), None)
            else:
                lines[name.lower()] = header_line(name, value)
        return Head.of(lines)

    def without(self, names: Collection[str]) -> Head:
        return Head.of({name: line for name, line in self.lines.items() if name not in names})


@lru_cache(maxsize=64)
def checked_method(method: str) -> str:
    """The method in upper case, if it is one; CONNECT would turn the connection into something else."""
    upper = method.upper()
    if not _TOKEN.fullmatch(method) or upper == "CONNECT":
        raise UnsafeRequestError(f"{method!r} is not a method that this client can send")
    return upper


def cookie_line(line: str, cookies: Mapping[str, object]) -> str:
    r"""The Cookie field of a request that adds cookies to those of the session, or replaces some.

    >>> cookie_line("Cookie: a=1; b=2\r\n", {"b": 3, "c": 4})
    'Cookie: a=1; b=3; c=4\r\n'
    """
    session = [pair for pair in line.removeprefix("Cookie: ").strip().split("; ") if pair]
    kept = [pair for pair in session if pair.partition("=")[0] not in cookies]
    return header_line("Cookie", "; ".join([*kept, *(f"{name}={value}" for name, value in cookies.items())]))


def request_bytes(method: str, location: Location, head: Head, cookies: str, body: bytes) -> bytes:
    """The whole request; `method` is checked, `cookies` is a line or empty."""
    host = "" if head.names_host else f"Host: {location.authority}\r\n"
    length = f"Content-Length: {len(body)}\r\n" if body or method in WITH_LENGTH else ""
    first = f"{method} {location.target} HTTP/1.1\r\n"
    return f"{first}{host}{head.text}{cookies}{length}\r\n".encode("latin-1") + body


def body_of(data: Body, json: object) -> tuple[bytes, dict[str, str]]:
    """The body, and the fields that go with it unless others are given, as Locust's clients choose them."""
    if data:
        if isinstance(data, str):
            return data.encode(), {"Content-Type": "text/plain; charset=utf-8"}
        if isinstance(data, (bytes, bytearray, memoryview)):
            return bytes(data), {"Content-Type": "application/octet-stream"}
        if not isinstance(data, Mapping) and hasattr(data, "read"):
            return body_of(data.read(), None)
        form = urlencode(cast("Mapping[str, Any]", data)).encode()
        return form, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    if json is not None:
        return json_module.dumps(json).encode(), {"Content-Type": "application/json", "Accept": "application/json"}
    return b"", {}


def basic_authorization(user: Text, password: Text) -> str:
    """The value of an Authorization field."""
    raw = b":".join(text.encode("latin-1") if isinstance(text, str) else text for text in (user, password))
    return "Basic " + b64encode(raw).decode("ascii")
