"""The project that holds connections, run by its own programs on the lab's PostgreSQL, and what it has open."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from patience import PATIENCE_SECONDS, await_that

from loadlab.lab.clients import ClientPool
from loadlab.lab.listing import target_listing
from loadlab.leak_causes import named, verdict
from loadlab.model.open_connections import AliasSettings
from loadlab.system.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.lab.lab import Lab
    from loadlab.model.open_connections import Listing, NamedCause, OpenConnection

TESTS: Final = Path(__file__).resolve().parents[1]
WSGI: Final = "holding.wsgi:application"


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldingProject:
    """A program of the project that runs; `port` is the server's, or 0 of a program that serves nothing."""

    lab: Lab
    program: subprocess.Popen[bytes]
    folder: Path
    environment: dict[str, str]
    settings: AliasSettings
    server: str
    port: int

    def ask(self, path: str, each: int = 1, clients: int = 1) -> None:
        """So many requests of each client, each on a new connection to the server."""
        assert ClientPool(self.port, clients, keep_alive=False).ask(path, each) == 0, self.log()

    def listing(self) -> Listing:
        seen = target_listing(self.lab, self.folder / "ledgers", {"default": self.settings, "reports": self.settings})
        return replace(seen, server=self.server)

    def await_open(self, count: int) -> tuple[OpenConnection, ...]:
        """Wait until so many are open, and PostgreSQL has them as well."""

        def are_open() -> bool:
            seen = self.listing().connections
            return len(seen) == count and all(one.session and one.session.state for one in seen)

        await_that(are_open, lambda: f"{verdict(self.listing())}\n{self.log()}")
        return self.listing().connections

    def await_causes(self, seconds: float = 0, **counts: int) -> dict[str, NamedCause]:
        """The causes, once they are these with so many connections each, if nothing happens for so long."""

        def causes() -> dict[str, NamedCause]:
            return {cause.name: cause for cause in named(later(self.listing(), seconds))}

        def are_these() -> bool:
            return {name: len(cause.connections) for name, cause in causes().items()} == counts

        await_that(are_these, lambda: f"{verdict(later(self.listing(), seconds))}\n{self.log()}")
        return causes()

    def manage(self, *words: str) -> str:
        """What a management command says, beside the program."""
        return subprocess.run(
            [sys.executable, *command(*words)], env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]


def later(listing: Listing, seconds: float) -> Listing:
    """As it will be if nothing happens for so long."""
    return replace(
        listing, at=listing.at + seconds, connections=tuple(_later(one, seconds) for one in listing.connections)
    )


def _later(one: OpenConnection, seconds: float) -> OpenConnection:
    session = one.session and replace(one.session, state_seconds=(one.session.state_seconds or 0) + seconds)
    opened, used = ((since or 0) + seconds for since in (one.opened_seconds, one.used_seconds))
    return replace(one, opened_seconds=opened, used_seconds=used, session=session)


def gunicorn(*options: str) -> list[str]:
    return ["-m", "gunicorn", *options, "--bind", f"{LOOPBACK}:{{port}}", WSGI]


def command(*words: str) -> list[str]:
    return ["-m", "django", *words]


@contextmanager
def holding_project(  # noqa: PLR0913
    lab: Lab,
    folder: Path,
    argv: Sequence[str],
    *,
    max_age: float | None = None,
    pool: Any = False,
    server: str = "",
    **environment: str,
) -> Iterator[HoldingProject]:
    """Run one of its programs until the context ends; "{port}" in its arguments is a free one."""
    told = _environment(lab, folder, max_age, pool) | environment
    port = free_port() if any("{port}" in word for word in argv) else 0
    with (folder / "log").open("wb") as log:
        program = subprocess.Popen(
            [sys.executable, *(word.format(port=port) for word in argv)],
            cwd=folder,
            env=told,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            settings = AliasSettings(vendor="postgresql", max_age=max_age, pool=bool(pool))
            project = HoldingProject(
                lab=lab,
                program=program,
                folder=folder,
                environment=told,
                settings=settings,
                server=server,
                port=port,
            )
            if port:
                _await_answer(project)
            yield project
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(PATIENCE_SECONDS)


def _environment(lab: Lab, folder: Path, max_age: float | None, pool: object) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOADLAB_", "DJANGO_"))}
    entry: dict[str, Any] = {**lab.database.django(), "CONN_MAX_AGE": max_age}
    if pool:
        entry["OPTIONS"] = {**entry["OPTIONS"], "pool": pool}
    return {
        **kept,
        **lab.database.environment,
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS / "projects" / "holding")]),
        "DJANGO_SETTINGS_MODULE": "holding.settings",
        "HOLDING_DATABASE": json.dumps(entry),
        "LOADLAB_LEDGER_DIR": str(folder / "ledgers"),
    }


def _await_answer(project: HoldingProject) -> None:
    def answers() -> bool:
        assert project.program.poll() is None, project.log()
        return ClientPool(project.port, 1, keep_alive=False).ask("/ready/") == 0

    await_that(answers, project.log)
