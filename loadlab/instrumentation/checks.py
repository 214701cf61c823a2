"""Django system checks: what makes connections leak, mix or run out, said before it happens."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.urls import get_resolver

from loadlab.instrumentation import configuration, current
from loadlab.instrumentation.database_settings import kept, max_size, pool_in, texts
from loadlab.instrumentation.driver_options import libpq, unknown_options
from loadlab.instrumentation.serving import is_server, serving
from loadlab.instrumentation.worker_checks import check_workers, is_celery_worker, pool_closed_by_celery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.core.checks import CheckMessage
    from django.db.backends.base.base import BaseDatabaseWrapper

    from loadlab.instrumentation.serving import Serving

FIX: Final = "'loadlab.fixes.close_on_thread_exit.CloseOnThreadExit'"
# By the server, and whether it is told to load the project before it forks: what has it do so, and what to do.
_UWSGI_PATCHES: Final = ("--gevent-monkey-patch", "Use --gevent-early-monkey-patch instead.")
LATE_PATCHES: Final = {
    ("gunicorn", True): ("--preload", "Leave out --preload."),
    ("gunicorn", False): ("in its configuration file", "Load nothing of Django in gunicorn's configuration file."),
    ("uwsgi", True): _UWSGI_PATCHES,
    ("uwsgi", False): _UWSGI_PATCHES,
}
LIMITS: Final = """
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0)
"""  # reserved_connections: from PostgreSQL 16 on
IDLE_MS: Final = "SELECT setting::int FROM pg_settings WHERE name = 'idle_session_timeout'"  # from PostgreSQL 14 on


def check_settings(**_: Any) -> list[CheckMessage]:  # noqa: ANN401  Django's signature
    hint = "See what the keys mean in loadlab's documentation of the instrumentation."
    return [checks.Error(fault, hint=hint, id="loadlab.E001") for fault in configuration.faults()]


def check_serving(**_: Any) -> list[CheckMessage]:  # noqa: ANN401
    known = serving()
    return [*_of_server(known), *_opened_while_loading(known), *_pool_with_age()]


def _of_server(known: Serving | None) -> Iterator[CheckMessage]:
    """What follows from the server and the settings alone."""
    yield from _kept_in_vain(known)
    yield from _kept_by_idle_threads(known)
    yield from _shared_greenlets(known)
    yield from _in_event_loop(known)
    yield from _without_master(known)


def _kept_in_vain(known: Serving | None) -> Iterator[CheckMessage]:
    if known is None or not known.own_thread or _ended_by_a_fix(known.mode):
        return
    for alias, entry in kept(connections.settings):
        yield checks.Warning(
            f"DATABASES[{alias!r}] keeps connections (CONN_MAX_AGE = {entry['CONN_MAX_AGE']}), but is served by"
            f" {known.program} in the mode {known.mode}: each request may have its own thread or greenlet. No later"
            " request finds a kept connection, so connections leak until the database refuses the next one.",
            hint="Set CONN_MAX_AGE = 0, use a connection pool (threads of your own must then close), or add"
            f" {FIX} to INSTALLED_APPS.",
            id="loadlab.W001",
        )


def _kept_by_idle_threads(known: Serving | None) -> Iterator[CheckMessage]:
    if known is None or not known.idle_seconds or _ended_by_a_fix(known.mode):
        return
    for alias, entry in kept(connections.settings):
        yield checks.Warning(
            f"DATABASES[{alias!r}] keeps connections (CONN_MAX_AGE = {entry['CONN_MAX_AGE']}), but {known.program}"
            f" ends a thread that is idle for {known.idle_seconds} s. Its connection stays open, so each quiet"
            " spell adds connections until Python collects garbage.",
            hint=f"Set CONN_MAX_AGE = 0, or add {FIX} to INSTALLED_APPS.",
            id="loadlab.W010",
        )


def _ended_by_a_fix(mode: str) -> bool:
    """An app that ends the leak says in which modes; a project need not have any, and any app may."""
    return any(mode in getattr(app, "ends_leak_in", ()) for app in apps.get_app_configs())


def _opened_while_loading(known: Serving | None) -> Iterator[CheckMessage]:
    """What a command (`check --database`) or a test has opened itself by now does not concern a server."""
    if (known is None or known.preload) and not _testing():
        _load_urls()
        wrappers = connections.all(initialized_only=True)
        yield from _open_before_fork(w for w in wrappers if getattr(w, "opened_while_loading", False))


def _testing() -> bool:
    """A test may import modules that query while it runs."""
    return hasattr(getattr(sys.modules.get("django.test.utils"), "_TestState", None), "saved_data")


def _load_urls() -> None:
    """Modules of views may query too; Django's own check loads them, but no order of checks is promised."""
    if getattr(settings, "ROOT_URLCONF", None):
        _ = get_resolver().url_patterns


