"""How a command ends: an exit code, an error in one line, and no traceback where a stream refuses what is written."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError, LabError
from loadlab.model.text import printable, redacted
from loadlab.system.full_disk import FULL, why_unwritten
from loadlab.system.signals import stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

DENIED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def ended(command: Callable[[], int]) -> int:
    """Run a command; its exit code, also where an expected error, a signal or a stream ends it.

    A reader that has gone is no error: `loadlab plan | head -1`.

    Raises:
        Exception: the command raised what is none of these.
    """
    open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a sign still gets the rest
    try:
        with stoppable():
            code = _flushed(command)
    except LabError as error:
        code = _told(error)
    except BrokenPipeError:
        code = 0
    except OSError as error:
        code = _told(_as_refusal(error))
    _let_go(sys.stdout)
    _let_go(sys.stderr)
    return code


def say(error: Exception) -> None:
    """Print an error on standard error: what is wrong, and what to do next in the last line."""
    with suppress(OSError):  # nothing else could tell it
        for line in (f"loadlab: {error}", *getattr(error, "__notes__", ())):
            sys.stderr.write(f"{printable(redacted(line))}\n")


@contextmanager
def reader_may_go() -> Iterator[None]:
    """Inside, what is printed is lost if its reader has gone, and the command goes on: a gate still ends it with 10."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)


def open_streams() -> None:
    """Make each closed standard stream the null device, so that no file or socket gets its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) < len(STREAMS):
        os.set_inheritable(number, True)  # noqa: FBT003  takes no keyword
    os.close(number)
    for name, mode in STREAMS:
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _flushed(command: Callable[[], int]) -> int:
    try:
        code = command()
    except SystemExit as error:  # how argparse and Django end a command
        code = int(error.code or 0)
    sys.stdout.flush()
    return code


def _told(error: LabError) -> int:
    _let_go(sys.stdout)  # what was said first is to be read first
    say(error)
    return error.exit_code


def _as_refusal(error: OSError) -> LabError:
    """The message where the system refuses a stream, a file or a folder; any other error is raised again."""
    refused = _let_go(sys.stdout)
    if refused is not None or error.errno in FULL:
        what = "Standard output" if refused else error.filename or "Standard output or a file"
        return EnvironmentFaultError(f"{what} cannot be written: {why_unwritten(error)}.")
    if error.errno in DENIED and error.filename:
        return EnvironmentFaultError(
            f"{error.filename} cannot be used: {error.strerror}. Let this user read and write it."
        )
    if error.errno == errno.ENOENT and error.filename is None:  # of tempfile, which has tried to write in each
        return EnvironmentFaultError(f"{error.strerror}. Make room there, or name another one in TMPDIR.")
    raise error


def _let_go(stream: TextIO) -> OSError | None:
    """Flush a stream; returns its error. What it does not take is lost, for Python would try again when it exits."""
    try:
        stream.flush()
    except OSError as error:
        _discard(stream)
        return error
    return None


def _discard(stream: TextIO) -> None:
    with suppress(OSError):  # a stream of no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
