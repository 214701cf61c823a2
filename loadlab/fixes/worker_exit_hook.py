"""Closes every connection of a process when it ends, as Jeremy Dunck proposed in 2013: tell the worker to clean up.

gunicorn's configuration may import this module before gevent has patched Python, and so nothing of Django's database
layer is imported before it is needed.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured

from loadlab.fixes._parameters import NoParameters, parameters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]


class WorkerExitHook(AppConfig):
    name = "loadlab.fixes.worker_exit_hook"
    label = "loadlab_worker_exit_hook"
    verbose_name = "close database connections when their process ends"

    def ready(self) -> None:
        parameters("worker_exit_hook", NoParameters)
        from loadlab.fixes._tracking import track  # noqa: PLC0415  as the module's docstring says

        track()
        atexit.register(close_every_connection)


def close_every_connection() -> None:
    """Close the connections of all threads of this process; of a parent's, that a fork has copied, none."""
    from loadlab.fixes._closing import close_or_log  # noqa: PLC0415
    from loadlab.fixes._tracking import tracked  # noqa: PLC0415

    for wrapper in tracked():
        close_or_log(wrapper)


def worker_exit(server: Any, worker: Any) -> None:  # noqa: ANN401, ARG001  gunicorn's signature
    """The hook of gunicorn: runs in each worker that ends in order, whether asked to or by max_requests.

    Raises:
        ImproperlyConfigured: the app is not in INSTALLED_APPS, so no code knows the connections.
    """
    if not apps.ready:  # the worker has not come far enough to have any
        return
    if not apps.is_installed(WorkerExitHook.name):
        raise ImproperlyConfigured(
            f"gunicorn's worker_exit has no connections to close: add '{__name__}.WorkerExitHook' to INSTALLED_APPS"
        )
    close_every_connection()


def closing_at_shutdown(application: ASGIApplication) -> ASGIApplication:
    """The application of asgi.py, with an answer to the lifespan protocol, by which a server says that it ends.

    Django has none. uvicorn ends by SIGTERM without running atexit, and this is how it tells.
    """
    import asyncio  # noqa: PLC0415  gunicorn may be here before gevent

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own shapes
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        while True:
            said = (await receive())["type"]
            if said == "lifespan.shutdown":
                await asyncio.to_thread(close_every_connection)  # Django lets no event loop close them
            await send({"type": f"{said}.complete"})
            if said == "lifespan.shutdown":
                return

    return wrapped