def _open_before_fork(wrappers: Iterable[BaseDatabaseWrapper]) -> Iterator[CheckMessage]:
    for wrapper in wrappers:
        if wrapper.connection is not None:
            yield checks.Warning(
                f"DATABASES[{wrapper.alias!r}] has an open connection before any request: some module queries while"
                " it is imported, or in AppConfig.ready(). A server that loads the project before it"
                " forks (gunicorn --preload) gives that connection to all its workers, which then read"
                " each other's results.",
                hint="Query on first use instead, or close the connection after it: django.db.connections.close_all().",
                id="loadlab.W002",
            )


def _shared_greenlets(known: Serving | None) -> Iterator[CheckMessage]:
    if known is not None and known.late_patch:
        option, hint = LATE_PATCHES.get((known.program, known.preload), LATE_PATCHES["gunicorn", True])
        yield checks.Warning(
            f"{known.program} loads the project before gevent has patched Python ({option}): all greenlets of a worker"
            " share one database connection, and nearly every request fails.",
            hint=hint,
            id="loadlab.W003",
        )


def _in_event_loop(known: Serving | None) -> Iterator[CheckMessage]:
    if known is not None and known.mode == "tornado" and not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        yield checks.Warning(
            "gunicorn's tornado worker runs the project in its event loop. Django refuses synchronous queries there"
            " (SynchronousOnlyOperation), so each request that uses the database fails.",
            hint="Use --worker-class gthread.",
            id="loadlab.W011",
        )


def _without_master(known: Serving | None) -> Iterator[CheckMessage]:
    if known is not None and known.masterless:
        yield checks.Warning(
            f"{known.program} runs {known.workers} processes without a master. After SIGTERM to the first one, the"
            " others go on, with their database connections and the port.",
            hint="Add --master.",
            id="loadlab.W012",
        )


def _pool_with_age() -> Iterator[CheckMessage]:
    for alias, entry in kept(connections.settings):
        if pool_in(entry):
            yield checks.Warning(
                f"DATABASES[{alias!r}] has a pool, and CONN_MAX_AGE = {entry['CONN_MAX_AGE']}: Django refuses it.",
                hint="Set CONN_MAX_AGE = 0: the pool keeps the connections.",
                id="loadlab.W005",
            )


def check_options(**_: Any) -> list[CheckMessage]:  # noqa: ANN401
    """What OPTIONS have that the driver refuses or takes without effect, and settings that Django misreads."""
    return [*_texts(), *(message for wrapper in connections.all() for message in _options(wrapper))]


def _texts() -> Iterator[CheckMessage]:
    for alias, entry in connections.settings.items():
        for key, text in texts(entry):
            yield checks.Warning(
                f"DATABASES[{alias!r}]: {key} is the text {text!r}. Django takes it for {bool(text)}.",
                hint="Set True or False. In DATABASE_URL, django-environ reads True and False, and not true and false.",
                id="loadlab.W022",
            )


