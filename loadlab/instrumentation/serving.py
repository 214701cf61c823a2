"""Finds out how a project is served, from the command line of its server."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation.configuration import configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# By the name of gunicorn's worker class, or the end of it; of others nothing is known.
WORKER_CLASSES: Final = {
    "sync": "sync",
    "SyncWorker": "sync",
    "gthread": "gthread",
    "ThreadWorker": "gthread",
    "gevent": "gevent",
    "gevent_wsgi": "gevent",
    "gevent_pywsgi": "gevent",
    "GeventWorker": "gevent",
    "GeventPyWSGIWorker": "gevent",
    "eventlet": "gevent",
    "EventletWorker": "gevent",
    "asgi": "asgi",
    "ASGIWorker": "asgi",
}
OWN_THREAD: Final = ("threaded", "gevent", "asgi")  # each request may come in its own thread or greenlet
BOUNDED: Final = ("sync", "gthread")  # a worker has so many threads, and a thread at most one connection to each alias
WSGI: Final = "wsgi"  # in threads that an ASGI server keeps, how many is not known here
UNKNOWN: Final = ""
UWSGI_LOOPS: Final = frozenset({"gevent", "asyncio", "async", "tornado", "ugreen"})
LONG: Final = 10  # digits of a number that is meant


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """`mode` in loadlab's words, or UNKNOWN; `workers` with `threads` each; `preload`: it loads before the fork."""

    mode: str
    workers: int = 1
    threads: int = 1
    preload: bool = False

    @property
    def own_thread(self) -> bool:
        """Whether a request never comes back to the thread that a kept connection belongs to."""
        return self.mode in OWN_THREAD

    @property
    def most_threads(self) -> int | None:
        """The most threads of a worker that may hold a connection; None where there is no bound, or none is known."""
        return self.threads if self.mode in BOUNDED else None


def serving() -> Serving | None:
    """How this project is served: by this very process, or as LOADLAB["SERVER"] says; None where nothing tells."""
    return of_process(sys.argv) or _of_uwsgi() or of_command(_words(configuration().server))


def is_server() -> bool:
    """Whether this process is a server's own; runserver is a management command, and runs the checks itself."""
    return sys.argv[1:2] != ["runserver"] and (of_process(sys.argv) or _of_uwsgi()) is not None


def of_process(argv: Sequence[str]) -> Serving | None:
    """How the process with these arguments serves; those of other programs may well name a server."""
    if argv[1:2] == ["runserver"]:
        return of_command(argv[1:])
    return of_command(argv) if argv and _is_known(argv[0]) else None


def _of_uwsgi() -> Serving | None:
    """By the options of uWSGI, its files' too: it hides its command line from Python, and says itself what they are."""
    options = getattr(sys.modules.get("uwsgi"), "opt", None)
    if not isinstance(options, dict):
        return None
    threads = _number(options.get("threads"))
    mode = "gthread" if threads > 1 else "sync"
    if not UWSGI_LOOPS.isdisjoint(options):
        mode = "gevent" if "gevent-early-monkey-patch" in options else UNKNOWN
    return Serving(
        mode=mode,
        workers=_number(options.get("processes", options.get("workers"))),
        threads=threads,
        preload=not {"lazy", "lazy-apps"} & options.keys(),
    )


def _number(option: object) -> int:
    text = option.decode() if isinstance(option, bytes) else option
    return max(1, int(text)) if isinstance(text, str) and text.isdecimal() and len(text) < LONG else 1


def of_command(words: Sequence[str]) -> Serving | None:
    """How a command line serves a Django project; None when it does not, or in a way that is not known here."""
    for position, word in enumerate(words):
        arguments = words[position + 1 :]
        if (read := COMMANDS.get(program_of(word))) is not None:
            return read(arguments)
    return None


def program_of(word: str) -> str:
    """The name of a program by its path, as `python -m` has it too."""
    path = PurePath(word)
    return path.parent.name if path.name == "__main__.py" else path.stem


def _is_known(word: str) -> bool:
    return program_of(word) in COMMANDS.keys() - {RUNSERVER}


def _runserver(arguments: Sequence[str]) -> Serving:
    return Serving(mode="sync" if "--nothreading" in arguments else "threaded")


def _daphne(_: Sequence[str]) -> Serving:
    return Serving(mode="asgi")


def _uvicorn(arguments: Sequence[str]) -> Serving:
    said = _parsed(arguments)
    return Serving(mode=WSGI if _interface("UVICORN", said) == WSGI else "asgi", workers=_workers(said))


def _granian(arguments: Sequence[str]) -> Serving:
    """With its own interface, its default, it cannot serve Django."""
    said = _parsed(arguments)
    modes = {"asgi": "asgi", "asginl": "asgi", WSGI: WSGI}
    return Serving(mode=modes.get(_interface("GRANIAN", said), UNKNOWN), workers=_workers(said))


def _interface(program: str, said: argparse.Namespace) -> str:
    """Servers for ASGI serve WSGI too, as they are told."""
    return said.interface or os.environ.get(f"{program}_INTERFACE", "")


def _hypercorn(arguments: Sequence[str]) -> Serving:
    return Serving(mode=_kind_of_application(arguments), workers=_workers(_parsed(arguments)))


def _kind_of_application(arguments: Sequence[str]) -> str:
    """What the application's name says of it: hypercorn serves what it finds."""
    named = [word for word in arguments if ":" in word or word.endswith((".asgi", ".wsgi"))]
    prefixed = next((kind for word in named for kind in ("asgi", WSGI) if word.startswith(f"{kind}:")), None)
    if prefixed:
        return prefixed
    modules = [word.partition(":")[0].split(".") for word in named]
    kinds = {kind for module in modules for kind in ("asgi", WSGI) if kind in module}
    return kinds.pop() if len(kinds) == 1 else UNKNOWN


def _gunicorn(arguments: Sequence[str]) -> Serving:
    said = _parsed([*_words(os.environ.get("GUNICORN_CMD_ARGS", "")), *arguments])
    mode = _mode(said.worker_class, said.threads)
    return Serving(mode=mode, workers=_workers(said), threads=max(1, said.threads), preload=said.preload)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # the server itself will say what is wrong, here and below
        return []


def _workers(said: argparse.Namespace) -> int:
    """As many as are asked for; gunicorn and uvicorn ask WEB_CONCURRENCY where their arguments say nothing."""
    if said.workers:
        return max(1, int(said.workers))
    try:
        return max(1, int(os.environ.get("WEB_CONCURRENCY", "1")))
    except ValueError:
        return 1


def _mode(worker_class: str, threads: int) -> str:
    name = re.split(r"[.#:]", worker_class)[-1]
    if "uvicorn" in name.lower():
        return "asgi"
    if name == "sync" and threads > 1:  # gunicorn takes gthread then
        return "gthread"
    return WORKER_CLASSES.get(name, UNKNOWN)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("-k", "--worker-class", default="sync")
    parser.add_argument("-w", "--workers", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--preload", action="store_true")
    parser.add_argument("--interface")
    try:
        return parser.parse_known_args(arguments)[0]
    except (argparse.ArgumentError, ValueError):  # as above
        return parser.parse_args([])


RUNSERVER: Final = "runserver"  # a management command, and so no program
# How each server's arguments are read. A server that is not here is one of which nothing is known.
COMMANDS: Final[Mapping[str, Callable[[Sequence[str]], Serving]]] = {
    "gunicorn": _gunicorn,
    "uvicorn": _uvicorn,
    "daphne": _daphne,
    "hypercorn": _hypercorn,
    "granian": _granian,
    RUNSERVER: _runserver,
}
