"""Counts what connections do in one server mode under one strategy: a fixed load, and what provokes them."""

from __future__ import annotations

import itertools
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.database_restart import DatabaseRestart
from loadlab.lab.fixture import running_server, without_and_with_checks
from loadlab.model.behaviour import Behaviour, Setting
from loadlab.model.drivers import DRIVERS
from loadlab.plan.members import build_server, build_strategy, config_of, configs, server_traits
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from loadlab.lab.fixture import PostgresFixture, RunningServer
    from loadlab.model.config import Config

PATH: Final = "/slow/?seconds=0.01"  # long enough that as many requests are under way at once as the mode can have
TOO_MANY: Final = "too_many_connections"
STOP_SECONDS: Final = 40.0
MOST_ROUNDS: Final = 20  # after a restart; what fails longer than that does not recover
SPARE_SECONDS: Final = 2.0  # beyond the time after which idle threads end
WORDS: Final = re.compile(r"(FATAL: .*|PoolTimeout: .*|TooManyRequests: .*)")


def settings() -> list[Setting]:
    """Every server mode × strategy × client keep-alive that behaves differently from the others."""
    return list(_settings())


def _settings() -> Iterator[Setting]:
    servers = configs(SERVERS, {name: dict(SERVERS[name].counted) for name in SERVERS}, "servers", [])
    variants = [(name, variant) for name in STRATEGIES for variant in STRATEGIES[name].variants]
    for server, (name, variant) in itertools.product(servers, variants):
        if variant.usual_servers and not SERVERS[server.name].usual:
            continue
        strategy = config_of(STRATEGIES, name, dict(variant.parameters), "strategy")
        fitting = [driver for driver in DRIVERS if _fits(server, strategy, driver)]
        for driver in fitting if variant.every_driver else fitting[:1]:
            for keep_alive in (False, True) if SERVERS[server.name].keeps_clients else (False,):
                yield Setting(server=server, strategy=strategy, driver=driver, keep_alive=keep_alive)


def _fits(server: Config, strategy: Config, driver: str) -> bool:
    return build_strategy(strategy).incompatible(server_traits(server, driver)) is None


def behaviour(setting: Setting, postgres: PostgresFixture) -> Behaviour:
    """One experiment, with three fresh servers: the second has health checks, the third quiet spells.

    Raises:
        EnvironmentFaultError: a server does not start, or does not end when it is asked to.
    """
    counts: dict[str, Any] = {}
    with without_and_with_checks(setting, postgres) as (server, replaced):
        counts |= load(server) | flood(server)
        warm, failed, later = restart(server)
        counts |= {"warm": warm, "failed_after_restart": failed, "failed_later": later}
        counts |= stop(server)
        checked = replaced()
        counts["warm_checked"], counts["failed_checked"], _ = restart(checked)
        counts |= kill(checked)
    counts |= quiet_spells(setting, postgres)
    return Behaviour(setting=setting, **counts)


def load(server: RunningServer, path: str = PATH) -> dict[str, Any]:
    """A fixed load, what it has left open, and how much of that was garbage."""
    before, opened_before = server.counts(), server.other_end.opened()
    mark, backends = server.log.mark(), server.judge.open_now()
    failed = server.clients.ask(path, server.scale.each)
    after = server.at_rest()
    grown = after - before
    exact = server.agrees(opened_before + grown.opened) and after.open == server.other_end.open_now()
    peak = server.log.peak_since(mark, backends)
    return {
        "opened": before.open + grown.opened,  # a pool may have been filled when the server started
        "reused": grown.reused,
        "failed": failed,
        "peak": peak,
        "left_open": after.open,
        "left_after_collection": server.collect_garbage().open,
        "exact": exact,
    }


def restart(server: RunningServer, path: str = PATH) -> tuple[int, int, int]:
    """How many connections were open when the database was restarted; how many requests failed then, and later.

    All clients ask at once, round after round: so every thread that has a connection gets to use it.
    """
    # Garbage stays, or how much of it was open would be chance.
    server.keep_garbage()
    server.collect_garbage()
    for _ in range(server.scale.rounds):
        server.clients.ask(path)
    warm = server.at_rest().open
    with DatabaseRestart().applied(server.fault_context):
        return warm, failed_until_quiet(server, path, warm), server.clients.ask(path)


