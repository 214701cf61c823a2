"""Every server mode goes through the same life: built, named, booted, asked, stopped."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING

import psutil
import pytest
from patience import PATIENCE_SECONDS
from pydantic import TypeAdapter, ValidationError

from loadlab.instrumentation.counters import CounterSet
from loadlab.lab.application import ServerSetup, serving
from loadlab.model.config import spell
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS, Site
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from loadlab.lab.lab import Lab
    from loadlab.model.config import Config

every_server = pytest.mark.parametrize("name", list(SERVERS))


def choice(name: str) -> Config:
    return config_of(SERVERS, name, {}, "server")


@every_server
def test_a_server_mode_is_complete_without_parameters(name: str) -> None:
    assert build_server(choice(name)) == SERVERS[name]()


@every_server
def test_a_server_modes_label_spells_out_every_parameter(name: str) -> None:
    server = SERVERS[name]()
    parts = [f"{field.name}={spell(getattr(server, field.name))}" for field in fields(server)]
    assert str(choice(name)).split(",") == [name, *parts]


@every_server
def test_a_server_modes_command_is_an_argv_list_for_loopback(name: str) -> None:
    site = Site(python="/a path/python")
    argv = SERVERS[name]().argv(site, 8123)
    assert all(type(word) is str and word for word in argv)
    assert argv[:2] == ["/a path/python", "-m"]
    assert "8123" in argv or "127.0.0.1:8123" in argv
    assert any("127.0.0.1" in word for word in argv)
    assert not any("0.0.0.0" in word for word in argv)  # noqa: S104


@every_server
@pytest.mark.parametrize("users", [1, 8, 5000])
def test_usable_connections_are_at_least_one_and_bounded(name: str, users: int) -> None:
    server = SERVERS[name]()
    assert 1 <= server.usable_connections(users) <= max(users, server.usable_connections(1))


@every_server
@pytest.mark.parametrize("users", [1, 8, 5000])
def test_what_lasts_is_a_connection_for_each_thread_that_serves_again(name: str, users: int) -> None:
    server = SERVERS[name]()
    threads = server.usable_connections(10_000)
    assert server.lasting_connections(users, keep_alive=False) in {0, threads}
    assert server.lasting_connections(users, keep_alive=True) in {0, threads, server.usable_connections(users)}


@pytest.mark.parametrize("users", [1, 8, 5000])
def test_kept_clients_keep_threads_of_runserver_and_greenlets_alive(users: int) -> None:
    lasting = {name: SERVERS[name]().lasting_connections(users, keep_alive=False) for name in SERVERS}
    assert (lasting["sync"], lasting["gthread"]) == (2, 8)
    assert (lasting["threaded"], lasting["gevent"], lasting["asgi"]) == (0, 0, 0)
    kept = {name: SERVERS[name]().lasting_connections(users, keep_alive=True) for name in SERVERS}
    assert (kept["sync"], kept["gthread"], kept["asgi"]) == (2, 8, 0)
    assert (kept["threaded"], kept["gevent"]) == (users, min(users, 2000))


@every_server
def test_a_server_mode_refuses_what_it_does_not_know_and_what_cannot_be(name: str) -> None:
    adapter = TypeAdapter(SERVERS[name])
    impossible = {"nonesuch": 1} | {field.name: "many" for field in fields(SERVERS[name])}
    for parameter, value in impossible.items():
        with pytest.raises(ValidationError):
            adapter.validate_python({parameter: value})


def opened(target: ServerSetup) -> int:
    totals = CounterSet(target.ledgers).read().aliases.get("default")
    return totals.opened if totals else 0


@every_server
def test_a_server_mode_boots_answers_and_stops(name: str, lab: Lab) -> None:
    target = ServerSetup(
        server=choice(name),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": None}, "strategy"),
        database=lab.database,
        ledgers=lab.scratch / f"ledgers-{name}",  # where an ordinary user can get, as nginx
    )
    with serving(target, lab.register, lab.scratch / f"{name}.log") as application:
        at_boot = opened(target)  # runserver looks for migrations
        with closing(http.client.HTTPConnection("127.0.0.1", application.port, timeout=30)) as client:
            client.request("GET", "/entries/7/")
            answer = client.getresponse()
            assert (answer.status, json.loads(answer.read())["id"]) == (200, 7)
        running = psutil.Process(application.program.pid)
        family = [running, *running.children(recursive=True)]
        assert CounterSet(target.ledgers).read().processes == SERVERS[name]().loading()
        assert opened(target) == at_boot + 1
        forgets = SERVERS[name]().lasting_connections(8, keep_alive=False) == 0
        assert ("loadlab.W001" in application.program.log.read_text()) is forgets
    assert psutil.wait_procs(family, PATIENCE_SECONDS)[1] == []
    stopped = CounterSet(target.ledgers).read()
    assert (stopped.processes, stopped.aliases["default"].open) == (0, 0)
    assert opened(target) == at_boot + 1
