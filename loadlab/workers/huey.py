"""Huey, as its Django app runs it: a pool of threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from loadlab.workers.base import Count, Fix, Queue, Site, Worker

DB_TASK: Final = Fix(
    name="db_task",
    does="Decorate tasks with db_task, and periodic ones with db_periodic_task: then CONN_MAX_AGE and"
    " CONN_HEALTH_CHECKS hold.",
    code="from huey.contrib.djhuey import db_task as task\n",
    ages=(0, 60, None),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Huey(Worker):
    """One process with `threads`; tasks wait in a file of SQLite."""

    title: ClassVar[str] = "Huey"
    closes: ClassVar[str] = "never after a task, by age around a db_task (huey 3.5.4, huey/contrib/djhuey/__init__.py)"
    packages: ClassVar[tuple[str, ...]] = ("huey",)
    apps: ClassVar[tuple[str, ...]] = ("huey.contrib.djhuey",)

    threads: Count = 4

    def argv(self, site: Site, port: int) -> list[str]:  # noqa: ARG002  its tasks come from a file
        return [site.python, *site.manage, "run_huey"]

    def at_once(self) -> int:
        return self.threads

    def settings(self, queue: Queue) -> dict[str, object]:
        soon = {"initial_delay": 0.01, "max_delay": 0.05}  # between two looks into the file
        huey = {"huey_class": "huey.SqliteHuey", "name": "loadlab", "filename": str(queue.folder / "huey.db")}
        return {
            "HUEY": {**huey, "immediate": False, "consumer": {"workers": self.threads, "worker_type": "thread", **soon}}
        }

    def fixes(self) -> tuple[Fix, ...]:
        return (DB_TASK,)
