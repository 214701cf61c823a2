"""The client against real sockets: connections, their ends, timeouts, TLS, redirects, cookies, codings."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any, Final

import brotli
import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import garbage, messages, pieces
from peers import Server, always, answering, ok

from loadlab.load.http.codings import MOST_MEMBERS, OUTPUT_BYTES, decoded
from loadlab.load.http.errors import (
    AnswerTimeoutError,
    AnswerTooLargeError,
    ConnectionLostError,
    ConnectTimeoutError,
    MalformedAnswerError,
    RedirectError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Reported
    from peers import Peer

    from loadlab.load.http.lean_user import LeanHttpUser

    Making = Callable[..., LeanHttpUser]

BRIEF_SECONDS = 0.3
# What a wait that should be brief may take on a busy machine, and still cannot be one that has no end.
ENDED_SECONDS = 30.0


def test_requests_one_after_the_other_share_a_connection(a_user: Making) -> None:
    with always(ok()) as server:
        client = a_user(server.port).client
        for method in ("GET", "POST", "DELETE", "GET"):
            assert client.request(method, "/").status_code == 200
    assert server.connections == 1


def test_a_connection_lives_on_behind_the_answer_to_head(a_user: Making) -> None:
    with answering(ok(b""), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ok()) as server:
        client = a_user(server.port).client
        assert [client.request(method, "/").content for method in ("GET", "HEAD", "GET")] == [b"", b"", b"ok"]
    assert server.connections == 1


def test_requests_at_the_same_time_have_a_connection_each(a_user: Making) -> None:
    with always(ok()) as server:
        client = a_user(server.port).client
        asked = [gevent.spawn(client.get, "/") for _ in range(5)]
        gevent.joinall(asked, raise_error=True)
        assert [each.value.status_code for each in asked] == [200] * 5
        client.get("/")
    assert server.connections <= 5


@pytest.mark.parametrize("field", [b"Connection: close", b"Connection: x, Close"])
def test_a_connection_that_the_server_means_to_close_is_not_used_again(field: bytes, a_user: Making) -> None:
    with always(ok(b"ok", field)) as server:
        client = a_user(server.port).client
        assert [client.post("/").status_code for _ in range(3)] == [200] * 3
    assert server.connections == 3


def test_a_request_that_asks_to_close_ends_its_connection(a_user: Making, reported: Reported) -> None:
    with always(ok()) as server:
        client = a_user(server.port).client
        for _ in range(3):
            client.get("/", headers={"connection": "close"})
    assert server.connections == 3
    assert not reported.failures


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_kept_connection_that_has_been_closed_costs_nothing(method: str, a_user: Making, reported: Reported) -> None:
    with answering(ok()) as server:
        client = a_user(server.port).client
        for _ in range(3):
            client.request(method, "/")
            server.settled()
    assert not reported.failures
    assert len(server.requests) == 3


def dying_at_the_second_request(answer: bytes = b"") -> Callable[[Peer], None]:
    """A script: the first connection dies while its second request is under way; later ones live."""

    def script(peer: Peer) -> None:
        while peer.request():
            if peer.number == 0 and len(peer.server.requests) == 2:
                peer.send(answer)
                return
            peer.send(ok())

    return script


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_is_resent_when_its_connection_died(
    method: str, a_user: Making, reported: Reported
) -> None:
    with Server(dying_at_the_second_request()) as server:
        client = a_user(server.port).client
        client.get("/")
        assert client.request(method, "/").status_code == 200
    assert (server.connections, len(server.requests), reported.failures) == (2, 3, [])


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_request_that_may_have_had_an_effect_is_never_sent_again(
    method: str, a_user: Making, reported: Reported
) -> None:
    with Server(dying_at_the_second_request()) as server:
        client = a_user(server.port).client
        client.get("/")
        client.request(method, "/")
    assert (server.connections, len(server.requests)) == (1, 2)
    assert reported.failures == [ConnectionLostError.__name__]


def test_a_request_that_an_answer_has_begun_to_is_not_sent_again(a_user: Making, reported: Reported) -> None:
    with Server(dying_at_the_second_request(b"H")) as server:
        client = a_user(server.port).client
        client.get("/")
        client.get("/")
    assert (server.connections, len(server.requests)) == (1, 2)
    assert reported.failures == [ConnectionLostError.__name__]


def test_a_request_on_a_new_connection_is_not_sent_again(a_user: Making, reported: Reported) -> None:
    def script(peer: Peer) -> None:
        peer.request()

    with Server(script) as server:
        a_user(server.port).client.get("/")
    assert (server.connections, reported.failures) == (1, [ConnectionLostError.__name__])


def test_a_request_is_sent_again_once_only(a_user: Making, reported: Reported) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        if peer.number == 0:
            peer.send(ok())
            peer.request()

    with Server(script) as server:
        client = a_user(server.port).client
        client.get("/")
        client.get("/")
    assert (server.connections, len(server.requests)) == (2, 3)
    assert reported.failures == [ConnectionLostError.__name__]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"", ConnectionLostError),
        (b"HTTP/1.1 200 OK\r\nContent-", ConnectionLostError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", ConnectionLostError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", ConnectionLostError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", ConnectionLostError),
        (b"SSH-2.0-OpenSSH_9.2\r\n", MalformedAnswerError),
        (ok(b"ok") + ok(b"more"), MalformedAnswerError),
        (ok(b"ok") + b"\r\n", MalformedAnswerError),
    ],
)
def test_a_broken_answer_is_a_failed_request_and_its_connection_is_closed(
    said: bytes, fault: type[Exception], a_user: Making, reported: Reported
) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(said)
        if said.startswith((b"SSH", b"HTTP/1.1 200 OK\r\nContent-Length: 2")):
            peer.wait_for_close()

    with Server(script) as server:
        response = a_user(server.port).client.get("/")
        server.settled()
    assert reported.failures == [fault.__name__]
    assert (response.status_code, response.content, response.headers, response.text) == (0, None, None, None)
    assert reported[0]["response_length"] == 0


def test_a_connection_reset_is_a_lost_connection(a_user: Making, reported: Reported) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nto the end, which is none")
        time.sleep(BRIEF_SECONDS)
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with Server(script) as server:
        a_user(server.port).client.get("/")
    assert reported.failures == [ConnectionLostError.__name__]


def test_bytes_on_an_idle_connection_are_never_taken_for_a_response(a_user: Making) -> None:
    answered, said = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(ok(b"%d" % len(peer.server.requests)))
            if peer.number == 0:
                answered.wait(ENDED_SECONDS)
                peer.send(ok(b"unasked"))
                said.set()
                peer.wait_for_close()
                return

    with Server(script) as server:
        client = a_user(server.port).client
        first = client.get("/")
        answered.set()
        assert said.wait(ENDED_SECONDS)
        assert (first.text, client.post("/").text) == ("1", "2")
    assert server.connections == 2


def test_a_refused_connection_is_a_failed_request(a_user: Making, reported: Reported) -> None:
    with socket.socket() as deaf:  # has the port, and does not listen
        deaf.bind(("127.0.0.1", 0))
        a_user(deaf.getsockname()[1]).client.get("/")
    assert reported.failures == ["ConnectionRefusedError"]


def test_a_name_that_is_not_known_is_a_failed_request(a_user: Making, reported: Reported) -> None:
    a_user("http://unknown.invalid").client.get("/")
    assert reported.failures in (["gaierror"], [ConnectTimeoutError.__name__])


def test_a_silent_server_is_not_waited_for_longer_than_the_timeout(a_user: Making, reported: Reported) -> None:
    with Server(lambda peer: peer.wait_for_close()) as server:
        started = time.monotonic()
        a_user(server.port, network_timeout=BRIEF_SECONDS).client.get("/")
        assert BRIEF_SECONDS * 0.9 < time.monotonic() - started < ENDED_SECONDS
    assert reported.failures == [AnswerTimeoutError.__name__]


def test_a_server_that_drips_its_answer_is_not_waited_for_longer_either(a_user: Making, reported: Reported) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.send(b".")
            time.sleep(BRIEF_SECONDS / 10)

    with Server(script) as server:
        started = time.monotonic()
        a_user(server.port, network_timeout=BRIEF_SECONDS).client.get("/")
        assert time.monotonic() - started < ENDED_SECONDS
    assert reported.failures == [AnswerTimeoutError.__name__]


def test_a_server_that_reads_nothing_is_not_waited_for_longer_either(a_user: Making, reported: Reported) -> None:
    given_up = threading.Event()
    with Server(lambda _: given_up.wait(ENDED_SECONDS)) as server:
        a_user(server.port, network_timeout=BRIEF_SECONDS).client.post("/", data=b"x" * 50_000_000)
        given_up.set()
    assert reported.failures == [AnswerTimeoutError.__name__]


def test_an_unanswered_tls_handshake_ends_in_time(a_user: Making, reported: Reported) -> None:
    with Server(lambda peer: peer.wait_for_close()) as server:
        a_user(f"https://127.0.0.1:{server.port}", connection_timeout=BRIEF_SECONDS).client.get("/")
    assert reported.failures == [ConnectTimeoutError.__name__]


@pytest.mark.thorough
def test_a_timeout_begins_with_the_request(a_user: Making, reported: Reported) -> None:
    with always(ok()) as server:
        client = a_user(server.port, network_timeout=2.0, connection_timeout=2.0).client
        client.get("/")
        for _ in range(2):
            time.sleep(2.1)  # without gevent: its loop knows nothing of the time that passes
            client.get("/")
            client.get("/", headers={"Connection": "close"})
    assert not reported.failures


def test_a_shorter_timeout_of_one_request_counts_while_a_longer_one_runs(a_user: Making, reported: Reported) -> None:
    """One timer serves all deadlines of a client."""
    given_up = threading.Event()

    def script(peer: Peer) -> None:
        while b"/slow" not in peer.request():
            peer.send(ok())
        given_up.wait(ENDED_SECONDS)
        peer.send(ok(b"late"))

    with Server(script) as server:
        client = a_user(server.port, network_timeout=3 * ENDED_SECONDS).client
        client.get("/")
        slow = gevent.spawn(client.get, "/slow")
        hasty = gevent.spawn(client.get, "/slow", timeout=BRIEF_SECONDS)
        hasty.join()
        assert (hasty.value.status_code, slow.ready()) == (0, False)
        given_up.set()
        slow.join()
    assert slow.value.text == "late"
    assert reported.failures == [AnswerTimeoutError.__name__]


def test_a_killed_user_leaves_no_connection_behind(a_user: Making) -> None:
    with Server(lambda peer: peer.wait_for_close()) as server:
        asking = gevent.spawn(a_user(server.port).client.get, "/")
        gevent.sleep(BRIEF_SECONDS)
        asking.kill()
        server.settled()  # the script ends when the client closes


def test_a_large_body_goes_and_comes_whole(a_user: Making) -> None:
    body = bytes(range(256)) * 8_000

    def script(peer: Peer) -> None:
        peer.send(ok(peer.request().partition(b"\r\n\r\n")[2]))

    with Server(script) as server:
        assert a_user(server.port).client.post("/", data=body).content == body


def test_an_answer_before_all_of_the_request_is_an_answer(a_user: Making) -> None:
    def script(peer: Peer) -> None:
        peer.connection.recv(1000)
        peer.send(ok(b"too much", b"Connection: close", status=b"413 Content Too Large"))
        peer.connection.shutdown(socket.SHUT_WR)
        peer.wait_for_close()

    with Server(script) as server:
        assert a_user(server.port).client.post("/", data=b"x" * 10_000_000).status_code == 413


def test_an_answer_is_heard_although_the_server_cuts_off_the_request(a_user: Making) -> None:
    def script(peer: Peer) -> None:
        peer.connection.recv(1000)
        # Closed with most of the request unread, which the system tells the client by a reset.
        peer.send(ok(b"too much", b"Connection: close", status=b"413 Content Too Large"))

    with Server(script) as server:
        assert a_user(server.port).client.post("/", data=b"x" * 10_000_000).status_code == 413


def test_an_answer_that_is_larger_than_the_user_allows_is_a_failed_request(a_user: Making, reported: Reported) -> None:
    with always(ok(b"x" * 10_000)) as server:
        a_user(server.port, max_response_bytes=5_000).client.get("/")
    assert reported.failures == [AnswerTooLargeError.__name__]


def test_ipv6_is_spoken(a_user: Making) -> None:
    try:
        server = Server(lambda peer: peer.send(ok(peer.request())), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    with server:
        text = a_user(f"http://[::1]:{server.port}").client.get("/").text
    assert text is not None
    assert f"Host: [::1]:{server.port}\r\n" in text


def test_a_name_is_connected_to_at_any_of_its_addresses(a_user: Making, reported: Reported) -> None:
    with always(ok()) as server:  # on 127.0.0.1 only, while localhost may be ::1 first
        assert a_user(f"http://localhost:{server.port}").client.get("/").status_code == 200
    assert not reported.failures


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signs itself, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    path: Path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    crt = path.with_suffix(".crt")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            *names,
            "-keyout",
            path,
            "-out",
            crt,
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + crt.read_bytes())
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(ok(request.partition(b"\r\n\r\n")[2] or b"secret"))

    with Server(script, tls=context) as server:
        yield server


@pytest.mark.process
def test_an_untrusted_certificate_is_a_failed_request(tls_server: Server, a_user: Making, reported: Reported) -> None:
    a_user(f"https://localhost:{tls_server.port}").client.get("/")
    assert reported.failures == ["SSLCertVerificationError"]
    assert not tls_server.requests


@pytest.mark.process
def test_an_insecure_user_takes_any_certificate(tls_server: Server, a_user: Making, reported: Reported) -> None:
    client = a_user(f"https://localhost:{tls_server.port}", insecure=True).client
    assert [client.get("/").text for _ in range(3)] == ["secret"] * 3
    body = bytes(range(256)) * 8_000
    assert client.post("/", data=body).content == body
    assert (tls_server.connections, reported.failures) == (1, [])


@pytest.mark.process
@pytest.mark.parametrize(("host", "trusted"), [("localhost", True), ("127.0.0.1", False)])
def test_a_context_of_the_users_own_is_used_and_checks_the_host(  # noqa: PLR0913, PLR0917
    host: str,
    trusted: bool,  # noqa: FBT001
    certificate: Path,
    tls_server: Server,
    a_user: Making,
    reported: Reported,
) -> None:
    def context() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(certificate))

    user = a_user(f"https://{host}:{tls_server.port}", ssl_context_factory=staticmethod(context))
    user.client.get("/")
    assert reported.failures == ([] if trusted else ["SSLCertVerificationError"])


def redirecting(status: bytes, location: str, *fields: bytes) -> Callable[[Peer], None]:
    """A script: /from redirects there, anything else says what it was asked."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            if b"/from" in request.split(b"\r\n", 1)[0]:
                peer.send(ok(b"", b"Location: " + location.encode(), *fields, status=status))
            else:
                peer.send(ok(request))

    return script


