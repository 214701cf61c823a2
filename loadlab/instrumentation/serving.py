"""Finds out how a project is served: from the server's options in force, or else from its command line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation.configuration import configuration
from loadlab.instrumentation.running_gunicorn import arbiter

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
    "tornado": "tornado",
    "TornadoWorker": "tornado",
}
# Each request may come in its own thread, greenlet or, in tornado's event loop, context.
OWN_THREAD: Final = ("threaded", "gevent", "asgi", "tornado")
BOUNDED: Final = ("sync", "gthread")  # a worker has so many threads, and a thread at most one connection to each alias
WSGI: Final = "wsgi"  # in threads that the server starts as it needs them, how many is not known here
UNKNOWN: Final = ""
GUNICORN: Final = "gunicorn"
UWSGI: Final = "uwsgi"
UWSGI_EARLY_PATCH: Final = "gevent-early-monkey-patch"
UWSGI_LATE_PATCH: Final = "gevent-monkey-patch"
UWSGI_SHORT: Final = {"p": "processes", "M": "master"}
UWSGI_FILES: Final = frozenset({"ini", "yaml", "yml", "xml", "json"})
UWSGI_LOOPS: Final = frozenset({"gevent", "asyncio", "async", "tornado", "ugreen"})
LONG: Final = 10  # digits of a number that is meant
# Their own defaults: waitress 3.0.2 (adjustments.py), cheroot 11.1.2 (cli.py), mod_wsgi-express 6.1.1, granian 2.8.9.
WAITRESS_THREADS: Final = 4
CHEROOT_THREADS: Final = 10
MOD_WSGI_THREADS: Final = 5
GRANIAN_IDLE: Final = "30"
SHARED_WORKERS: Final = "WEB_CONCURRENCY"  # the variable that gunicorn and uvicorn ask
_in_force: Final[list[Serving]] = []  # of this process, once that is found


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """`mode` in loadlab's words, or UNKNOWN; `workers` with `threads` each; `preload`: it loads before the fork.

    A thread without a request for `idle_seconds` ends; empty where none does. With `late_patch`, gevent patches Python
    after the project is loaded. `masterless` workers outlive the first of them. `program` is the server's name.
    """

    mode: str
    workers: int = 1
    threads: int = 1
    preload: bool = False
    idle_seconds: str = ""
    late_patch: bool = False
    masterless: bool = False
    program: str = field(default="", compare=False)

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
    return _of_this_process() or of_command(_words(configuration().server))


def is_server() -> bool:
    """Whether this process is a server's own; runserver is a management command, and runs the checks itself."""
    return sys.argv[1:2] != ["runserver"] and _of_this_process() is not None


def _of_this_process() -> Serving | None:
    return _of_gunicorn() or of_process(sys.argv) or _of_uwsgi() or _of_mod_wsgi()


def of_process(argv: Sequence[str]) -> Serving | None:
    """How the process with these arguments serves; those of other programs may well name a server."""
    if argv[1:2] == ["runserver"]:
        return of_command(argv[1:])
    return of_command(argv) if argv and _is_known(argv[0]) else None


def _of_gunicorn() -> Serving | None:
    """By its options in force, wherever they were written: looked for until found, for a request cannot see them."""
    if not _in_force and (found := arbiter()) is not None:
        _in_force.append(_with_gunicorn_options(found.cfg, found.worker_class))
    return _in_force[0] if _in_force else None


def _with_gunicorn_options(options: Any, worker_class: type) -> Serving:  # noqa: ANN401  gunicorn's own
    """A class of the project's own serves as the one that it is derived from."""
    modes = (_mode(kind.__name__, 1) for kind in worker_class.__mro__)
    mode = next(filter(None, modes), UNKNOWN)
    return Serving(
        mode=mode,
        workers=max(1, options.workers),
        threads=max(1, options.threads),
        preload=options.preload_app,
        late_patch=mode == "gevent" and not _patched(),
        program=GUNICORN,
    )


def _patched() -> bool:
    """Whether gevent has patched Python by now, as a configuration file may have it do."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _of_uwsgi() -> Serving | None:
    """By the options of uWSGI, its files' too: it hides its command line from Python, and says itself what they are."""
    options = getattr(sys.modules.get("uwsgi"), "opt", None)
    return _with_uwsgi_options(options) if isinstance(options, dict) else None


def _uwsgi(arguments: Sequence[str]) -> Serving:
    """What the options of a command line say; those in a file are not read."""
    options: dict[str, object] = {}
    for word, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, _, value = word.lstrip("-").partition("=")
        if word.startswith("-"):
            options[UWSGI_SHORT.get(name, name)] = value or ("" if following.startswith("-") else following)
    if UWSGI_FILES & {*options, *(PurePath(word).suffix.removeprefix(".") for word in arguments)}:
        return Serving(mode=UNKNOWN)
    return _with_uwsgi_options(options)


