"""The lab's site, served with one fix, and its clients, for tests of fixes."""

from __future__ import annotations

import http.client
import signal
import socket
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from laboratory import await_alone, open_sessions
from patience import PATIENCE_SECONDS, await_that

from loadlab.instrumentation import layout
from loadlab.instrumentation.counters import CounterSet, Totals
from loadlab.lab.application import Extras, ServerSetup, serving
from loadlab.lab.project import Project
from loadlab.model.metrics import CloseReason
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS, Site
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab

HERE: Final = Path(__file__).parent
CLIENTS: Final = 6
REQUESTS: Final = 10  # of each client
AGE_SECONDS: Final = 600
NOTHING: Final = Totals((0,) * layout.CELLS)
# A backend that is told to go needs a moment; what leaks grows with every request and leaves this soon behind.
SPARE: Final = 4


@dataclass(kw_only=True, slots=True)
class Served:
    """A site under a fix, while it is served and after."""

    application: ServedApplication
    lab: Lab
    at_start: Totals = NOTHING
    peak: int = 0
    statuses: list[int] = field(default_factory=list)

    def totals(self) -> Totals:
        return CounterSet(self.application.ledgers).read().aliases.get("default", NOTHING)

    def counted(self) -> dict[str, int]:
        """What is counted by now that was not as the site began to serve: runserver itself asks first.

        Older Djangos leave its connection open.
        """
        now, then = self.totals(), self.at_start
        explicit = CloseReason.EXPLICIT
        return {
            "opened": now.opened - then.opened,
            "open": now.open - then.open,
            "explicit": now.closed[explicit] - then.closed[explicit],
            "reused": now.requests_reused - then.requests_reused,
        }

    def load(self, path: str = "/entries/1/", *, keep_alive: bool = False, clients: int = CLIENTS) -> None:
        """All clients at once, one request after the other each; the most connections at once are noted."""
        with ThreadPoolExecutor(clients) as pool:
            asking = [pool.submit(self._ask, path, keep_alive=keep_alive) for _ in range(clients)]
            while wait(asking, timeout=0.01).not_done:
                self.peak = max(self.peak, self.totals().open)
            for asked in asking:
                self.statuses += asked.result()

    def _ask(self, path: str, *, keep_alive: bool) -> list[int]:
        statuses = []
        connection = http.client.HTTPConnection("127.0.0.1", self.application.port, timeout=PATIENCE_SECONDS)
        for _ in range(REQUESTS):
            connection.request("GET", path, headers={} if keep_alive else {"Connection": "close"})
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
            if not keep_alive:
                connection.close()  # opened anew by the next request
        connection.close()
        return statuses

    def ask_and_go(self, path: str) -> None:
        """Ask, and do not wait for the answer."""
        with socket.create_connection(("127.0.0.1", self.application.port)) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def await_open(self, most: int) -> None:
        """Wait until counts and PostgreSQL agree that at most so many were added, and no attempt is under way."""

        def at_rest() -> bool:
            totals = self.totals()
            return totals.unsettled == 0 and totals.open == open_sessions(self.lab) <= most + self.at_start.open

        await_that(at_rest, f"more than {most} connections stay open, or the counts differ from PostgreSQL")


def statistics(lab: Lab) -> tuple[int, int]:
    """PostgreSQL's own counts of the target's sessions, and of those that ended without a word; once all are gone."""
    await_alone(lab)
    query = "SELECT sessions, sessions_abandoned FROM pg_stat_database WHERE datname = %s"
    lab.cursor.execute(query, [lab.database.name])
    sessions, abandoned = lab.cursor.fetchone() or (0, 0)
    return int(sessions), int(abandoned)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target(ServerSetup):
    """A target whose server is told more; what is said last holds."""

    arguments: tuple[str, ...] = ()

    def argv(self, port: int) -> list[str]:
        return [*ServerSetup.argv(self, port), *self.arguments]


class Serving:
    """Serves the site in a mode under a fix, and checks its counts against PostgreSQL once it has ended."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._bench = lab
        self._folder = folder
        self.abandoned = 0

    @contextmanager
    def __call__(  # noqa: PLR0913
        self,
        fix: str,
        server: str,
        *,
        driver: str = "psycopg2",
        parameters: dict[str, Any] | None = None,
        workers: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        conf: str = "",
        asgi: str = "",
        lifespan: bool = False,
        terminate: bool = False,
    ) -> Iterator[Served]:
        """Serve, with gunicorn's configuration `conf`, or the application `asgi`, instead of the lab's own."""
        target = _Target(
            server=config_of(SERVERS, server, workers or {}, "server"),
            strategy=config_of(STRATEGIES, fix, {"max_age": AGE_SECONDS, **(parameters or {})}, "strategy"),
            database=self._bench.database,
            ledgers=self._folder / "ledgers",
            arguments=(
                *(("--config", str(HERE / conf)) if conf else ()),
                *(("--lifespan", "on") if lifespan else ()),
            ),
            project=Project(driver=driver),
            site=Site(asgi=asgi) if asgi else None,
            extras=Extras(
                apps=["no_garbage_collection.NoGarbageCollection"],
                environment={"PYTHONPATH": str(HERE), **(environment or {})},
            ),
        )
        before = statistics(self._bench)
        with serving(target, self._bench.register, self._folder / "log") as application:
            served = Served(application=application, lab=self._bench)
            await_that(lambda: served.totals().unsettled == 0, "the site still connects to start")
            served.at_start = served.totals()
            yield served
            stop_signal = signal.SIGTERM if terminate else build_server(target.server).stop_signal
            application.program.stop(stop_signal, PATIENCE_SECONDS)
        self._check(served, before)

    def _check(self, served: Served, before: tuple[int, int]) -> None:
        """All was answered, and the site's counts are PostgreSQL's."""
        sessions, abandoned = (after - was for after, was in zip(statistics(self._bench), before, strict=True))
        self.abandoned = abandoned
        totals = served.totals()
        assert set(served.statuses) == {200}
        assert totals.opened == sessions > 0
        assert (totals.open, totals.opened) == (0, sum(totals.closed.values()))
