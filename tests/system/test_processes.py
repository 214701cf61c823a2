"""Processes: no program outlives its lab, however the lab ended, and no stranger is ever touched."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from command_line import REPOSITORY
from patience import PATIENCE_SECONDS, await_that

from loadlab.errors import EnvironmentFaultError
from loadlab.system import processes
from loadlab.system.processes import Register, clear_leftovers, without_root
from loadlab.system.state_folder import STATE_VARIABLE, state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from command_line import CommandLine

pytestmark = pytest.mark.process

# A program with a child; both ignore SIGTERM.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
print(os.getpid(), flush=True)
time.sleep(600)
"""
LAB = f"""
import os, sys, time
from pathlib import Path
from loadlab.system.processes import Register
with Register.opened() as register:
    argv = [sys.executable, "-c", {STUBBORN!r}]
    program = register.start("stubborn", argv, log=Path(os.devnull), environment=os.environ)
    print(program.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADLAB_STATE_DIR", str(tmp_path / "state"))


def group(leader: int) -> list[int]:
    members = []
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members


def wait_for_group(leader: int, size: int) -> None:
    await_that(lambda: len(group(leader)) == size)


def killed_lab() -> int:
    """A lab that was killed with SIGKILL; the pid of the program it leaves behind."""
    with subprocess.Popen([sys.executable, "-c", LAB], stdout=subprocess.PIPE) as lab:
        assert lab.stdout is not None
        leader = int(lab.stdout.readline())
        wait_for_group(leader, 2)
        lab.kill()
    return leader


def test_stop_ends_the_whole_group_of_a_program_that_will_not(tmp_path: Path) -> None:
    with Register.opened() as register:
        argv = [sys.executable, "-c", STUBBORN]
        program = register.start("stubborn", argv, log=tmp_path / "log", environment=os.environ)
        wait_for_group(program.pid, 2)
        program.stop(signal.SIGTERM, 0.1)
        assert group(program.pid) == []


def test_the_next_lab_clears_what_a_killed_lab_left_running() -> None:
    leader = killed_lab()
    assert len(group(leader)) == 2
    with Register.opened():
        assert group(leader) == []
    assert list((state_directory() / "labs").iterdir()) == []


def test_the_folder_of_a_lab_that_ended_before_it_had_its_lock_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead, being_born = (tmp_path / f"{pid}-0a1b2c3d" for pid in (ended.pid, os.getpid()))
    for folder in (dead, being_born):
        folder.mkdir()
    assert clear_leftovers(tmp_path) == []
    assert list(tmp_path.iterdir()) == [being_born]


def test_the_leftover_of_a_leader_that_died_first_is_cleared_too() -> None:
    leader = killed_lab()
    os.kill(leader, signal.SIGKILL)
    wait_for_group(leader, 1)
    with Register.opened():
        assert group(leader) == []


def test_a_stranger_with_a_recycled_pid_is_not_touched(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as stranger:
        lab = tmp_path / "labs" / "1-dead"
        lab.mkdir(parents=True)
        (lab / "lock").touch()
        (lab / "processes").write_text(f"{stranger.pid} 12345.0\ngarbage\n-1\n")
        assert clear_leftovers(tmp_path / "labs") == []
        assert stranger.poll() is None
        stranger.kill()


def test_a_living_lab_is_left_alone() -> None:
    with Register.opened() as first, Register.opened():
        assert first.folder.exists()


def test_a_lab_that_is_being_born_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def another_lab_clears_first(file: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            clear_leftovers(state_directory() / "labs")
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", another_lab_clears_first)
    with Register.opened() as register:
        assert (register.folder / "lock").exists()


def test_programs_left_running_end_with_their_register(tmp_path: Path) -> None:
    with Register.opened() as register:
        program = register.start("sleep", ["/bin/sleep", "600"], log=tmp_path / "log", environment={})
    assert not program.running()


def test_a_signal_during_a_programs_start_waits_until_it_is_noted(
    tmp_path: Path, interrupted_births: list[int]
) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(KeyboardInterrupt), Register.opened() as register:
        register.start("sleeper", argv, log=tmp_path / "log", environment=os.environ)
    assert [group(pid) for pid in interrupted_births] == [[]]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_while_a_register_is_made_leaves_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = fcntl.flock

    def disturbed(file: int, how: int) -> None:
        locked(file, how)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(fcntl, "flock", disturbed)
    with pytest.raises(KeyboardInterrupt), Register.opened():
        pass
    assert list((state_directory() / "labs").iterdir()) == []


def test_a_program_hears_sigint_even_of_a_lab_that_runs_in_the_background(tmp_path: Path) -> None:
    ignored = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Register.opened() as register:
            argv = [sys.executable, "-c", ignored]
            program = register.start("listener", argv, log=tmp_path / "log", environment=os.environ)
            assert program.popen.wait(PATIENCE_SECONDS) == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with Register.opened() as register, pytest.raises(EnvironmentFaultError, match="nonesuch cannot be started"):
        register.start("nonesuch", ["/no/such/program"], log=tmp_path / "log", environment={})


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop to another user")
def test_services_run_as_an_ordinary_user_even_for_root(tmp_path: Path) -> None:
    with Register.opened() as register:
        argv = ["/bin/sleep", "60"]
        program = register.start("sleep", argv, log=tmp_path / "log", environment={}, privileged=False)
        assert psutil.Process(program.pid).uids().real != 0
        assert psutil.Process(program.pid).gids().real != 0
        program.stop(signal.SIGTERM, 1)


# Its first thread is gone, and so the kernel calls it a zombie; another one lives on, with all of its files and locks.
HEADLESS = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print("up", flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end a process with its first thread")
def test_a_process_is_not_over_while_any_of_its_threads_lives(tmp_path: Path) -> None:
    with Register.opened() as register:
        program = register.start("headless", [sys.executable, "-c", HEADLESS], log=tmp_path / "log", environment={})
        process = psutil.Process(program.pid)
        await_that(lambda: process.status() == psutil.STATUS_ZOMBIE)
        assert process.num_threads() == 2
        assert [member.pid for member in processes._group(program.pid)] == [program.pid]
        program.kill()
        assert processes._group(program.pid) == []


def test_the_tail_of_a_log_shows_no_password_and_acts_on_no_terminal(tmp_path: Path) -> None:
    with Register.opened() as register:
        said = "print('\\x1b[2Jno database at postgresql://app:CANARY@db/shop')"
        program = register.start("talker", [sys.executable, "-c", said], log=tmp_path / "log", environment=os.environ)
        program.popen.wait(PATIENCE_SECONDS)
        assert program.log_tail() == "�[2Jno database at postgresql://app:***@db/shop"


def state_of_somebody(**environment: str) -> subprocess.CompletedProcess[str]:
    """What an ordinary user's lab takes for its folder; as root we become one, once everything is imported."""
    code = (
        "import os, sys\n"
        "from loadlab.errors import EnvironmentFaultError\n"
        "from loadlab.system.processes import state_directory\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: print(state_directory())\n"
        "except EnvironmentFaultError as error: sys.exit(str(error))"
    )
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=variables, capture_output=True, text=True, check=False
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may write to; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="loadlab-tests-") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        yield folder


