"""Starts programs, ends them, and clears away what an earlier lab could not."""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import selectors
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil

from loadlab.errors import EnvironmentFaultError
from loadlab.model.text import printable, redacted
from loadlab.system.search_path import own_environment
from loadlab.system.signals import undisturbed
from loadlab.system.state_folder import let_in, state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

UNPRIVILEGED: Final = "nobody"
TERM_WAIT_SECONDS: Final = 1.0
KILL_WAIT_SECONDS: Final = 30.0


def unprivileged() -> dict[str, Any]:
    """Popen's arguments to run as an ordinary user: nothing to change unless we are root."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam(UNPRIVILEGED)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


def without_root(argv: list[str]) -> list[str]:
    """The same command for a program that refuses to run as root: if we are, it finds itself to be an ordinary user.

    It does so in a namespace of users, where our files are its own.

    Raises:
        EnvironmentFaultError: we are root, and the system has no program for that.
    """
    if os.getuid() != 0:
        return argv
    program = shutil.which("unshare")
    if program is None:
        raise EnvironmentFaultError(
            "The server refuses to run as root, and unshare is not there to make it another user. Run loadlab as an"
            " ordinary user, or install util-linux."
        )
    user = pwd.getpwnam(UNPRIVILEGED)
    return [program, "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", *argv]


_withheld: set[str] = set()


def variable_of(reference: str | None) -> str | None:
    """The environment variable that a reference of the form env:NAME names; None for any other text."""
    kind, _, name = (reference or "").partition(":")
    return name if kind == "env" and name else None


def withhold(*references: str | None) -> None:
    """Keep the variables that hold secrets (each named as env:NAME) from the programs that do not need them."""
    _withheld.update(filter(None, map(variable_of, references)))


def inherited() -> dict[str, str]:
    """The environment for a program of the lab: ours, without what is withheld."""
    return {name: value for name, value in own_environment().items() if name not in _withheld}


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program of the lab in its own process group, and the file that its output goes to."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def running(self) -> bool:
        return self.popen.poll() is None

    def log_tail(self, lines: int = 15) -> str:
        """The end of the log, for messages: without passwords or control characters; empty when there is no log."""
        with suppress(OSError):
            return printable(redacted("\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])))
        return ""

    def hear(self, seconds: float) -> str:
        """The next line that it writes to its pipe; empty when it says nothing in time, or has ended."""
        if self.popen.stdout is None:
            raise TypeError(f"{self.name} was started without pipes")
        with selectors.DefaultSelector() as selector:
            selector.register(self.popen.stdout, selectors.EVENT_READ)
            return self.popen.stdout.readline().decode().strip() if selector.select(seconds) else ""

    def close_pipes(self) -> None:
        """Close our ends of its pipes; what it has not read is lost."""
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def stop(self, stop_signal: signal.Signals, grace_seconds: float) -> None:
        """Ask for an orderly end, wait for it, and end the whole group either way."""
        if self.running():
            with suppress(ProcessLookupError):
                self.popen.send_signal(stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """End the whole group at once."""
        _kill_group(self.popen)


class Register:
    """The folder and the list of processes of one lab; its lock tells others that the lab lives.

    Every program is noted by pid and start time. A lab that was killed leaves its register, and the next one to start
    finds there what to end, and cannot mistake a stranger with a recycled pid for it.

    The code that starts a program stops it. Closing the register ends what a signal left running.
    """

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock
        self._noted = (folder / "processes").open("a", buffering=1)
        self._started: list[Program] = []

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Register]:
        """A fresh register, after the leftovers of dead labs have been cleared; removed at the end."""
        labs = state_directory() / "labs"
        labs.mkdir(exist_ok=True)
        clear_leftovers(labs)
        register: Register | None = None
        try:
            with undisturbed():
                register = cls._made(labs)
            yield register
        finally:
            if register is not None:
                register.close()

    @classmethod
    def _made(cls, labs: Path) -> Register:
        folder = labs / f"{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir()
        for each in (labs, folder):
            let_in(each)
        unborn = folder / "lock.new"
        lock = os.open(unborn, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Held before it is there: a lab that starts at this moment must not take ours for dead.
        unborn.rename(folder / "lock")
        return cls(folder, lock)

    def close(self) -> None:
        for program in reversed(self._started):
            if program.running():
                program.stop(signal.SIGTERM, TERM_WAIT_SECONDS)
        self._noted.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def start(  # noqa: PLR0913  a program has that many sides
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        privileged: bool = True,
        pipes: bool = False,
        passed: Sequence[int] = (),
        folder: Path | None = None,
    ) -> Program:
        """Start a program in its own process group, working in `folder` if that is given.

        `privileged` False drops to an ordinary user when we are root. With `pipes` its standard input and output are
        ours to use. It inherits the descriptors `passed`, under the same numbers.

        Raises:
            EnvironmentFaultError: the program cannot be started.
        """
        where: dict[str, object] = {"cwd": folder} if privileged else unprivileged()
        with log.open("ab") as output, undisturbed():
            try:
                popen = subprocess.Popen(  # type: ignore[call-overload]
                    list(argv),
                    env=dict(environment),
                    stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if pipes else output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=passed,
                    **where,
                )
            except OSError as error:
                raise EnvironmentFaultError(f"{name} cannot be started: {error}") from error
            program = Program(name=name, popen=popen, log=log)
            self._started.append(program)
            self._note(popen.pid)
        return program

    def _note(self, pid: int) -> None:
        with suppress(psutil.Error):
            self._noted.write(f"{pid} {psutil.Process(pid).create_time()}\n")


def clear_leftovers(labs: Path) -> list[int]:
    """End what dead labs have left running and remove their folders; returns the pids that had to be ended."""
    ended: list[int] = []
    for folder in labs.iterdir():
        if _never_born(folder):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        lock = _dead_lab(folder)
        if lock is None:
            continue
        # The last started first: PostgreSQL ends in order once its clients are gone.
        ended += [pid for pid, started in reversed(list(_noted(folder))) if _end_leftover(pid, started)]
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
    return ended


def _never_born(folder: Path) -> bool:
    """Whether the folder's lab ended before it had its lock: its name begins with the pid."""
    pid = folder.name.partition("-")[0]
    return not (folder / "lock").exists() and pid.isdigit() and not psutil.pid_exists(int(pid))


