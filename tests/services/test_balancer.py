"""The balancer: clients go to the hosts in rotation and to no others, and each host's clients are counted."""

from __future__ import annotations

import socket
from collections import Counter
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS, await_that

from loadlab.lab.fleets.balancing import Balancing, balancing
from loadlab.system.ports import LOOPBACK, free_port
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.model.fleet import Balance

pytestmark = pytest.mark.process


@contextmanager
def balanced(log: Path, balance: Balance = "random", hosts: int = 2) -> Iterator[tuple[Balancing, list[socket.socket]]]:
    """A balancer with hosts in rotation that take clients and say nothing."""
    with ExitStack() as stack:
        listening = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(hosts)]
        for one in listening:
            one.settimeout(PATIENCE_SECONDS)
        register = stack.enter_context(Register.opened())
        balancer = stack.enter_context(balancing(balance, 7, register, log / "balancer.log"))
        balancer.rotate(map(port_of, listening))
        yield balancer, listening


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def client_of(balancer: Balancing) -> socket.socket:
    return socket.create_connection((LOOPBACK, balancer.port), timeout=PATIENCE_SECONDS)


def served_by(balancer: Balancing, hosts: list[socket.socket], clients: int) -> list[int]:
    """Which host each of so many clients comes to, one after the other; each is told the host's number."""
    told = []
    for one in hosts:
        one.settimeout(0)
    for _ in range(clients):
        with client_of(balancer) as client:
            await_that(lambda: any(answered(number, one) for number, one in enumerate(hosts)))
            told.append(int(client.recv(1)))
    return told


def answered(number: int, host: socket.socket) -> bool:
    try:
        accepted, _ = host.accept()
    except BlockingIOError:
        return False
    with accepted:
        accepted.sendall(str(number).encode())
    return True


def test_each_host_in_turn_gets_the_next_client(tmp_path: Path) -> None:
    with balanced(tmp_path, "round_robin", hosts=3) as (balancer, hosts):
        first, *others = served_by(balancer, hosts, 6)
        assert others == [(first + step) % 3 for step in range(1, 6)]


def test_at_random_all_hosts_get_clients_and_not_in_turn(tmp_path: Path) -> None:
    with balanced(tmp_path) as (balancer, hosts):
        came = served_by(balancer, hosts, 40)
    assert min(Counter(came)[host] for host in (0, 1)) >= 8
    assert any(one == other for one, other in pairwise(came))


def test_a_host_out_of_rotation_keeps_its_clients_and_gets_no_others(tmp_path: Path) -> None:
    with balanced(tmp_path, hosts=2) as (balancer, (first, second)):
        balancer.rotate([port_of(first)])
        with client_of(balancer) as early, first.accept()[0] as kept:
            balancer.rotate([port_of(second)])
            with client_of(balancer), second.accept()[0]:
                assert not balancer.drained(port_of(first), 0)
                early.sendall(b"still here")
                assert kept.recv(10) == b"still here"
        assert balancer.drained(port_of(first), PATIENCE_SECONDS)


def test_a_host_that_has_closed_is_done_though_its_client_stays(tmp_path: Path) -> None:
    with balanced(tmp_path) as (balancer, (host, _)):
        balancer.rotate([port_of(host)])
        with client_of(balancer) as client:
            with host.accept()[0] as served:
                served.sendall(b"all")
            assert client.recv(3) == b"all"
            assert balancer.drained(port_of(host), PATIENCE_SECONDS)


def test_without_a_host_a_client_is_reset(tmp_path: Path) -> None:
    with balanced(tmp_path) as (balancer, _):
        balancer.rotate([])
        with pytest.raises(ConnectionResetError), client_of(balancer) as client:
            client.recv(1)


def test_a_host_that_listens_no_more_resets_its_clients_and_has_none(tmp_path: Path) -> None:
    with balanced(tmp_path) as (balancer, _):
        balancer.rotate([gone := free_port()])
        with pytest.raises(ConnectionResetError), client_of(balancer) as client:
            client.recv(1)
        assert balancer.drained(gone, PATIENCE_SECONDS)


def test_it_ends_with_the_lab_that_started_it(tmp_path: Path) -> None:
    with balanced(tmp_path) as (balancer, _):
        pipe = balancer.program.popen.stdin
        assert pipe is not None
        pipe.close()
        await_that(lambda: not balancer.program.running())