def test_a_redirect_is_an_answer_unless_it_is_to_be_followed(a_user: Making, reported: Reported) -> None:
    with Server(redirecting(b"302 Found", "/to")) as server:
        client = a_user(server.port).client
        assert client.get("/from").status_code == 302
        followed = client.get("/from", allow_redirects=True)
    assert (followed.status_code, followed.url) == (200, f"http://127.0.0.1:{server.port}/to")
    assert [event["url"].rpartition("/")[2] for event in reported] == ["from", "from"]


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (b"301 Moved", "POST", b"GET"),
        (b"302 Found", "POST", b"GET"),
        (b"303 See Other", "PUT", b"GET"),
        (b"303 See Other", "HEAD", b"HEAD"),
        (b"307 Temporary", "POST", b"POST"),
        (b"308 Permanent", "PUT", b"PUT"),
    ],
)
def test_a_redirect_keeps_method_and_body_when_it_must(status: bytes, method: str, then: bytes, a_user: Making) -> None:
    with Server(redirecting(status, "to?x")) as server:
        client = a_user(server.port, network_timeout=5.0).client
        client.request(method, "/from", data=None if method == "HEAD" else "body", allow_redirects=True)
    last = server.requests[-1]
    assert last.startswith(then + b" /to?x HTTP/1.1\r\n")
    assert last.endswith(b"body") is (then in {b"POST", b"PUT"})
    assert (b"text/plain" in last) is last.endswith(b"body")