def _with_uwsgi_options(options: Mapping[str, object]) -> Serving:
    threads, workers = _number(options.get("threads")), _number(options.get("processes", options.get("workers")))
    mode, late = "gthread" if threads > 1 else "sync", False
    if not UWSGI_LOOPS.isdisjoint(options):
        # Without a patch, greenlets take turns on the one connection of their thread.
        mode = "gevent" if {UWSGI_EARLY_PATCH, UWSGI_LATE_PATCH} & options.keys() else UNKNOWN
        late = mode == "gevent" and UWSGI_EARLY_PATCH not in options
    return Serving(
        mode=mode,
        workers=workers,
        threads=threads,
        preload=not {"lazy", "lazy-apps"} & options.keys(),
        late_patch=late,
        masterless=workers > 1 and "master" not in options,
        program=UWSGI,
    )


def _of_mod_wsgi() -> Serving | None:
    """By the module that it puts into its interpreters: Apache's command line is not Python's."""
    module = sys.modules.get("mod_wsgi")
    workers, threads = (getattr(module, name, None) for name in ("maximum_processes", "threads_per_process"))
    if not isinstance(workers, int) or not isinstance(threads, int):
        return None  # the package of the same name, which only configures Apache
    return replace(_threaded(threads, workers), program="mod_wsgi")


def _threaded(threads: int, workers: int = 1) -> Serving:
    """With a fixed number of threads in each worker."""
    mode = "gthread" if threads > 1 else "sync"
    return Serving(mode=mode, workers=max(1, workers), threads=max(1, threads))


def _number(option: object) -> int:
    text = option.decode() if isinstance(option, bytes) else option
    return max(1, int(text)) if isinstance(text, str) and text.isdecimal() and len(text) < LONG else 1


def of_command(words: Sequence[str]) -> Serving | None:
    """How a command line serves a Django project; None when it does not, or in a way that is not known here."""
    for position, word in enumerate(words):
        arguments = words[position + 1 :]
        if (read := COMMANDS.get(name := program_of(word))) is not None:
            return replace(read(arguments), program=name)
    return None


def program_of(word: str) -> str:
    """The name of a program by its path, as `python -m` has it too."""
    path = PurePath(word)
    return path.parent.name if path.name == "__main__.py" else path.stem


def _is_known(word: str) -> bool:
    return program_of(word) in COMMANDS.keys() - {RUNSERVER, UWSGI}


def _runserver(arguments: Sequence[str]) -> Serving:
    return Serving(mode="sync" if "--nothreading" in arguments else "threaded")


def _daphne(_: Sequence[str]) -> Serving:
    return Serving(mode="asgi")


def _uvicorn(arguments: Sequence[str]) -> Serving:
    said = _parsed(arguments)
    return Serving(
        mode=WSGI if _interface("UVICORN", said) == WSGI else "asgi",
        workers=_workers(said, "UVICORN_WORKERS", SHARED_WORKERS),
    )


def _granian(arguments: Sequence[str]) -> Serving:
    """With its own interface, its default, it cannot serve Django."""
    said = _parsed(arguments)
    modes = {"asgi": "asgi", "asginl": "asgi", WSGI: WSGI}
    mode = modes.get(_interface("GRANIAN", said), UNKNOWN)
    idle = said.blocking_threads_idle_timeout or os.environ.get("GRANIAN_BLOCKING_THREADS_IDLE_TIMEOUT", GRANIAN_IDLE)
    return Serving(mode=mode, workers=_workers(said, "GRANIAN_WORKERS"), idle_seconds=idle if mode == WSGI else "")


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
    threads = max(1, said.threads or 1)
    mode = _mode(said.worker_class, threads)
    late = mode == "gevent" and said.preload
    return Serving(
        mode=mode, workers=_workers(said, SHARED_WORKERS), threads=threads, preload=said.preload, late_patch=late
    )


def _waitress(arguments: Sequence[str]) -> Serving:
    return _threaded(_parsed(arguments).threads or WAITRESS_THREADS)


def _cheroot(arguments: Sequence[str]) -> Serving:
    return _threaded(_parsed(arguments).threads or CHEROOT_THREADS)


def _mod_wsgi(arguments: Sequence[str]) -> Serving:
    said = _parsed(arguments)
    return _threaded(said.threads or MOD_WSGI_THREADS, said.processes or 1)


def _words(command: str) -> list[str]:
    if not command:
        return []
    import shlex  # noqa: PLC0415  most processes need none

    try:
        return shlex.split(command)
    except ValueError:  # the server itself will say what is wrong, here and below
        return []


def _workers(said: argparse.Namespace, *variables: str) -> int:
    """As many as the arguments say or, where they say nothing, the first of these variables that is set."""
    said_by_variables = (os.environ.get(name, "") for name in variables)
    try:
        return max(1, int(said.workers or next(filter(None, said_by_variables), "1")))
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
    parser.add_argument("--threads", type=int)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--blocking-threads-idle-timeout")
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
    "waitress": _waitress,
    "waitress-serve": _waitress,
    "cheroot": _cheroot,
    "mod_wsgi-express": _mod_wsgi,
    UWSGI: _uwsgi,
    RUNSERVER: _runserver,
}
