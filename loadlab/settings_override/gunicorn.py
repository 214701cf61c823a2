"""gunicorn's configuration under test: the hooks of a strategy, psycopg2's cooperation with gevent, a quick boot."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from loadlab.settings_override.configuration import SettingsOverride
from loadlab.settings_override.cooperative import cooperate

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

_hooks = SettingsOverride.from_environment().gunicorn
# gunicorn has it since 25.1, as an argument too; older ones refuse the argument, and ignore this.
control_socket_disable = True


def _call(hook: str, *arguments: Any) -> None:  # noqa: ANN401  the arguments of gunicorn
    """Import it only now: Django's database modules must not be loaded before gevent has patched Python."""
    if hook in _hooks:
        module, _, function = _hooks[hook].partition(":")
        getattr(import_module(module), function)(*arguments)


def when_ready(arbiter: Arbiter) -> None:
    """Fork the first workers at once: gunicorn waits for up to 0.1 s after each. Later ones are its own affair."""

    def at_once() -> None:
        del arbiter.spawn_workers
        for _ in range(arbiter.num_workers - len(arbiter.WORKERS)):
            arbiter.spawn_worker()

    arbiter.spawn_workers = at_once  # type: ignore[method-assign]


def post_fork(arbiter: Arbiter, worker: Worker) -> None:  # noqa: ARG001  gunicorn's signature
    if hasattr(worker, "patch"):  # a worker of gevent's patches Python next
        from loadlab.settings_override import patching  # noqa: PLC0415  for gevent's workers alone

        worker.patch = patching.with_known_plugins(worker.patch)


def post_request(worker: Worker, request: Any, environ: Any, response: Any) -> None:  # noqa: ANN401
    _call("post_request", worker, request, environ, response)


def worker_exit(arbiter: Any, worker: Worker) -> None:  # noqa: ANN401
    _call("worker_exit", arbiter, worker)


# gunicorn's ASGI worker answers faster where there is no such hook.
for _hook in {"post_request", "worker_exit"} - _hooks.keys():
    del globals()[_hook]


def post_worker_init(worker: Worker) -> None:
    cooperate()
    _call("post_worker_init", worker)