def _options(wrapper: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    if wrapper.vendor != "postgresql":
        return
    try:
        unknown = unknown_options(wrapper, wrapper.get_connection_params())
    except ImproperlyConfigured:  # Django says it better when it connects
        return
    if unknown:
        yield checks.Warning(
            f"DATABASES[{wrapper.alias!r}]: {libpq(wrapper)} does not know {' and '.join(unknown)} of OPTIONS, and"
            " opens no connection.",
            hint="Remove it, or install a driver with a newer libpq: psycopg[binary] and psycopg2-binary bring one.",
            id="loadlab.W020",
        )
    options = wrapper.settings_dict["OPTIONS"] or {}
    if options.get("prepare_threshold") is not None and not options.get("server_side_binding"):
        yield checks.Warning(
            f"DATABASES[{wrapper.alias!r}]: prepare_threshold has no effect without server_side_binding. Django's"
            " cursors put parameters into the text of a query themselves, and nothing is ever prepared.",
            hint="Remove it, or set server_side_binding = True in OPTIONS. Behind a pooler that pools transactions,"
            " leave both out.",
            id="loadlab.W021",
        )


def check_room(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401
    """With `check --database`: whether the database lets in as many connections as may be wanted at once."""
    known = serving()
    if known is None:
        return []
    return [message for alias in databases or () for message in _room(alias, known)]


def _room(alias: str, known: Serving) -> Iterator[CheckMessage]:
    wrapper = connections[alias]
    each = _most_per_worker(wrapper.settings_dict, known)
    if wrapper.vendor != "postgresql" or each is None:
        return
    try:
        with wrapper.cursor() as cursor:
            cursor.execute(LIMITS)
            limit, reserved = cursor.fetchone()
    except DatabaseError as error:
        yield checks.Warning(
            f"DATABASES[{alias!r}] did not say how many connections it allows: {error}",
            hint="Check again when the database is available.",
            id="loadlab.W004",
        )
        return
    if known.workers * each > limit - reserved:
        yield checks.Warning(
            f"DATABASES[{alias!r}]: {known.workers} workers × {each} connections = {known.workers * each}, but the"
            f" database allows max_connections {limit} − {reserved} reserved = {limit - reserved}.",
            hint="Lower workers, threads or the pool's max_size, or raise max_connections.",
            id="loadlab.W004",
        )


def check_idle(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401
    """With `check --database`: whether the database ends idle sessions that Django means to keep."""
    return [message for alias in databases or () for message in _ended_while_idle(alias)]


def _ended_while_idle(alias: str) -> Iterator[CheckMessage]:
    wrapper = connections[alias]
    age = wrapper.settings_dict["CONN_MAX_AGE"]
    if wrapper.vendor != "postgresql" or age == 0 or pool_in(wrapper.settings_dict):
        return
    try:
        with wrapper.cursor() as cursor:
            cursor.execute(IDLE_MS)
            (limit,) = cursor.fetchone() or (0,)
    except DatabaseError:  # a database that does not answer, or that is another than PostgreSQL underneath
        return
    if limit and not wrapper.settings_dict["CONN_HEALTH_CHECKS"] and (age is None or limit < age * 1000):
        yield checks.Warning(
            f"DATABASES[{alias!r}] keeps connections (CONN_MAX_AGE = {age}), but the database ends sessions that"
            f" are idle for {limit / 1000:g} s (idle_session_timeout): the next request on such a connection fails.",
            hint=f"Set CONN_HEALTH_CHECKS = True, or CONN_MAX_AGE below {limit / 1000:g}.",
            id="loadlab.W009",
        )


def _most_per_worker(entry: dict[str, Any], known: Serving) -> int | None:
    """None where only the traffic bounds it."""
    pool = pool_in(entry)
    if not pool:
        return known.most_threads
    size = max_size(pool)
    return size if isinstance(size, int) else None  # the pool itself will say what is wrong


def register() -> None:
    """Called once, when the app is ready."""
    checks.register(check_settings, "loadlab")
    checks.register(check_serving, "loadlab")
    checks.register(check_workers, "loadlab")
    checks.register(check_options, "loadlab")
    checks.register(check_room, checks.Tags.database)
    checks.register(check_idle, checks.Tags.database)


def warn_when_served() -> None:
    """Django checks in management commands only; a server's own process says in its log what they would have said."""
    if is_server():
        known = serving()
        _warned_of.append(known)
        _log([*check_settings(), *_of_server(known)])
    elif is_celery_worker(sys.argv):  # Celery runs the checks, and drops what they say
        _log([*check_settings(), *pool_closed_by_celery()])


def warn_after_fork() -> None:
    """In a worker: whether it has just inherited a connection, which it shares with all the others.

    A configuration file of gunicorn that loads Django does so before its options are in force: they are known now.
    """
    known = serving() if is_server() and os.getppid() == _loaded_in else None
    if known not in _warned_of:
        _log(_of_server(known))
    if known is not None and known.preload:
        _log(_open_before_fork(connections.all(initialized_only=True)))


def _log(messages: Iterable[CheckMessage]) -> None:
    for message in messages:
        if not message.is_silenced():
            logging.getLogger("loadlab").warning("%s (%s) %s", message.msg, message.id, message.hint)


_warned_of: Final[list[Serving | None]] = [None]  # how this process was served when it was warned
_loaded_in = os.getpid()  # a process that forks later, such as a worker in the middle of a request, has a task already
current.in_forked_child.append(warn_after_fork)  # here and not in `register`: tests may make the apps ready anew
