"""A response as a Locust file sees it: the part of FastHttpUser's response that loads need."""

from __future__ import annotations

import json as json_module
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from charset_normalizer import detect
from geventhttpclient.header import Headers
from locust.exception import CatchResponseError, LocustError, ResponseError
from requests.utils import get_encoding_from_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from loadlab.load.http.raw_response import RawResponse

FIRST_ERROR_STATUS: Final = 400
NOT_CAUGHT: Final = (
    "To decide on a request yourself, ask with catch_response=True, and use the response in a with block."
)


class LeanResponse:
    """A response, or what there is instead of one: then `status_code` is 0, `content` None and `error` says why.

    With `catch_response=True` it is a context manager that reports the request at its end.
    """

    # In the class as long as they are the same for all: most responses are never asked for any of it.
    encoding: str | None = None
    js: Any = None  # where RestMixin.rest() puts the parsed JSON
    _headers: Headers | None = None
    _entered = False
    _verdict: bool | Exception | None = None

    def __init__(
        self,
        raw: RawResponse | None,
        url: str,
        error: Exception | None,
        seconds: float,
        report: Callable[..., None] | None,
    ) -> None:
        self._raw = raw
        self._seconds = seconds
        self._report = report
        self.request_meta: dict[str, Any] = {}  # what will be reported, if that is up to the with block
        self.error = error
        if raw is None:
            self.status_code = 0
            self.content: bytes | None = None
            self.url = url
        else:
            self.status_code = raw.status
            self.content = raw.content
            self.url = raw.url

    @property
    def headers(self) -> Headers | None:
        """The fields of the head, as FastHttpUser has them; names in any case."""
        if self._headers is None and self._raw is not None:
            self._headers = Headers()
            for name, value in self._raw.pairs:
                self._headers.add(name.decode("latin-1"), value.decode("latin-1"))
        return self._headers

    @property
    def text(self) -> str | None:
        """The content as text; set `encoding` before, if the server does not say it."""
        if self.content is None:
            return None
        if self.encoding is None:
            self.encoding = get_encoding_from_headers(self.headers) or detect(self.content)["encoding"]  # type: ignore[arg-type]
        return None if self.encoding is None else str(self.content, self.encoding, errors="replace")

    @property
    def ok(self) -> bool:
        return self.status_code < FIRST_ERROR_STATUS

    @property
    def elapsed(self) -> timedelta:
        """From the request to the response's last byte, redirects included."""
        return timedelta(seconds=self._seconds)

    def json(self) -> Any:  # noqa: ANN401  any JSON
        return json_module.loads(self.text or "")

    def raise_for_status(self) -> None:
        """Raise what makes the request a failure, if anything does."""
        if isinstance(self._verdict, Exception):
            raise self._verdict
        if self.error is not None and self._verdict is None:
            raise self.error

    def success(self) -> None:
        """Count the request as successful, with any status."""
        self._require_entered()
        self._verdict = True

    def failure(self, reason: object) -> None:
        """Count the request as failed."""
        self._require_entered()
        self._verdict = reason if isinstance(reason, Exception) else CatchResponseError(reason)

    def hold(self, response: LeanResponse, **meta: Any) -> None:  # noqa: ANN401, ARG002
        """Take what will be reported; not the response, which would refer to itself, and wait for the collector."""
        self.request_meta = meta

    def __enter__(self) -> Self:
        if self._report is None:
            raise LocustError(NOT_CAUGHT)
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._verdict is None:
            if kind is not None and not isinstance(value, ResponseError):
                return False
            self._conclude(value if kind is not None else self.error)
            return True
        self._conclude(self._verdict if isinstance(self._verdict, Exception) else None)
        return kind is None

    def _conclude(self, exception: BaseException | None) -> None:
        assert self._report is not None  # noqa: S101  __enter__ has seen it
        self.request_meta["exception"] = exception
        self._report(response=self, **self.request_meta)

    def _require_entered(self) -> None:
        if not self._entered:
            raise LocustError(NOT_CAUGHT)