def test_a_redirect_to_a_get_is_one_after_posts_to_the_same_place(a_user: Making) -> None:
    with Server(redirecting(b"303 See Other", "/to")) as server:
        client = a_user(server.port).client
        client.post("/to")
        client.post("/from", allow_redirects=True)
        client.post("/to")
    methods = [request.split(b" HTTP")[0] for request in server.requests]
    assert methods == [b"POST /to", b"POST /from", b"GET /to", b"POST /to"]


def test_what_was_meant_for_one_origin_is_not_sent_to_another(a_user: Making) -> None:
    with always(ok()) as other, Server(redirecting(b"307 Temporary", f"http://localhost:{other.port}/to")) as server:
        headers = {"Cookie": "a=b", "X-Mine": "yes"}
        a_user(server.port).client.get("/from", auth=("me", "secret"), headers=headers, allow_redirects=True)
    assert b"Authorization" in server.requests[0]
    assert b"X-Mine: yes" in other.requests[0]
    assert not [word for word in (b"Authorization", b"Cookie") if word in other.requests[0]]


@pytest.mark.parametrize(
    "location", ["/from", "ftp://host/", "http://", "http://ho st/", "http://h:99999/", "mailto:x"]
)
def test_a_redirect_that_leads_nowhere_is_a_failed_request(location: str, a_user: Making, reported: Reported) -> None:
    with Server(redirecting(b"302 Found", location)) as server:
        a_user(server.port, max_redirects=3).client.get("/from", allow_redirects=True)
    assert reported.failures == [RedirectError.__name__]
    assert len(server.requests) <= 4


