"""Finds out how a project is served, from the command line of its server."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation.configuration import configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

ASGI_SERVERS: Final = ("uvicorn", "daphne", "hypercorn", "granian")
# By the name of gunicorn's worker class, or the end of it.
WORKER_CLASSES: Final = {"gevent": "gevent", "gevent_wsgi": "gevent", "gevent_pywsgi": "gevent", "eventlet": "gevent"}
OWN_THREAD: Final = ("threaded", "gevent", "asgi")  # each request may come in a thread or greenlet of its own


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """`mode` in loadlab's words; `workers` processes with `threads` each; `preload`: it loads before the fork."""

    mode: str
    workers: int = 1
    threads: int = 1
    preload: bool = False

    @property
    def own_thread(self) -> bool:
        """Whether a request never comes back to the thread that a kept connection belongs to."""
        return self.mode in OWN_THREAD


def serving() -> Serving | None:
    """How this project is served: by this very process, or as LOADLAB["SERVER"] says; None where nothing tells."""
    return of_command(sys.argv) or of_command(shlex.split(configuration().server))


def is_server() -> bool:
    """Whether this process is a server's own; runserver is a management command, and runs the checks itself."""
    return "runserver" not in sys.argv and of_command(sys.argv) is not None


def of_command(words: Sequence[str]) -> Serving | None:
    """How a command line serves a Django project; None when it does not, or in a way that is not known here."""
    for position, word in enumerate(words):
        path = PurePath(word)
        program = path.parent.name if path.name == "__main__.py" else path.stem
        arguments = words[position + 1 :]
        if program == "gunicorn":
            return _gunicorn(arguments)
        if program in ASGI_SERVERS:
            return Serving(mode="asgi", workers=_parsed(arguments).workers or 1)
        if program == "runserver":
            return Serving(mode="sync" if "--nothreading" in arguments else "threaded")
    return None


def _gunicorn(arguments: Sequence[str]) -> Serving:
    said = _parsed([*shlex.split(os.environ.get("GUNICORN_CMD_ARGS", "")), *arguments])
    workers = said.workers or int(os.environ.get("WEB_CONCURRENCY", "1"))
    return Serving(
        mode=_mode(said.worker_class, said.threads), workers=workers, threads=said.threads, preload=said.preload
    )


def _mode(worker_class: str, threads: int) -> str:
    name = worker_class.rpartition(".")[2]
    if name == "asgi" or "uvicorn" in name.lower():
        return "asgi"
    if name == "sync" and threads > 1:  # gunicorn takes gthread then
        return "gthread"
    return WORKER_CLASSES.get(name, name)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("-k", "--worker-class", default="sync")
    parser.add_argument("-w", "--workers", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--preload", action="store_true")
    try:
        return parser.parse_known_args(arguments)[0]
    except argparse.ArgumentError:  # the server itself will say what is wrong with its arguments
        return parser.parse_args([])