@pytest.mark.parametrize("home", ["/nonexistent", "/proc/self"])
def test_without_a_writable_home_a_private_temporary_folder_serves(home: str, open_folder: Path) -> None:
    done = state_of_somebody(HOME=home, TMPDIR=str(open_folder))
    (made,) = open_folder.iterdir()
    assert done.stdout.strip() == str(made)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_a_state_folder_that_cannot_be_made_is_refused_with_a_sentence() -> None:
    done = state_of_somebody(HOME="/nonexistent", **{STATE_VARIABLE: "/nonexistent/state"})
    assert done.returncode == 1
    assert "/nonexistent/state" in done.stderr
    assert f"Set {STATE_VARIABLE}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_without_a_state_folder_leaves_no_folder_behind(loadlab: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = loadlab("run", "--out", tmp_path / "run", **{STATE_VARIABLE: str(tmp_path / "file" / "state")})
    assert done.code == 3
    assert STATE_VARIABLE in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_program_that_refuses_root_finds_itself_an_ordinary_user() -> None:
    argv = without_root(
        [sys.executable, "-c", "import os; print(os.geteuid(), os.access(os.environ['OURS'], os.W_OK))"]
    )
    with tempfile.NamedTemporaryFile() as ours:
        done = subprocess.run(argv, env={"OURS": ours.name}, capture_output=True, text=True, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip("this system forbids namespaces of users")
    user, writable = done.stdout.split()
    assert (int(user) > 0, writable) == (True, "True")


@pytest.mark.skipif(os.getuid() != 0, reason="only root is refused")
def test_root_is_told_what_to_do_about_a_program_that_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(EnvironmentFaultError, match="as an ordinary user"):
        without_root(["apache2"])