def test_cookies_come_back_to_who_has_set_them(a_user: Making) -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            path = request.split(b" ", 2)[1]
            fields = {
                b"/set": [b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2; Path=/deep"],
                b"/change": [b"Set-Cookie: a=3; Path=/"],
                b"/drop": [b"Set-Cookie: a=; Path=/; Max-Age=0"],
            }.get(path, [])
            peer.send(ok(b";".join(line for line in request.split(b"\r\n") if line.startswith(b"Cookie")), *fields))

    with Server(script) as server:
        client = a_user(server.port).client
        for path, sent in [
            ("/", ""),
            ("/set", ""),
            ("/", "Cookie: a=1"),
            ("/", "Cookie: a=1"),
            ("/deep/er", "Cookie: b=2; a=1"),
            ("/change", "Cookie: a=1"),
            ("/", "Cookie: a=3"),
            ("/drop", "Cookie: a=3"),
            ("/", ""),
        ]:
            assert client.get(path).text == sent
        assert [cookie.name for cookie in client.cookiejar] == ["b"]
        assert client.get("/deep/", headers={"cookie": "mine=4"}).text == ""
        client.cookiejar.clear()
        assert client.get("/deep/").text == ""


def test_cookies_for_every_path_are_those_set_last_until_they_end(
    a_user: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            name = request.split(b" ", 2)[1][1:]
            peer.send(ok(b"", *([b"Set-Cookie: " + name + b"; Path=/; Max-Age=600"] if name else [])))

    with Server(script) as server:
        client = a_user(server.port).client
        for path in ("/a=1", "/", "/", "/a=2", "/", "/"):
            client.get(path)
        later = time.time() + 601
        monkeypatch.setattr(time, "time", lambda: later)
        client.get("/")
    cookies = [request.partition(b"Cookie: ")[2].partition(b"\r\n")[0] for request in server.requests]
    assert cookies == [b"", b"a=1", b"a=1", b"a=1", b"a=2", b"a=2", b""]


def test_cookies_are_not_sent_to_another_host(a_user: Making) -> None:
    with always(ok(b"", b"Set-Cookie: a=1; Path=/")) as server:
        client = a_user(server.port).client
        client.get("/")
        client.get(f"http://localhost:{server.port}/")
        client.get("/")
    assert [b"Cookie: a=1" in request for request in server.requests] == [False, False, True]


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "br": brotli.compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
    "identity": bytes,
    "zstd": bytes,
}


@pytest.mark.parametrize("coding", CODERS)
def test_a_compressed_body_is_decompressed(coding: str, a_user: Making, reported: Reported) -> None:
    with always(ok(CODERS[coding](b"plain text"), b"Content-Encoding: " + coding.encode())) as server:
        assert a_user(server.port).client.get("/").content == b"plain text"
    assert b"Accept-Encoding: gzip, deflate, br\r\n" in server.requests[0]
    assert reported[0]["response_length"] == len("plain text")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: b"no" + data], ids=["cut", "nonsense"])
