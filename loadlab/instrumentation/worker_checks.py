"""System checks of what background workers do with connections; silent in a project that has no such worker.

A package that is only installed says nothing: Celery counts when the project has made an app for Django, and
django-tasks-db when it is in INSTALLED_APPS.
"""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import connections

from loadlab.instrumentation.database_settings import kept, min_size, pool_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.core.checks import CheckMessage

FIXUP: Final = "celery.fixups.django"
PREFORK: Final = ("prefork", "processes")
POOL_OPTIONS: Final = ("-P", "--pool")


def check_workers(**_: Any) -> list[CheckMessage]:  # noqa: ANN401  Django's signature
    return [*pool_closed_by_celery(), *_pool_of_one_job(), *_age_without_effect(), *_session_for_each_look()]


def pool_closed_by_celery() -> Iterator[CheckMessage]:
    """Where Celery's workers are child processes, as far as settings or this process' command line say."""
    workers = pool_of(sys.argv) or getattr(settings, "CELERY_WORKER_POOL", PREFORK[0])
    if not _closed_by_celery() or workers not in PREFORK or not _calls("close_pool"):
        return
    for alias, entry in connections.settings.items():
        if pool := pool_in(entry):
            yield checks.Warning(
                f"DATABASES[{alias!r}] has a pool, and Celery's prefork workers close it before and after every task:"
                f" each task opens {min_size(pool)} connections (min_size).",
                hint="Give the settings of prefork workers no pool, or use Celery's pool threads.",
                id="loadlab.W030",
            )


def _pool_of_one_job() -> Iterator[CheckMessage]:
    """Where RQ forks a process for each job, as its own worker class does."""
    if not apps.is_installed("django_rq") or "WORKER_CLASS" in getattr(settings, "RQ", {}):
        return
    for alias, entry in connections.settings.items():
        if pool := pool_in(entry):
            yield checks.Warning(
                f"DATABASES[{alias!r}] has a pool, and RQ forks a process for each job: each job opens"
                f" {min_size(pool)} connections (min_size), and ends without closing them.",
                hint="Give the settings of RQ's workers no pool, or name a subclass of rq.SimpleWorker in"
                " RQ['WORKER_CLASS'].",
                id="loadlab.W031",
            )


def _age_without_effect() -> Iterator[CheckMessage]:
    if not _closed_by_celery() or getattr(settings, "CELERY_DB_REUSE_MAX", None):
        return
    if _calls("close_if_unusable_or_obsolete"):  # as up to Celery 5.5: the age holds in workers too
        return
    for alias, entry in kept(connections.settings):
        yield checks.Info(
            f"DATABASES[{alias!r}] keeps connections (CONN_MAX_AGE = {entry['CONN_MAX_AGE']}), but in web processes"
            " only: Celery closes them before and after every task.",
            hint="Nothing is wrong. loadlab's page on workers has a fix that lets the age hold in workers too.",
            id="loadlab.I001",
        )


def _session_for_each_look() -> Iterator[CheckMessage]:
    if not apps.is_installed("django_tasks_db"):
        return
    entry = connections.settings["default"]
    if entry["CONN_MAX_AGE"] == 0 and not pool_in(entry):
        yield checks.Info(
            "An idle db_worker opens a connection each time that it looks for a task, by default once a second:"
            " CONN_MAX_AGE is 0.",
            hint="Set CONN_MAX_AGE = 60 and CONN_HEALTH_CHECKS = True in the settings of the worker.",
            id="loadlab.I002",
        )


def pool_of(argv: Sequence[str]) -> str:
    """The pool that the command line of a Celery worker names; empty where it names none, or is another program's."""
    if not is_celery_worker(argv):
        return ""
    for position, word in enumerate(argv):
        option, equals, value = word.partition("=")
        if option in POOL_OPTIONS:
            return value if equals else next(iter(argv[position + 1 :]), "")
        if word.startswith("-P") and not word.startswith("--"):
            return word[2:]
    return ""


def is_celery_worker(argv: Sequence[str]) -> bool:
    program = PurePath(argv[0] if argv else "")
    named = program.name if program.stem != "__main__" else program.parent.name
    return named == "celery" and "worker" in argv[1:]


def _closed_by_celery() -> bool:
    """Whether the project has an app of Celery's that closes Django's connections, and no fix that changes it."""
    state, fixup = sys.modules.get("celery._state"), sys.modules.get(FIXUP)
    if state is None or fixup is None or fixup.DjangoWorkerFixup.close_database.__module__ != FIXUP:
        return False
    made = [one for app in state._get_active_apps() for one in getattr(app, "_fixups", ())]  # noqa: SLF001
    return any(isinstance(one, fixup.DjangoFixup) for one in made)


def _calls(method: str) -> bool:
    """Whether Celery calls this of each connection before and after a task; it has changed its mind more than once."""
    code = getattr(sys.modules[FIXUP].DjangoWorkerFixup._close_database, "__code__", None)  # noqa: SLF001
    return code is not None and method in code.co_names
