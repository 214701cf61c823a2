"""A response as it was read. Its fields are worked out when they are asked for: of most responses, they never are."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Final

from httptools import HttpParserError, HttpResponseParser

FIRST_FINAL: Final = 200
TELLING: Final = frozenset({b"set-cookie", b"content-encoding", b"transfer-encoding"})


class RawResponse:
    """One final response; `came` begins with its head, or with interim responses and its head.

    `telling` says that the head has fields that the client itself must obey, `url` where the response came from.
    A plain class: one is made per request, and a frozen dataclass takes as long to make as its text takes to parse.
    """

    __slots__ = ("_came", "_pairs", "content", "keep_alive", "status", "telling", "url")

    def __init__(self, status: int, came: bytes, keep_alive: bool, telling: bool) -> None:  # noqa: FBT001  as above
        self.status = status
        self.keep_alive = keep_alive
        self.telling = telling
        self.content = b""
        self.url = ""
        self._came = came
        self._pairs: list[tuple[bytes, bytes]] | None = None

    @property
    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Name and value of each field, as they came."""
        if self._pairs is None:
            self._pairs = _pairs_of(self._came)
        return self._pairs

    def values(self, name: bytes) -> list[bytes]:
        """All values of the fields of that name (in lower case), in order."""
        return [value for field, value in self.pairs if field.lower() == name]


class _Collector:
    """Takes the fields of the first final head."""

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []
        self.parser: HttpResponseParser | None = HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))

    def on_headers_complete(self) -> None:
        assert self.parser is not None  # noqa: S101  it is calling
        if self.parser.get_status_code() < FIRST_FINAL:
            self.pairs.clear()
        else:
            raise _CompleteError


class _CompleteError(Exception):
    """Stops llhttp behind the head."""


@lru_cache(maxsize=100)
def is_telling(names: tuple[bytes, ...]) -> bool:
    """Whether one of these fields is; kept, because a site's responses have the same few fields."""
    return not TELLING.isdisjoint(name.lower() for name in names)


def _pairs_of(came: bytes) -> list[tuple[bytes, bytes]]:
    collector = _Collector()
    assert collector.parser is not None  # noqa: S101  it has just been made
    with suppress(HttpParserError):  # which is the stop
        collector.parser.feed_data(came)
    collector.parser = None  # which refers back
    return collector.pairs
