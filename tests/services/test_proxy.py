"""The proxy: every byte, every end and every reset gets through, and nothing gets through too early."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE_SECONDS, await_that

from loadlab.services.loop import PIECE_BYTES
from loadlab.services.relay import WINDOW_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Handler = Callable[[socket.socket], None]

pytestmark = pytest.mark.process

LOOPBACK: Final = "127.0.0.1"
MEBIBYTE: Final = 2**20


@dataclass(frozen=True)
class Proxy:
    """One that runs, before a server of the test's own."""

    pid: int
    port: int

    def connected(self) -> socket.socket:
        client = socket.create_connection((LOOPBACK, self.port), timeout=PATIENCE_SECONDS)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client


@contextmanager
def proxied(server_port: int, round_trip_ms: float) -> Iterator[Proxy]:
    argv = [sys.executable, "-m", "loadlab.services.proxy", f"--to={LOOPBACK}:{server_port}"]
    argv.append(f"--round-trip-ms={round_trip_ms}")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as popen:
        assert popen.stdout is not None
        try:
            yield Proxy(popen.pid, int(popen.stdout.readline()))
        finally:
            popen.kill()


@contextmanager
def serving(handler: Handler) -> Iterator[int]:
    """A server on its own port; each connection has a thread, which closes the socket when it ends."""
    handlers: list[threading.Thread] = []

    def handle(accepted: socket.socket) -> None:
        with accepted, suppress(OSError):
            accepted.settimeout(PATIENCE_SECONDS)
            handler(accepted)

    def accept() -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listener.accept()
                handlers.append(threading.Thread(target=handle, args=[accepted]))
                handlers[-1].start()

    with socket.create_server((LOOPBACK, 0), backlog=1024) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
    for thread in [accepting, *handlers]:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


@contextmanager
def between(handler: Handler, round_trip_ms: float = 1) -> Iterator[Proxy]:
    with serving(handler) as port, proxied(port, round_trip_ms) as proxy:
        yield proxy


def echo(accepted: socket.socket) -> None:
    while piece := accepted.recv(65536):
        accepted.sendall(piece)


def heard_to_the_end(one: socket.socket) -> bytes:
    return b"".join(iter(lambda: one.recv(65536), b""))


def heard(one: socket.socket, length: int) -> bytes:
    said = b""
    while len(said) < length and (piece := one.recv(length - len(said))):
        said += piece
    return said


def exchange(client: socket.socket) -> float:
    begun = time.monotonic()
    client.sendall(b"ping")
    assert heard(client, 4) == b"ping"
    return time.monotonic() - begun


