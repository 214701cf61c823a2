"""A Prometheus beside a run: its options, and the listener that lets the run wait for it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from loadlab.errors import UsageError
from loadlab.store.layout import PROMETHEUS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from loadlab.lab.opening import Listener
    from loadlab.services.prometheus import Prometheus
    from loadlab.services.remote_write import RemoteWrite


def add_scraping_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prometheus",
        action="store_true",
        help="start a Prometheus that scrapes the trials; the run folder keeps its data",
    )
    parser.add_argument(
        "--remote-write",
        metavar="URL",
        help="let that Prometheus forward its samples; if the URL holds a password, give env:NAME",
    )


@contextmanager
def scraping(arguments: argparse.Namespace, run: Path, page: str | None) -> Iterator[Callable[[Listener], Listener]]:
    """Yields what makes a listener keep in step with the Prometheus that was asked for; `page` is the live page's URL.

    Raises:
        UsageError: --remote-write is not a valid address.
        EnvironmentFaultError: there is no Prometheus, or it does not start.
    """
    if not (arguments.prometheus or arguments.remote_write):
        yield lambda listener: listener
        return
    from loadlab.lab.scraping import InStep
    from loadlab.live.hosting import hosted
    from loadlab.services.prometheus import Task, prometheus, require_prometheus
    from loadlab.system.processes import Register

    remote = _remote_write(arguments)
    require_prometheus()
    run = run.absolute()
    with ExitStack() as stack:
        page = page or stack.enter_context(hosted(run.parent, awaited=run.name))
        register = stack.enter_context(Register.opened())
        task = Task(discovery=f"{page}/discovery", remote_write=remote)
        log = register.folder / "prometheus.log"
        running = stack.enter_context(prometheus(task, register, log, kept=run / PROMETHEUS))
        print(f"Prometheus: {running.url}", file=sys.stderr, flush=True)
        yield lambda listener: InStep(listener, running, run.name)


def _remote_write(arguments: argparse.Namespace) -> RemoteWrite | None:
    from loadlab.services.remote_write import remote_write

    given = arguments.remote_write
    return remote_write(given, os.environ, allow_remote=arguments.allow_remote) if given else None


@contextmanager
def reopened(run: Path) -> Iterator[Prometheus]:
    """A Prometheus over what was kept of an earlier run, which stays as it is.

    Raises:
        UsageError: nothing was kept.
        EnvironmentFaultError: there is no Prometheus, or it does not start.
    """
    from loadlab.services.prometheus import Task, prometheus
    from loadlab.system.processes import Register

    kept = run / PROMETHEUS
    if not kept.is_dir():
        raise UsageError(f"{run} holds no Prometheus data: the run had no --prometheus. Name another run.")
    with (
        Register.opened() as register,
        prometheus(Task(), register, register.folder / "prometheus.log", kept=kept) as running,
    ):
        yield running


@contextmanager
def shown_again(run: Path | None) -> Iterator[None]:
    """The same for a command that names a run; says where it is."""
    if run is None:
        yield
        return
    with reopened(run) as running:
        print(f"Prometheus: {running.url}", file=sys.stderr, flush=True)
        yield
