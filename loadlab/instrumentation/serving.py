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

GUNICORN: Final = "gunicorn"
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
    return of_process(sys.argv) or of_command(shlex.split(configuration().server))


def is_server() -> bool:
    """Whether this process is a server's own; runserver is a management command, and runs the checks itself."""
    return sys.argv[1:2] != ["runserver"] and of_process(sys.argv) is not None


def of_process(argv: Sequence[str]) -> Serving | None:
    """How the process with these arguments serves; those of other programs may well name a server."""
    if argv[1:2] == ["runserver"]:
        return of_command(argv[1:])
    return of_command(argv) if argv and _is_known(argv[0]) else None


def of_command(words: Sequence[str]) -> Serving | None:
    """How a command line serves a Django project; None when it does not, or in a way that is not known here."""
    for position, word in enumerate(words):
        arguments = words[position + 1 :]
        program = _program(word)
        if program == GUNICORN:
            return _gunicorn(arguments)
        if program in ASGI_SERVERS:
            return Serving(mode="asgi", workers=_workers(_parsed(arguments)))
        if program == "runserver":
            return Serving(mode="sync" if "--nothreading" in arguments else "threaded")
    return None


def _program(word: str) -> str:
    """The name of a program by its path, as `python -m` has it too."""
    path = PurePath(word)
    return path.parent.name if path.name == "__main__.py" else path.stem


def _is_known(word: str) -> bool:
    return _program(word) in (GUNICORN, *ASGI_SERVERS)


def _gunicorn(arguments: Sequence[str]) -> Serving:
    said = _parsed([*_words_of("GUNICORN_CMD_ARGS"), *arguments])
    mode = _mode(said.worker_class, said.threads)
    return Serving(mode=mode, workers=_workers(said), threads=said.threads, preload=said.preload)


def _words_of(variable: str) -> list[str]:
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError:  # the server itself will say what is wrong, here and below
        return []


def _workers(said: argparse.Namespace) -> int:
    """As many as are asked for; gunicorn and uvicorn ask WEB_CONCURRENCY where their arguments say nothing."""
    if said.workers:
        return int(said.workers)
    try:
        return int(os.environ.get("WEB_CONCURRENCY", "1"))
    except ValueError:
        return 1


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
    except argparse.ArgumentError:  # as above
        return parser.parse_args([])
