"""Has every server mode that leaks do so, and lists what it has open: `python benchmarks/leaks.py [MODE …]`.

Each is served on a fresh PostgreSQL at CONN_MAX_AGE = 60, and answers 200 requests of 8 clients, which keep no
connection to it. Python collects garbage as it sees fit. Two rows are of views: threads that they start, and the event
loop's executor, at CONN_MAX_AGE = 0.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.claims.base import aged, served
from loadlab.lab.fixture import postgres_fixture, running_server
from loadlab.lab.listing import target_listing
from loadlab.lab.preflight import missing_for
from loadlab.listing.table import as_text
from loadlab.model.behaviour import Scale
from loadlab.model.open_connections import AliasSettings
from loadlab.plan.members import build_server
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.fixture import PostgresFixture
    from loadlab.model.behaviour import Setting

DRIVER: Final = "psycopg2"
ONE_ROW: Final = "/entries/1/"
SCALE: Final = Scale(clients=8, each=25)
SPARE_SECONDS: Final = 2.0  # beyond the time after which idle threads end, and in which others just have
WIDTH: Final = 150


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """Requests of `path` under a setting; with `bursts`, that often, with pauses in which idle threads end."""

    title: str
    setting: Setting
    max_age: float
    path: str = ONE_ROW
    bursts: int = 1


def leaks() -> Iterator[Leak]:
    """One for each server mode that leaks by itself and is installed, and those of views."""
    for mode in SERVERS:
        refuses = SERVERS[mode]().incompatible(DRIVER) is not None
        setting = served(mode, aged(60), **(SERVERS[mode].counted if refuses else {}), **SERVERS[mode].quiet)
        idles = build_server(setting.server).idle_end_seconds() is not None
        if (idles or leaks_by_itself(setting)) and not missing_for(setting.server, setting.strategy, DRIVER):
            yield Leak(title=mode, setting=setting, max_age=60, bursts=4 if idles else 1)
    yield Leak(title="sync, threads of a view", setting=served("sync", aged(0)), max_age=0, path="/helper-thread/")
    insensitive = "/async/insensitive/?seconds=0.01"
    yield Leak(title="asgi, the loop's executor", setting=served("asgi", aged(0)), max_age=0, path=insensitive)


def leaks_by_itself(setting: Setting) -> bool:
    return not build_server(setting.server).lasting_connections(SCALE.clients, keep_alive=False)


def listed(leak: Leak, postgres: PostgresFixture) -> str:
    """The table of what is open after the requests, with the verdict on top."""
    pause = build_server(leak.setting.server).idle_end_seconds() or 0
    with running_server(leak.setting, postgres) as server:
        for burst in range(leak.bursts):
            if burst:
                time.sleep(pause + SPARE_SECONDS)
            if failed := server.clients.ask(leak.path, SCALE.each // leak.bursts):
                log = server.application.program.log_tail()
                raise SystemExit(f"{failed} requests failed. The server's log ends:\n{log}")
        server.at_rest()
        time.sleep(SPARE_SECONDS)  # for what has just ended is no leak
        aliases = {"default": AliasSettings(vendor="postgresql", max_age=leak.max_age)}
        return as_text(target_listing(postgres.lab, server.application.ledgers, aliases), width=WIDTH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modes", nargs="*", metavar="MODE", help="those whose titles begin so; by default all")
    wanted = tuple(parser.parse_args().modes)
    with postgres_fixture(None, lambda _: None, SCALE) as postgres:
        for leak in leaks():
            if not wanted or leak.title.startswith(wanted):
                print(f"== {leak.title}, CONN_MAX_AGE = {leak.max_age:g}\n{listed(leak, postgres)}\n", flush=True)


if __name__ == "__main__":
    main()
