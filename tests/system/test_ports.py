"""A port is free, not one that outgoing connections get, and one that was lost is known by any server's words."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from loadlab.system import ports
from loadlab.system.ports import EPHEMERAL, LOOPBACK, free_port, is_lost

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


@pytest.mark.skipif(not EPHEMERAL.exists(), reason="the system does not tell which ports outgoing connections get")
def test_a_free_port_is_none_that_an_outgoing_connection_gets() -> None:
    first = int(EPHEMERAL.read_text().split()[0])
    assert all(port < first for port in [free_port() for _ in range(50)])


@pytest.mark.parametrize("told", ["1024 65535", "", "no numbers"])
def test_where_outgoing_connections_get_all_ports_one_is_free_too(
    told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "range").write_text(told)
    monkeypatch.setattr(ports, "EPHEMERAL", tmp_path / "range")
    with socket.create_server((LOOPBACK, free_port())):
        pass


def test_a_port_that_another_program_has_is_lost_whatever_was_said() -> None:
    with socket.create_server((LOOPBACK, 0)) as stranger:
        port = stranger.getsockname()[1]
        assert is_lost(port, "")
    assert not is_lost(port, "ModuleNotFoundError: No module named 'shop'")


@pytest.mark.parametrize(
    "said",
    [
        "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 59249): address already in use",
        "[ERROR] Connection in use: ('127.0.0.1', 59249)",
        "Error: That port is already in use.",
        'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use',
        "RuntimeError: Address in use (os error 98)",
    ],
)
def test_what_servers_say_of_a_port_that_they_did_not_get(said: str) -> None:
    assert is_lost(free_port(), said)
