"""A Redis for the tasks of a worker: a fresh one on loopback, empty, and gone with its context."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.system.ports import LOOPBACK, free_port, is_lost
from loadlab.system.programs import REDIS
from loadlab.system.state_folder import let_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.system.processes import Program, Register

START_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.01
ATTEMPTS: Final = 3  # another program may take the port between our look and Redis' bind
IN_MEMORY: Final = ("--save", "", "--appendonly", "no")


def _require_redis() -> Path:
    """The program.

    Raises:
        EnvironmentFaultError: it is not installed.
    """
    found = REDIS.find()
    if found is None:
        raise EnvironmentFaultError(f"{REDIS.title} is not installed. Install it: {REDIS.install}.")
    return found


@contextmanager
def redis(register: Register, log: Path) -> Iterator[str]:
    """The URL of a Redis that keeps nothing on disk.

    Raises:
        EnvironmentFaultError: it is not installed, or does not start; with the tail of its log.
    """
    program = _require_redis()
    folder = Path(tempfile.mkdtemp(prefix="redis-", dir=register.folder))
    let_in(folder)
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        argv = [str(program), "--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), *IN_MEMORY]
        environment = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "")}
        running = register.start("Redis", argv, log=log, environment=environment, privileged=False)
        try:
            if _comes_up(running, port):
                yield f"redis://{LOOPBACK}:{port}/0"
                return
        finally:
            running.kill()
        if attempt == ATTEMPTS or not is_lost(port, running.log_tail()):
            raise EnvironmentFaultError(f"Redis did not start. Its log, {log}, ends:\n{running.log_tail()}")


def _comes_up(program: Program, port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while program.running() and time.monotonic() < deadline:
        with suppress(OSError), closing(socket.create_connection((LOOPBACK, port), 1.0)) as line:
            line.sendall(b"PING\r\n")
            if line.recv(16).startswith(b"+PONG"):
                return program.running()
        time.sleep(POLL_SECONDS)
    return False