def _dead_lab(folder: Path) -> int | None:
    """The lock of a folder whose lab is gone; None while it lives (or is just being born, without a lock)."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _noted(folder: Path) -> Iterator[tuple[int, float]]:
    with suppress(OSError):
        for line in (folder / "processes").read_text().splitlines():
            with suppress(ValueError):
                pid, started = line.split()
                yield int(pid), float(started)


def _end_leftover(leader: int, started: float) -> bool:
    """End the group of a noted program, if any member of it is still ours: none is older than its leader was."""
    members = [p for p in _group(leader) if p.create_time() >= started]
    recycled = any(p.pid == leader and p.create_time() != started for p in members)
    if not members or recycled:
        return False
    for process in members:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(members, TERM_WAIT_SECONDS)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, KILL_WAIT_SECONDS)
    return True


def _group(leader: int) -> list[psutil.Process]:
    def belongs(process: psutil.Process) -> bool:
        with suppress(OSError, psutil.Error):
            return os.getpgid(process.pid) == leader and not _over(process)
        return False

    return [process for process in psutil.process_iter() if belongs(process)]


def _over(process: psutil.Process) -> bool:
    """Whether nothing of a process runs; its files and locks stay its own until the last of its threads has gone."""
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1


def _kill_group(popen: subprocess.Popen[bytes]) -> None:
    """SIGKILL all that is left of a program's group, and wait until nothing of it runs."""
    with suppress(ProcessLookupError, PermissionError):  # macOS says PermissionError of a group of zombies
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait(KILL_WAIT_SECONDS)
    deadline = time.monotonic() + KILL_WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            os.killpg(popen.pid, 0)
        except (ProcessLookupError, PermissionError):
            return
        if not _group(popen.pid):  # zombies whose new parent has not looked yet
            return
        time.sleep(0.005)