def failed_until_quiet(server: RunningServer, path: str, warm: int) -> int:
    """Ask until nothing fails any more: for a few rounds more while a connection from before the restart is left.

    A thread that no request has reached yet may have it; or a dead thread, which no request will ever reach.
    """
    failed = quiet = rounds = 0
    closed = _closed(server)
    while rounds < MOST_ROUNDS:
        patience = server.scale.rounds * (1 if _closed(server) - closed >= warm else 2)
        if quiet >= patience:
            break
        this_time = server.clients.ask(path)
        failed += this_time
        quiet = 0 if this_time else quiet + 1
        rounds += 1
    return failed


def _closed(server: RunningServer) -> int:
    return server.counts().closed_in_all


def until_refused(server: RunningServer, most: int) -> int | None:
    """How many requests have come when PostgreSQL has refused one, with few connections left in it; None of `most`.

    All clients ask at once, round after round, and garbage is collected as Python sees fit.
    """
    server.collect_garbage()
    before = _refused(server)
    with server.postgres.only(server.scale.free):
        for asked in range(server.scale.clients, most + 1, server.scale.clients):
            if server.clients.ask(PATH) and _refused(server) > before:
                return asked
    return None


def _refused(server: RunningServer) -> int:
    return server.counts().connect_errors.get(TOO_MANY, 0)


def flood(server: RunningServer) -> dict[str, Any]:
    """The same load with few connections left in PostgreSQL, and without garbage collection."""
    server.keep_garbage()
    server.collect_garbage()
    before, log = server.counts(), server.application.program.log
    mark = log.stat().st_size
    with server.postgres.only(server.scale.free):
        failed = server.clients.ask(PATH, server.scale.each)
        after = server.at_rest()
    return {
        "flood_failed": failed,
        "flood_errors": (after - before).connect_errors,
        "flood_words": _words(log, mark) if failed else "",
    }


def quiet_spells(setting: Setting, postgres: PostgresFixture) -> dict[str, int]:
    """How many connections are open after bursts of requests, with pauses in which idle threads end if they ever do."""
    parameters = {**setting.server.parameters, **SERVERS[setting.server.name].quiet}
    server_config = config_of(SERVERS, setting.server.name, parameters, "server")
    pause = build_server(server_config).idle_end_seconds()
    with running_server(replace(setting, server=server_config), postgres) as server:
        server.keep_garbage()
        found = []
        for burst in range(server.scale.bursts):
            if burst:
                server.clients.hang_up()
                time.sleep(0 if pause is None else pause + SPARE_SECONDS)
            server.clients.ask(PATH, server.scale.in_burst)
            found.append(server.at_rest().open)
    return {"open_after_burst": found[0], "open_after_bursts": found[-1]}


def _words(log: Path, mark: int) -> str:
    """The last words in the server's log that a refusal can have."""
    with log.open("rb") as file:
        file.seek(mark)
        found = WORDS.findall(file.read().decode(errors="replace"))
    return " ".join(found[-1].split()) if found else ""


def stop(server: RunningServer) -> dict[str, int]:
    """How the sessions end that are open when the server is asked to stop.

    Raises:
        EnvironmentFaultError: it does not.
    """
    still_open, abandoned = _ended(server, _ask_to_stop)
    return {"open_at_stop": still_open, "stop_abandoned": abandoned}


def kill(server: RunningServer) -> dict[str, int]:
    """How the sessions end that are open when the server is killed."""
    still_open, abandoned = _ended(server, _kill)
    return {"open_at_kill": still_open, "kill_abandoned": abandoned}


def _ended(server: RunningServer, end: Callable[[RunningServer], None]) -> tuple[int, int]:
    """How many connections one round of all clients has left open, and how many were abandoned at the server's end."""
    server.keep_garbage()
    server.collect_garbage()
    server.clients.ask(PATH)
    still_open, before = server.at_rest().open, server.judge.abandoned()
    end(server)
    server.await_gone()
    return still_open, server.judge.abandoned() - before


def _ask_to_stop(server: RunningServer) -> None:
    program = server.application.program
    program.popen.send_signal(server.stop_signal)
    with suppress(subprocess.TimeoutExpired):
        program.popen.wait(STOP_SECONDS)
    if program.running():
        raise EnvironmentFaultError(
            f"{program.name} has not ended {STOP_SECONDS:g} s after {server.stop_signal.name}. Its log, {program.log},"
            f" ends:\n{program.log_tail()}"
        )


def _kill(server: RunningServer) -> None:
    server.application.program.kill()