def test_a_body_that_is_not_compressed_as_it_says_is_a_failed_request(
    coding: str, spoil: Callable[[bytes], bytes], a_user: Making, reported: Reported
) -> None:
    body = spoil(CODERS[coding](b"plain text" * 5))
    with always(ok(body, b"Content-Encoding: " + coding.encode())) as server:
        a_user(server.port).client.get("/")
    assert reported.failures == [MalformedAnswerError.__name__]


PLAIN = b"plain text" * 5
EMPTY_MEMBER = gzip.compress(b"")


LENIENT: Final = {
    "zero padding": ("gzip", gzip.compress(PLAIN) + b"\0" * 16, PLAIN),
    "a line end": ("gzip", gzip.compress(PLAIN) + b"\r\n", PLAIN),
    "garbage": ("gzip", gzip.compress(PLAIN) + b"something else", PLAIN),
    "the begin of another member": ("gzip", gzip.compress(PLAIN) + b"\x1f\x8bsomething else", PLAIN),
    "no checksum and length": ("gzip", gzip.compress(PLAIN)[:-8], PLAIN),  # without checksum and length
    "half a checksum": ("gzip", gzip.compress(PLAIN)[:-3], PLAIN),
    "two members": ("gzip", gzip.compress(PLAIN) + gzip.compress(b"more"), PLAIN + b"more"),
    "countless empty members before": ("gzip", EMPTY_MEMBER * 5000 + gzip.compress(PLAIN), PLAIN),
    "an empty member": ("gzip", EMPTY_MEMBER, b""),
    "nothing": ("gzip", b"", b""),
    "deflate without its checksum": ("deflate", zlib.compress(PLAIN)[:-4], PLAIN),
    "deflate and garbage": ("deflate", zlib.compress(PLAIN) + b"something else", PLAIN),
    "two codings": ("gzip, br", brotli.compress(gzip.compress(PLAIN)), PLAIN),
    "no coding": ("identity", PLAIN, PLAIN),
}


