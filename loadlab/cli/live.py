"""Show finished and running runs in a browser.

The page only reads. It follows every run in the folder, also runs that start later. Ctrl-C ends it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from loadlab.cli._port import port, port_after_plan
from loadlab.cli._scraping import shown_again
from loadlab.errors import EnvironmentFaultError, LabError, StoppedError, UsageError
from loadlab.store.layout import has_trials
from loadlab.system.ending import say
from loadlab.system.ports import LIVE_PORT, LOOPBACK, is_loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

ANY_PORT: Final = -1
LOOK_SECONDS: Final = 0.2


EXAMPLES: Final = (
    ("loadlab live", "show the runs in ./runs"),
    ("loadlab live --host 0.0.0.0 --token env:LIVE_TOKEN", "let other hosts read them with a token"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        nargs="?",
        type=Path,
        default=Path("runs"),
        metavar="RUNS_FOLDER",
        help="the folder that holds run folders (default: runs)",
    )
    parser.add_argument(
        "--port", type=port, metavar="PORT", help=f"the port (default: {LIVE_PORT}, or a free one if that is taken)"
    )
    parser.add_argument(
        "--host", default=LOOPBACK, help=f"the address to listen on (default: {LOOPBACK}); any other needs --token"
    )
    parser.add_argument(
        "--token", metavar="env:NAME", help="the environment variable with the token that visitors must send"
    )
    parser.add_argument(
        "--prometheus", type=Path, metavar="RUN", help="also open the data that this run's Prometheus kept"
    )


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.live.hosting import started
    from loadlab.system.processes import Register

    _require_safe(arguments)
    if not arguments.runs.is_dir():
        raise UsageError(
            f"{arguments.runs} is not a folder. Name a folder with runs, or start a run: loadlab run --live."
        )
    with (
        shown_again(arguments.prometheus),
        Register.opened() as register,
        started(
            register, arguments.runs, port=arguments.port, awaited="", host=arguments.host, token=arguments.token
        ) as page,
    ):
        print(f"{page.url}  (Ctrl-C ends it)", flush=True)
        while page.program.running():
            time.sleep(LOOK_SECONDS)
        raise EnvironmentFaultError(f"The live page ended unexpectedly. Its log ends:\n{page.program.log_tail()}")


def add_live_argument(parser: argparse.ArgumentParser) -> None:
    """The same page beside a run, for as long as it takes."""
    parser.add_argument(
        "--live",
        nargs="?",
        type=port_after_plan,
        const=ANY_PORT,
        metavar="PORT",
        help=f"show the run in a browser, on this port (default: {LIVE_PORT}, or a free one if that is taken)",
    )


@contextmanager
def page_beside(at: int | None, run: Path) -> Iterator[str | None]:
    """The live page over the folder that `run` is in, or will be; yields its address, None if it is not wanted.

    Raises:
        EnvironmentFaultError: the port is taken, or the page does not start.
    """
    if at is None:
        yield None
        return
    from loadlab.live.hosting import hosted

    run = run.absolute()
    with hosted(run.parent, port=None if at == ANY_PORT else at, awaited=run.name) as page:
        print(f"Live: {page}/runs/{quote(run.name)}", file=sys.stderr, flush=True)
        yield page


def stays_on(page: str | None, run: Path, measure: Callable[[], int]) -> int:
    """The exit code of `measure`. On a terminal the page stays after it, until Ctrl-C.

    Raises:
        LabError: what `measure` raises, if there is nothing to look at, or no terminal.
    """
    if page is None or not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return measure()
    try:
        code = measure()
    except StoppedError:
        raise
    except LabError as error:
        if not has_trials(run):
            raise
        say(error)
        code = error.exit_code
    print(f"Live: {page}/runs/{quote(run.absolute().name)}  (Ctrl-C ends the page)", file=sys.stderr, flush=True)
    with suppress(StoppedError):
        signal.pause()
    return code


def _require_safe(arguments: argparse.Namespace) -> None:
    """Reading needs a token, except for this user; the process list must not show the token."""
    if arguments.token is None:
        if not is_loopback(arguments.host):
            raise UsageError(f"On {arguments.host} other hosts could read the runs. Add --token env:NAME.")
        return
    kind, _, name = arguments.token.partition(":")
    if kind != "env" or not name:
        raise UsageError("A token on the command line would show in the process list. Use --token env:NAME.")
    if not os.environ.get(name):
        raise UsageError(f"The environment variable {name} is not set. Set it to the token.")
