"""A Locust user whose HTTP client costs a fraction of FastHttpUser's CPU, with the part of its API that loads need."""

from __future__ import annotations

import json as json_module
import re
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypedDict
from urllib.parse import unquote, urlsplit

from charset_normalizer import detect
from geventhttpclient.header import Headers
from locust import User
from locust.contrib.fasthttp import LocustUserAgent
from locust.exception import CatchResponseError, LocustError, ResponseError, StopTest
from locust.user.users import RestMixin
from requests.utils import get_encoding_from_headers

from loadlab.load.http_client import HttpClient
from loadlab.load.http_connection import tls_context
from loadlab.load.http_faults import FAILURES, BadStatusError
from loadlab.load.http_request import basic_authorization, body_of, with_params

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from http.cookiejar import CookieJar
    from types import TracebackType
    from typing import Unpack

    from locust.event import EventHook

    from loadlab.load.http_answer import Answer
    from loadlab.load.http_request import Body, Params, Text

    class RequestOptions(TypedDict, total=False):
        """What every method of the client takes besides URL and body."""

        name: str | None
        catch_response: bool
        headers: Mapping[str, Any] | None
        auth: tuple[Text, Text] | None
        allow_redirects: bool
        context: dict[str, Any] | None
        params: Params | None

    class BodyOptions(RequestOptions, total=False):
        """And what those take that need no body."""

        data: Body
        json: object


ABSOLUTE: Final = re.compile(r"https?://", re.IGNORECASE)
MS_PER_SECOND: Final = 1000.0
FIRST_ERROR_STATUS: Final = 400
# The same answers are failures as with FastHttpUser.
GOOD_STATUSES: Final[frozenset[int]] = LocustUserAgent.valid_response_codes
NOT_CAUGHT: Final = "To decide on a request yourself, ask with catch_response=True and use the answer in a with block."


class LeanResponse:
    """An answer, or what there is instead of one: then `status_code` is 0, `content` None and `error` says why.

    With `catch_response=True` it is a context manager that reports the request at its end.
    """

    __slots__ = (
        "_answer",
        "_entered",
        "_headers",
        "_report",
        "_seconds",
        "_verdict",
        "content",
        "encoding",
        "error",
        "js",
        "request_meta",
        "status_code",
        "url",
    )

    def __init__(
        self,
        answer: Answer | None,
        url: str,
        error: Exception | None,
        seconds: float,
        report: Callable[..., None] | None,
    ) -> None:
        self._answer = answer
        self._seconds = seconds
        self._report = report
        self._headers: Headers | None = None
        self._entered = False
        self._verdict: bool | Exception | None = None
        self.error = error
        self.encoding: str | None = None
        self.js: Any = None  # where RestMixin.rest() puts the parsed JSON
        self.request_meta: dict[str, Any] = {}  # what will be reported, if that is up to the with block
        if answer is None:
            self.status_code = 0
            self.content: bytes | None = None
            self.url = url
        else:
            self.status_code = answer.status
            self.content = answer.content
            self.url = answer.url

    @property
    def headers(self) -> Headers | None:
        """The fields of the head, as FastHttpUser has them; names in any case."""
        if self._headers is None and self._answer is not None:
            self._headers = Headers()
            for name, value in self._answer.pairs:
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
        """From the request to the answer's last byte, redirects included."""
        return timedelta(seconds=self._seconds)

    def json(self) -> Any:  # noqa: ANN401  whatever the server says
        return json_module.loads(self.text or "")

    def raise_for_status(self) -> None:
        """Raise what makes the request a failure, if anything does."""
        if isinstance(self._verdict, Exception):
            raise self._verdict
        if self.error is not None and self._verdict is None:
            raise self.error

    def success(self) -> None:
        """Count the request as successful, whatever its status."""
        self._require_entered()
        self._verdict = True

    def failure(self, reason: object) -> None:
        """Count the request as failed."""
        self._require_entered()
        self._verdict = reason if isinstance(reason, Exception) else CatchResponseError(reason)

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
        # Kept out of request_meta: a response that refers to itself waits for the garbage collector.
        self._report(response=self, **self.request_meta)

    def _require_entered(self) -> None:
        if not self._entered:
            raise LocustError(NOT_CAUGHT)


