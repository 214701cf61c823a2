"""A Locust user whose HTTP client costs a fraction of FastHttpUser's CPU, with the part of its API that loads need."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote, urlsplit

from locust import User
from locust.contrib.fasthttp import LocustUserAgent
from locust.exception import StopTest
from locust.user.users import RestMixin

from loadlab.load.http.client import HttpClient
from loadlab.load.http.connection import tls_context
from loadlab.load.http.errors import FAILURES, BadStatusError
from loadlab.load.http.lean_response import LeanResponse
from loadlab.load.http.options import authorization_of, extras, multipart
from loadlab.load.http.request import basic_authorization, body_of, with_params

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from http.cookiejar import CookieJar
    from typing import NoReturn, Unpack

    from locust.event import EventHook

    from loadlab.load.http.options import OtherOptions
    from loadlab.load.http.request import Body, Params, Text

    class RequestOptions(OtherOptions, total=False):
        """What every method of the client takes besides URL and body."""

        name: str | None
        catch_response: bool
        headers: Mapping[str, Any] | None
        auth: tuple[Text, Text] | None
        allow_redirects: bool | None
        context: dict[str, Any] | None
        params: Params | None

    class BodyOptions(RequestOptions, total=False):
        """And what those take that need no body."""

        data: Body
        json: object


ABSOLUTE: Final = re.compile(r"https?://", re.IGNORECASE)
MS_PER_SECOND: Final = 1000.0
# The same responses are failures as with FastHttpUser.
GOOD_STATUSES: Final[frozenset[int]] = LocustUserAgent.valid_response_codes


class LeanSession:
    """The client of one user: its cookies, its connections, and an event of Locust's for each request."""

    def __init__(  # noqa: PLR0913  a session has that many sides
        self,
        *,
        base_url: str,
        request_event: EventHook,
        user: User | None,
        client: HttpClient,
        follow_redirects: bool = False,
        insecure: bool = False,
    ) -> None:
        self.base_url, self.auth_header = _without_credentials(base_url)
        self.follow_redirects = follow_redirects
        self.insecure = insecure
        self.request_event = request_event
        self.user = user
        self.request_name: str | None = None
        self.http = client

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"The client of LeanHttpUser has no {name!r}. Set default_headers, insecure and the like in the class, or"
            " use FastHttpUser or HttpUser. See docs/how-to/lean-client.md."
        )

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

    # Locust's own signature. Nothing is keyword-only: Python looks up the default of each such option in each call.
    def request(  # noqa: PLR0913, PLR0917
        self,
        method: str,
        url: str,
        name: str | None = None,
        data: Body = None,
        catch_response: bool = False,  # noqa: FBT001, FBT002
        headers: Mapping[str, Any] | None = None,
        auth: tuple[Text, Text] | None = None,
        json: object = None,
        allow_redirects: bool | None = None,  # noqa: FBT001
        context: dict[str, Any] | None = None,
        params: Params | None = None,
        **others: Unpack[OtherOptions],
    ) -> LeanResponse:
        """Ask the server; Locust hears of it now, or at the end of the with block if `catch_response`.

        `url` is a path below the host, or absolute. A dict as `data` is sent as a form. Redirects are followed as the
        class says, or `allow_redirects`. What this client does not support of `others` makes the request fail.

        Raises:
            UnsafeRequestError, TypeError, ValueError: what was asked for must not or cannot be sent. Locust has heard
                of it as a failed request.
        """
        # Long, and one function: each call with these arguments takes 0.3 µs of the 20 µs that a request costs.
        asked_url = full_url = self.base_url + url if url.startswith("/") or not ABSOLUTE.match(url) else url
        raw = refused = None
        error: Exception | None = None
        timeouts = cookies = files = None
        body = b""
        started = 0.0
        start_time = time.time()
        try:
            if params is not None:
                asked_url = with_params(full_url, params)
            if others:
                timeouts, cookies, files = extras(others, asked_url, self.http.seconds, insecure=self.insecure)
            if headers or data or json is not None or auth or self.auth_header is not None or files:
                body, headers = self._dressed(headers, auth, multipart(files, data) if files else body_of(data, json))
            if allow_redirects is None:
                allow_redirects = self.follow_redirects
            started = time.perf_counter()
            raw = self.http.request(method, asked_url, headers, body, allow_redirects, timeouts, cookies)
        except FAILURES as fault:
            error = fault
        except (TypeError, ValueError) as fault:
            error = refused = fault
        seconds = time.perf_counter() - started if started else 0.0
        if raw is not None and raw.status not in GOOD_STATUSES:
            error = BadStatusError(f"HTTP {raw.status}")
        fire = self.request_event.fire
        response = LeanResponse(raw, asked_url, error, seconds, fire if catch_response else None)
        report = response.hold if catch_response and refused is None else fire
        report(
            request_type=method,
            name=name or self.request_name or url,
            context=self._context(context),
            exception=error,
            start_time=start_time,
            url=full_url,
            response=response,
            response_length=len(response.content) if response.content else 0,
            response_time=seconds * MS_PER_SECOND,
        )
        if refused is not None:
            raise refused
        return response

    def get(self, url: str, **options: Unpack[BodyOptions]) -> LeanResponse:
        if options:
            return self.request("GET", url, **options)
        return self.request("GET", url)  # what most requests are, in a third of the time

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
        self,
        headers: Mapping[str, Any] | None,
        auth: tuple[Text, Text] | None,
        content: tuple[bytes, dict[str, str]],
    ) -> tuple[bytes, dict[str, Any]]:
        """The body, and the headers that go with it and with the credentials; those given by the task win."""
        dressed: dict[str, Any] = dict(headers) if headers else {}
        given = {name.lower() for name in dressed}
        body, about = content
        dressed |= {name: value for name, value in about.items() if name.lower() not in given}
        authorization = authorization_of(auth) if auth else self.auth_header
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
    """Seconds from the request's first byte to the response's last one."""

    max_redirects: int = 30
    """How many a request with allow_redirects=True follows before it fails."""

    follow_redirects: bool = False
    """Whether redirects are followed where a request does not say so with allow_redirects, as FastHttpUser does it."""

    max_response_bytes: int = 100 * 1024 * 1024
    """The largest response, head included; also the most that its body may be decompressed to."""

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
            follow_redirects=self.follow_redirects,
            insecure=self.insecure,
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