@pytest.mark.parametrize(("coding", "body", "text"), LENIENT.values(), ids=LENIENT)
def test_a_compressed_body_is_taken_as_leniently_as_by_browsers(
    coding: str, body: bytes, text: bytes, a_user: Making, reported: Reported
) -> None:
    with always(ok(body, b"Content-Encoding: " + coding.encode())) as server:
        assert a_user(server.port).client.get("/").content == text
    assert not reported.failures


def test_a_body_of_countless_codings_or_members_is_a_failed_request(a_user: Making, reported: Reported) -> None:
    with always(ok(gzip.compress(PLAIN), b"Content-Encoding: " + b",".join([b"gzip"] * 5))) as server:
        a_user(server.port).client.get("/")
    with always(ok(EMPTY_MEMBER * (MOST_MEMBERS + 1), b"Content-Encoding: gzip")) as server:
        a_user(server.port).client.get("/")
    assert reported.failures == [MalformedAnswerError.__name__, AnswerTooLargeError.__name__]


@pytest.mark.thorough
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_other_users_go_on_while_a_large_body_is_decompressed(coding: str, a_user: Making) -> None:
    text = b"".join(b"%d\n" % number for number in range(200_000))
    turns = 0

    def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)

    counting = gevent.spawn(count)
    content = decoded(CODERS[coding](text), [coding.encode()], 10 * len(text))
    counting.kill()
    assert content == text
    assert turns >= len(text) // (4 * OUTPUT_BYTES)


