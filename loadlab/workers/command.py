"""A management command that loops: it waits for work, does it, and waits again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.workers._closing import closing
from loadlab.workers.base import Fix, Site, Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class Command(Worker):
    """One process, one thread, one task after the other; a task that fails is logged."""

    title: ClassVar[str] = "looping command"
    closes: ClassVar[str] = (
        "never: Django closes connections around requests only (Django 5.2, django/db/__init__.py), and a command has"
        " none"
    )

    def argv(self, site: Site, port: int) -> list[str]:  # noqa: ARG002  its work comes on its standard input
        return [site.python, *site.manage, "work"]

    def at_once(self) -> int:
        return 1

    def is_sender(self) -> bool:
        return True

    def fixes(self) -> tuple[Fix, ...]:
        return (closing("the function that each turn calls"),)