def drop(one: socket.socket) -> None:
    """Close it with a reset."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


@pytest.fixture(scope="module")
def echoing() -> Iterator[Proxy]:
    with between(echo, round_trip_ms=0.5) as proxy:
        yield proxy


sizes = st.one_of(st.integers(1, 100), st.integers(1, 70_000), st.sampled_from([PIECE_BYTES, PIECE_BYTES + 1]))


@given(pieces=st.lists(sizes, min_size=1, max_size=12))
def test_bytes_come_out_as_they_went_in_under_any_split(echoing: Proxy, pieces: list[int]) -> None:
    said = [os.urandom(size) for size in pieces]
    with echoing.connected() as client:

        def say() -> None:
            for piece in said:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)

        saying = threading.Thread(target=say)
        saying.start()
        assert heard_to_the_end(client) == b"".join(said)
        saying.join()


def test_a_client_that_has_said_all_still_hears_the_answer() -> None:
    def answer_at_the_end(accepted: socket.socket) -> None:
        accepted.sendall(b"heard " + heard_to_the_end(accepted))

    with between(answer_at_the_end) as proxy, proxy.connected() as client:
        client.sendall(b"all of it")
        client.shutdown(socket.SHUT_WR)
        assert heard_to_the_end(client) == b"heard all of it"


def test_a_server_that_has_said_all_still_hears_the_client() -> None:
    told: list[bytes] = []

    def greet_and_listen(accepted: socket.socket) -> None:
        accepted.sendall(b"welcome")
        accepted.shutdown(socket.SHUT_WR)
        told.append(heard_to_the_end(accepted))

    with between(greet_and_listen) as proxy, proxy.connected() as client:
        assert heard_to_the_end(client) == b"welcome"
        client.sendall(b"thank you")
        client.shutdown(socket.SHUT_WR)
        await_that(lambda: told == [b"thank you"])


def test_a_server_that_refuses_shows_as_a_connection_that_is_reset() -> None:
    with socket.socket() as deaf:  # has the port, and does not listen
        deaf.bind((LOOPBACK, 0))
        with proxied(deaf.getsockname()[1], 1) as proxy:
            for _ in range(3):
                with pytest.raises(ConnectionResetError), proxy.connected() as client:
                    client.recv(1)


def test_a_reset_by_the_server_is_a_reset_for_the_client() -> None:
    with between(drop) as proxy, proxy.connected() as client, pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_reset_by_the_client_is_a_reset_for_the_server() -> None:
    outcome: list[str] = []

    def listen(accepted: socket.socket) -> None:
        accepted.sendall(b"here")
        try:
            accepted.recv(1)
        except ConnectionResetError:
            outcome.append("reset")

    with between(listen) as proxy:
        client = proxy.connected()
        assert heard(client, 4) == b"here"
        drop(client)
        await_that(lambda: outcome == ["reset"])


def test_a_client_that_is_gone_before_the_server_is_reached_does_no_harm() -> None:
    with between(echo, round_trip_ms=50) as proxy:
        drop(proxy.connected())
        proxy.connected().close()
        with proxy.connected() as client:
            exchange(client)


def test_two_hundred_concurrent_connections_keep_their_bytes_apart() -> None:
    everybody = threading.Barrier(200)

    def answer_when_all_are_there(accepted: socket.socket) -> None:
        said = heard(accepted, 3)
        everybody.wait(PATIENCE_SECONDS)
        accepted.sendall(said[::-1])

    with between(answer_when_all_are_there, round_trip_ms=5) as proxy, ExitStack() as stack:
        clients = [stack.enter_context(proxy.connected()) for _ in range(200)]
        for number, client in enumerate(clients):
            client.sendall(f"{number:03}".encode())
        assert [heard_to_the_end(client) for client in clients] == [f"{n:03}"[::-1].encode() for n in range(200)]


@pytest.mark.parametrize("round_trip_ms", [0.5, 2, 10])
def test_no_exchange_is_faster_than_the_round_trip_that_was_asked_for(round_trip_ms: float) -> None:
    with between(echo, round_trip_ms) as proxy, proxy.connected() as client:
        exchange(client)
        assert min(exchange(client) for _ in range(300)) >= round_trip_ms / 1000


@pytest.mark.parametrize("round_trip_ms", [0.5, 10])
def test_from_connecting_to_the_first_answer_it_takes_two_round_trips(round_trip_ms: float) -> None:
    def greet(accepted: socket.socket) -> None:
        accepted.sendall(b"ping")

    for handler, said in ((echo, b"ping"), (greet, b"")):
        with between(handler, round_trip_ms) as proxy:
            begun = time.monotonic()
            with proxy.connected() as client:
                client.sendall(said)
                assert heard(client, 4) == b"ping"
                assert time.monotonic() - begun >= 2 * round_trip_ms / 1000


def test_the_server_sees_a_connection_when_the_handshake_would_have_ended() -> None:
    accepted_at: list[float] = []
    with between(lambda _: accepted_at.append(time.monotonic()), round_trip_ms=100) as proxy:
        begun = time.monotonic()
        with proxy.connected() as client:
            heard_to_the_end(client)
    assert accepted_at[0] - begun >= 0.15


def test_pieces_are_under_way_together() -> None:
    # One after the other, each with its own half second, they would take 50 s.
    with between(echo, round_trip_ms=1000) as proxy, proxy.connected() as client:
        for number in range(100):
            client.sendall(bytes([number]))
            time.sleep(0.005)
        assert heard(client, 100) == bytes(range(100))


def test_a_large_result_arrives_whole_with_back_pressure() -> None:
    result = os.urandom(MEBIBYTE) * 96
    taken = 0

    def send_it(accepted: socket.socket) -> None:
        nonlocal taken
        while taken < len(result):
            taken += accepted.send(result[taken : taken + MEBIBYTE])

    with between(send_it) as proxy, proxy.connected() as client:
        await_that(lambda: taken >= WINDOW_BYTES)
        while (before := taken) < len(result):
            time.sleep(0.3)
            if taken == before:
                break
        assert taken < len(result), "nothing held the server back"
        assert heard_to_the_end(client) == result


@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_proxy_closes_both_sides(death: signal.Signals) -> None:
    ended = threading.Event()

    def listen(accepted: socket.socket) -> None:
        with suppress(OSError):
            echo(accepted)
        ended.set()

    with between(listen) as proxy, proxy.connected() as client:
        exchange(client)
        os.kill(proxy.pid, death)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
        assert ended.wait(PATIENCE_SECONDS)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux takes another process's file descriptors away")
def test_a_proxy_out_of_file_descriptors_recovers() -> None:
    with between(echo) as proxy:
        with proxy.connected() as first, ExitStack() as stack:
            exchange(first)
            descriptors = psutil.Process(proxy.pid).num_fds()
            resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (descriptors + 7, descriptors + 7))
            for _ in range(20):
                stack.enter_context(proxy.connected())
            exchange(first)
        await_that(lambda: answers(proxy))


def answers(proxy: Proxy) -> bool:
    with suppress(OSError), proxy.connected() as client:
        client.sendall(b"ping")
        return heard(client, 4) == b"ping"
    return False


def test_connections_that_have_ended_leave_no_file_descriptor(echoing: Proxy) -> None:
    process = psutil.Process(echoing.pid)
    await_that(lambda: process.num_fds() < 15)
    before = process.num_fds()
    for number in range(40):
        client = echoing.connected()
        exchange(client)
        drop(client) if number % 2 else client.close()
    # Fewer if what earlier tests have had was still going.
    await_that(lambda: process.num_fds() <= before)


def test_a_proxy_with_nothing_to_do_takes_no_time() -> None:
    # Half closed, held back, and idle: none of them may keep the loop awake.
    release = threading.Event()

    def say_too_much(accepted: socket.socket) -> None:
        accepted.settimeout(0.5)
        with suppress(TimeoutError):
            while True:
                accepted.sendall(bytes(MEBIBYTE))
        release.wait(PATIENCE_SECONDS)

    with between(say_too_much) as proxy, proxy.connected() as idle, proxy.connected() as half:
        half.shutdown(socket.SHUT_WR)
        process = psutil.Process(proxy.pid)
        await_that(lambda: _at_rest(process))
        assert idle.fileno() > 0
        release.set()


def _at_rest(process: psutil.Process) -> bool:
    before = sum(process.cpu_times()[:2])
    time.sleep(0.5)
    return sum(process.cpu_times()[:2]) - before <= 0.02


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import loadlab.services.proxy;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["loadlab"]