class LeanSession:
    """The client of one user: its cookies, its connections, and an event of Locust's for each request."""

    def __init__(self, *, base_url: str, request_event: EventHook, user: User | None, client: HttpClient) -> None:
        self.base_url, self.auth_header = _without_credentials(base_url)
        self.request_event = request_event
        self.user = user
        self.request_name: str | None = None
        self.http = client

    @property
    def cookiejar(self) -> CookieJar:
        return self.http.cookies.jar

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Group the requests of a with block under one name."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def request(  # noqa: PLR0913  Locust's own signature
        self,
        method: str,
        url: str,
        name: str | None = None,
        data: Body = None,
        *,
        catch_response: bool = False,
        headers: Mapping[str, Any] | None = None,
        auth: tuple[Text, Text] | None = None,
        json: object = None,
        allow_redirects: bool = False,
        context: dict[str, Any] | None = None,
        params: Params | None = None,
    ) -> LeanResponse:
        """Ask the server; Locust hears of it now, or at the end of the with block if `catch_response`.

        `url` is a path below the host, or absolute. A dict as `data` is sent as a form.

        Raises:
            UnsafeRequestError: what was asked for must not be sent.
        """
        full_url = self.base_url + url if url.startswith("/") or not ABSOLUTE.match(url) else url
        asked_url = full_url if params is None else with_params(full_url, params)
        body = b""
        if headers or data or json is not None or auth is not None or self.auth_header is not None:
            body, headers = self._dressed(headers, auth, data, json)
        start_time = time.time()
        answer = error = None
        started = time.perf_counter()
        try:
            answer = self.http.request(method, asked_url, headers=headers, body=body, follow=allow_redirects)
        except FAILURES as fault:
            error = fault
        seconds = time.perf_counter() - started
        if answer is not None and answer.status not in GOOD_STATUSES:
            error = BadStatusError(f"HTTP {answer.status}")
        fire = self.request_event.fire
        response = LeanResponse(answer, asked_url, error, seconds, fire if catch_response else None)
        meta = {
            "request_type": method,
            "name": name or self.request_name or url,
            "context": self._context(context),
            "exception": error,
            "start_time": start_time,
            "url": full_url,
            "response_length": len(response.content) if response.content else 0,
            "response_time": seconds * MS_PER_SECOND,
        }
        if catch_response:
            response.request_meta = meta
        else:
            fire(response=response, **meta)  # type: ignore[no-untyped-call]
        return response

    def get(self, url: str, **options: Unpack[BodyOptions]) -> LeanResponse:
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Unpack[BodyOptions]) -> LeanResponse:
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Unpack[BodyOptions]) -> LeanResponse:
        return self.request("OPTIONS", url, **options)

    def delete(self, url: str, **options: Unpack[BodyOptions]) -> LeanResponse:
        return self.request("DELETE", url, **options)

    def post(self, url: str, data: Body = None, json: object = None, **options: Unpack[RequestOptions]) -> LeanResponse:
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Body = None, json: object = None, **options: Unpack[RequestOptions]) -> LeanResponse:
        return self.request("PUT", url, data=data, json=json, **options)

    def patch(
        self, url: str, data: Body = None, json: object = None, **options: Unpack[RequestOptions]
    ) -> LeanResponse:
        return self.request("PATCH", url, data=data, json=json, **options)

    def _context(self, context: dict[str, Any] | None) -> dict[str, Any]:
        of_user: dict[str, Any] = self.user.context() if self.user is not None else {}
        return {**of_user, **context} if context else of_user

    def _dressed(
        self, headers: Mapping[str, Any] | None, auth: tuple[Text, Text] | None, data: Body, json: object
    ) -> tuple[bytes, dict[str, Any]]:
        """The body, and the headers that go with it and with the credentials; those given by the task win."""
        dressed: dict[str, Any] = dict(headers) if headers else {}
        given = {name.lower() for name in dressed}
        body, about = body_of(data, json)
        dressed |= {name: value for name, value in about.items() if name.lower() not in given}
        authorization = self.auth_header if auth is None else basic_authorization(*auth)
        if authorization is not None:
            dressed = {name: value for name, value in dressed.items() if name.lower() != "authorization"}
            dressed["Authorization"] = authorization
        return body, dressed


class LeanHttpUser(User, RestMixin[LeanResponse]):
    """In place of FastHttpUser, for loads where the generator's own CPU counts."""

    abstract = True

    connection_timeout: float = 60.0
    """Seconds for resolving a name, and for making a connection, TLS included."""

    network_timeout: float = 60.0
    """Seconds from the request's first byte to the answer's last one."""

    max_redirects: int = 30
    """How many a request with allow_redirects=True follows before it fails."""

    max_response_bytes: int = 100 * 1024 * 1024
    """The largest answer, head included; also the most that its body may be decompressed to."""

    insecure: bool = False
    """Whether to take any certificate."""

    default_headers: Mapping[str, Any] | None = None
    """Sent with every request; None as a value takes one of the client's own away."""

    ssl_context_factory: Callable[[], ssl.SSLContext] | None = None
    """Makes the context of this user's TLS connections, instead of `insecure`."""

    client_class: ClassVar[type[LeanSession]] = LeanSession

    def __init__(self, environment: Any) -> None:  # noqa: ANN401  Locust's Environment; importing it here is circular
        super().__init__(environment)
        if self.host is None:
            raise StopTest("No host to ask: set `host` in the user class, or say --host.")
        self.client = self.client_class(
            base_url=self.host,
            request_event=environment.events.request,
            user=self,
            client=HttpClient(
                headers=self.default_headers,
                connection_timeout=self.connection_timeout,
                network_timeout=self.network_timeout,
                max_redirects=self.max_redirects,
                max_response_bytes=self.max_response_bytes,
                context=type(self).ssl_context_factory or partial(tls_context, insecure=self.insecure),
            ),
        )


def _without_credentials(base_url: str) -> tuple[str, str | None]:
    """A host as Locust takes it, and the Authorization that its user and password make."""
    parts = urlsplit(base_url)
    if not (parts.username and parts.password):
        return base_url, None
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, basic_authorization(unquote(parts.username), unquote(parts.password))
