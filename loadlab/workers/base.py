"""What a worker is: how Python runs background tasks, how many at once, and how its connections are fixed."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Final

from loadlab.model.bounds import STRICT, Bounds
from loadlab.model.config import Scalar
from loadlab.servers.base import Site

__all__ = ["FIX_MODULE", "Count", "Fix", "Queue", "Seconds", "Site", "Worker", "own_process"]

FIX_MODULE: Final = "loadlab_fix"  # the module that a fix's code is saved as
Count = Annotated[int, Bounds(ge=1, le=10_000, description="a whole number, 1 or more")]
Seconds = Annotated[float, Bounds(gt=0, le=3600, finite=True, description="seconds, more than 0")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """Where tasks wait: a folder that is empty at first, and the URL of a Redis for workers that need one."""

    folder: Path
    redis: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fix:
    """What a project can do about a worker's connections: the text that is shown is the one that was tried.

    `does` says it in a sentence. `settings` go over Django's, `database` over an entry of DATABASES, and `code` is a
    module of the project's. It is counted under each CONN_MAX_AGE in `ages`.
    """

    name: str
    does: str
    code: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    database: Mapping[str, Scalar] = field(default_factory=dict)
    ages: tuple[int | None, ...] = (60,)

    @property
    def snippet(self) -> str:
        """What a user pastes: settings, and a module that they may name."""
        settings = "".join(f"{name} = {_spelt(value)}\n" for name, value in self.settings.items())
        database = "".join(f'DATABASES["default"]["{name}"] = {value!r}\n' for name, value in self.database.items())
        head = f"\n# {FIX_MODULE}.py\n" if self.code and (settings or database) else ""
        return settings + database + head + self.code


def _spelt(value: object) -> str:
    """As formatters write it."""
    return repr(value).replace("'", '"')


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker(ABC):
    """Base of the family: a member says all that loadlab knows of its worker. Its fields are its parameters.

    `title` is its name in reports, `closes` says when it closes connections by itself, with the version and the place
    in its source. `packages` are the distributions that it may need beside Django; their versions are recorded.
    `counted` are the parameters of its rows in the table of `loadlab behaviour`.

    For the lab: `apps` go to INSTALLED_APPS; they may have `tables`. A worker that `looks` keeps its tasks in the
    database, and asks it for them again and again. One that is its own `sender` takes orders on its standard input,
    because tasks can only be sent from within. `stop_signal` asks for an orderly end.
    """

    __pydantic_config__ = STRICT

    title: ClassVar[str] = ""
    closes: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]] = ()
    counted: ClassVar[tuple[Mapping[str, Scalar], ...]] = ({},)
    apps: ClassVar[tuple[str, ...]] = ()
    tables: ClassVar[bool] = False
    looks: ClassVar[bool] = False
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @abstractmethod
    def argv(self, site: Site, port: int) -> list[str]:
        """The command that runs it in the foreground; one that is reached over the network listens at `port`."""

    @abstractmethod
    def at_once(self) -> int:
        """How many tasks it runs at one instant."""

    def processes(self) -> int:
        """How many processes run tasks."""
        return 1

    def is_sender(self) -> bool:
        """Whether tasks can only be sent from within its own process."""
        return False

    def needs_redis(self) -> bool:
        """Whether its tasks wait in a Redis."""
        return False

    def settings(self, queue: Queue) -> dict[str, object]:  # noqa: ARG002  members look where they must
        """Django's settings that it needs, as JSON can write them."""
        return {}

    def fixes(self) -> tuple[Fix, ...]:
        """What a project can do about its connections, the best first."""
        return ()

    def advice(self) -> str:
        """What to set, in a sentence or two, where no fix says it."""
        return ""


def own_process(site: Site, name: str) -> list[str]:
    """The command of a process that runs a worker's tasks itself, in its own threads, as a web process may."""
    return [site.python, "-m", "loadlab.sample_app.work", name, "--work"]
