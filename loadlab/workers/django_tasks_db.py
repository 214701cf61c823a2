"""The worker of django-tasks-db: django.tasks with the database as its queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from loadlab.model.config import Scalar
from loadlab.workers.base import Fix, Queue, Seconds, Site, Worker

CHECKED: Final = Fix(
    name="checked",
    does="Set an age and health checks for the worker: one session serves its looks and its tasks.",
    database={"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DjangoTasksDb(Worker):
    """One task at once; without one it looks again after `interval_seconds`."""

    title: ClassVar[str] = "django-tasks-db"
    closes: ClassVar[str] = (
        "by age, before and after each look for a task (django-tasks-db 0.13.0,"
        " management/commands/db_worker.py). A database that is away at a look ends the worker"
    )
    packages: ClassVar[tuple[str, ...]] = ("django-tasks", "django-tasks-db")
    counted: ClassVar[tuple[Mapping[str, Scalar], ...]] = ({"interval_seconds": 0.5},)
    apps: ClassVar[tuple[str, ...]] = ("django_tasks_db",)
    tables: ClassVar[bool] = True
    looks: ClassVar[bool] = True

    interval_seconds: Seconds = 1.0

    def argv(self, site: Site, port: int) -> list[str]:  # noqa: ARG002  its tasks come from the database
        looking = ["--interval", f"{self.interval_seconds:g}", "--no-startup-delay", "--no-reload"]
        return [site.python, *site.manage, "db_worker", *looking]

    def at_once(self) -> int:
        return 1

    def settings(self, queue: Queue) -> dict[str, object]:  # noqa: ARG002
        return {"TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}}

    def fixes(self) -> tuple[Fix, ...]:
        return (CHECKED,)

    def advice(self) -> str:
        return "Let a supervisor start it again: it ends if its database is away when it looks for a task."
