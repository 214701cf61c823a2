"""The uWSGI of this Python: `python -m loadlab.settings_override.with_uwsgi --http-socket 127.0.0.1:8000 ...`.

uWSGI embeds a Python of its own. Here it is told to be this one, with its packages.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

PROGRAM: Final = Path(sys.executable).with_name("uwsgi")


def main() -> None:
    if not PROGRAM.exists():
        sys.exit(f"{PROGRAM} is not there. Install it: {sys.executable} -m pip install pyuwsgi")
    environment = ["--virtualenv", sys.prefix] if sys.prefix != sys.base_prefix else []
    # This process becomes it, so that signals reach it. A reload starts it once more: by itself with the interpreter
    # behind a virtual environment, where it is not installed.
    itself = ["--binary-path", sys.executable]
    os.execv(PROGRAM, [str(PROGRAM), *environment, *itself, *sys.argv[1:]])  # noqa: S606  no shell is wanted


def count_workers_at_once() -> None:
    """Have each worker that is forked from now on begin its files: it runs none of Python's hooks after a fork.

    By itself a worker begins them when it first counts something. The lab wants to know all workers before.
    """
    uwsgi: Any = sys.modules["uwsgi"]
    earlier = getattr(uwsgi, "post_fork_hook", None)  # uwsgidecorators' own, in a project that uses it

    def after_fork() -> None:
        from loadlab.instrumentation import current  # noqa: PLC0415  Django's apps are ready by now

        if earlier is not None:
            earlier()
        current.ledger()

    uwsgi.post_fork_hook = after_fork


if __name__ == "__main__":
    main()
