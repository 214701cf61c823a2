"""The lab: what all trials and experiments share, with either kind of target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loadlab.judges.postgresql import PostgreSQL
from loadlab.lab.project import Project
from loadlab.lab.suitability import notes_of_sides

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.lab.generator import Generator
    from loadlab.lab.observer import Observer
    from loadlab.lab.sides import Side
    from loadlab.model.plan import Plan
    from loadlab.model.project_notes import ProjectNote
    from loadlab.services.database import Database
    from loadlab.store.progress import Event
    from loadlab.system.processes import Register


@dataclass(frozen=True, kw_only=True, slots=True)
class Lab:
    """The register of all processes, the project and its database, and the load generator.

    `observer` is the lab's own connection to the database; None where an external target's database was not named.
    `follow` hears twice a second how a trial goes, and when a fault comes. `explanations` say why no request of a trial
    succeeded, by the trial's order. `others` are the other sides of the run by their names, and `own_database` is that
    of the side that the lab is `at`, where it is not the one that all share.
    """

    plan: Plan
    register: Register
    generator: Generator
    observer: Observer | None
    logs: Path
    project: Project = field(default_factory=Project)
    follow: Callable[[Event], None] | None = None
    explanations: dict[int, str] = field(default_factory=dict)
    others: Mapping[str, Side] = field(default_factory=dict)
    own_database: str = ""

    def at(self, side: str) -> Lab:
        """The same lab as one side of the run has it: with its project, and its database where it has its own."""
        other = self.others.get(side)
        return self if other is None else replace(self, project=other.project, own_database=other.database)

    @property
    def notes(self) -> dict[ProjectNote, str]:
        """What a reader of the results should know of the project, on either side."""
        return notes_of_sides(self.project, {name: side.project for name, side in self.others.items()})

    @property
    def scratch(self) -> Path:
        """A folder that goes with the lab."""
        return self.register.folder

    @property
    def observing(self) -> Observer:
        """The observer of a lab that has a database.

        Raises:
            TypeError: it has none.
        """
        if self.observer is None:
            raise TypeError("the database of this target was not named")
        return self.observer

    @property
    def database(self) -> Database:
        """As it runs now: the lab may have had to start it again."""
        found = self.observing.database
        return replace(found, name=self.own_database) if self.own_database else found

    @property
    def cursor(self) -> Cursor:
        return self.observing.cursor

    @property
    def judge(self) -> PostgreSQL:
        """PostgreSQL's count of the target's connections, by the lab's own connection as it is now."""
        return PostgreSQL(self.cursor, self.database.name)
