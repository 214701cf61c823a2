"""Every server mode goes through the same life: built, named, booted, asked, stopped."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import psutil
import pytest
from every import every
from family import family
from modes import choice, installed, working
from patience import PATIENCE_SECONDS, await_that
from pydantic import TypeAdapter, ValidationError

from loadlab.instrumentation.counters import CounterSet, counts_of
from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.clients import ClientPool, ask_for_number
from loadlab.model.config import spell
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS, Site
from loadlab.settings_override.configuration import COLLECT_PATH, TOKEN_HEADER
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab
    from loadlab.model.counts import ConnectionCounts

every_server = every("name", list(SERVERS))


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
@every("users", [1, 8, 5000])
def test_usable_connections_are_at_least_one_and_bounded(name: str, users: int) -> None:
    server = SERVERS[name]()
    assert 1 <= server.usable_connections(users) <= max(users, server.usable_connections(1))


@every_server
@every("users", [1, 8, 5000])
def test_what_lasts_is_a_connection_for_each_thread_that_serves_again(name: str, users: int) -> None:
    server = SERVERS[name]()
    threads = server.usable_connections(10_000)
    assert server.lasting_connections(users, keep_alive=False) in {0, threads}
    assert server.lasting_connections(users, keep_alive=True) in {0, threads, server.usable_connections(users)}


@every("users", [1, 8, 5000])
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


CLIENTS, EACH = 8, 3
ASKED = CLIENTS * EACH
SLOW = "/slow/?seconds=0.01"  # long enough that requests are under way side by side


class BothEnds:
    """What a served site and PostgreSQL count of its connections, since before it was served."""

    def __init__(self, lab: Lab, ledgers: Path) -> None:
        assert lab.judge.await_empty(PATIENCE_SECONDS) == 0
        self._judge, self._ledgers, self._before = lab.judge, ledgers, lab.judge.opened()

    def ours(self) -> ConnectionCounts:
        return counts_of(self._ledgers, ["default"])

    def processes(self) -> int:
        return CounterSet(self._ledgers).read().processes

    def agreed(self) -> ConnectionCounts:
        """Our counts, as soon as PostgreSQL has the same."""

        def sides() -> list[tuple[int, ...]]:
            ours = self.ours()
            theirs = (self._judge.opened() - self._before, self._judge.open_now())
            return [(ours.opened, ours.open, ours.unsettled), (*theirs, 0)]

        await_that(lambda: len(set(sides())) == 1, lambda: f"ours, PostgreSQL's: {sides()}")
        counts = self.ours()
        assert counts.opened == counts.closed_in_all + counts.open
        return counts


def worker_of(application: ServedApplication) -> int:
    """The pid of a process that answers."""
    return ask_for_number(application.port, COLLECT_PATH, {TOKEN_HEADER: application.token})


@pytest.mark.parametrize("name", installed())
def test_a_server_mode_counts_exactly_until_its_end(name: str, lab: Lab) -> None:
    """Requests side by side, a worker that is killed, which some servers replace and others do not, and the end."""
    server = build_server(working(name))
    target = ServerSetup(
        server=working(name),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": 60}, "strategy"),
        database=lab.database,
        ledgers=lab.scratch / f"ledgers-{name}",  # where an ordinary user can get, as nginx
    )
    ends = BothEnds(lab, target.ledgers)
    with serving(target, lab.register, lab.scratch / f"{name}.log") as application:
        assert ends.processes() == server.loading()
        at_boot = ends.ours()  # runserver looks for migrations
        assert not (server.quiet_boot and at_boot.opened)
        asked = at_boot.requests + ASKED
        clients = ClientPool(application.port, CLIENTS, keep_alive=False)
        assert clients.ask(SLOW, EACH) == 0
        assert ends.agreed().requests == asked
        forgets = server.lasting_connections(CLIENTS, keep_alive=False) == 0
        assert ("loadlab.W001" in application.program.log.read_text()) is forgets
        everyone, worker = family(application.program.pid), worker_of(application)
        if worker != application.program.pid:
            psutil.Process(worker).kill()
            await_that(lambda: worker_of(application) not in {0, worker} or not application.program.running())
            if application.program.running():
                await_that(lambda: ends.processes() == server.loading())
                assert clients.ask(SLOW, EACH) == 0
                asked += ASKED
            assert ends.agreed().requests == asked
        everyone += family(application.program.pid)
    assert psutil.wait_procs(everyone, PATIENCE_SECONDS)[1] == []
    assert (ends.processes(), ends.agreed().open) == (0, 0)