def test_a_body_in_countless_chunks_is_whole_and_takes_little_memory(a_user: Making) -> None:
    chunks = b"2\r\nab\r\n" * 200_000
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    with always(answer) as server:
        tracemalloc.start()
        content = a_user(server.port).client.get("/").content
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert content == b"ab" * 200_000
    assert most < 6_000_000  # of which the server's own copies are four


def endless(first: bytes, then: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(first)
        while True:
            peer.send(then)

    return script


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (HEAD, b"X-Field: value\r\n" * 100),
        (HEAD + b"X-Field: ", b"v" * 1000),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
        (HEAD + b"\r\n", b"body" * 1000),
        (CHUNKED, b"1\r\nx\r\n" * 1000),
        (CHUNKED + b"1;a=", b"e" * 1000),
        (CHUNKED, (b"1;a=" + b"e" * 1000 + b"\r\nx\r\n") * 10),
        (CHUNKED + b"0\r\n", b"X-Trailer: value\r\n" * 100),
    ],
)
def test_an_answer_without_end_is_a_failed_request(
    first: bytes, then: bytes, a_user: Making, reported: Reported
) -> None:
    with Server(endless(first, then)) as server:
        a_user(server.port, max_response_bytes=2_000_000).client.get("/")
    assert reported.failures == [AnswerTooLargeError.__name__]


@pytest.mark.parametrize("first", [b"", HEAD, HEAD + b"\r\n", CHUNKED])
def test_an_answer_that_drips_for_ever_ends_at_its_deadline(first: bytes, a_user: Making, reported: Reported) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        drops = {b"": HEAD, HEAD: b"X: y\r\n", CHUNKED: b"1\r\nx\r\n"}.get(first, b"x")
        peer.send(first)
        while True:
            for drop in drops:
                peer.send(bytes([drop]))
                time.sleep(BRIEF_SECONDS / 20)

    with Server(script) as server:
        a_user(server.port, network_timeout=BRIEF_SECONDS).client.get("/")
    assert reported.failures == [AnswerTimeoutError.__name__]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "Deflate", "br"])
def test_a_small_body_that_holds_a_large_one_is_a_failed_request(
    coding: str, a_user: Making, reported: Reported
) -> None:
    with always(ok(CODERS[coding](b"\0" * 5_000_000), b"Content-Encoding: " + coding.encode())) as server:
        a_user(server.port, max_response_bytes=1_000_000).client.get("/")
    assert reported.failures == [AnswerTooLargeError.__name__]


def over_the_wire(data: st.DataObject, a_user: Making, reported: Reported) -> None:
    """Any valid answer in any pieces, or any garbage, from a real server: one event, never a hang."""
    valid = data.draw(st.none() | messages())
    parts = data.draw(pieces(data.draw(garbage) if valid is None else valid.raw))
    method = data.draw(st.sampled_from(["GET", "HEAD"])) if valid is None else valid.method
    reported.clear()

    def script(peer: Peer) -> None:
        peer.request()
        for part in parts:
            peer.send(part)
        peer.connection.shutdown(socket.SHUT_WR)

    with Server(script) as server:
        response = a_user(server.port).client.request(method, "/")
    (event,) = reported
    if valid is not None:
        assert (response.status_code, response.content) == (valid.status, valid.body)
    else:
        assert event["exception"] is not None or response.ok
    assert AnswerTimeoutError.__name__ not in reported.failures


@settings(max_examples=60)
@given(data=st.data())
def test_any_response_is_one_request_in_time(data: Any, a_user: Making, reported: Reported) -> None:
    over_the_wire(data, a_user, reported)


@pytest.mark.slow
@settings(max_examples=4_000)
@given(data=st.data())
def test_any_response_is_one_request_in_time_at_length(data: Any, a_user: Making, reported: Reported) -> None:
    over_the_wire(data, a_user, reported)
