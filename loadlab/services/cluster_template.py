"""Makes PostgreSQL's data folders from a copy of one: `initdb` takes longer than all else before a first trial.

The template is in the state folder, readable by this user alone, under a name made from what it was made with. The
password of its superuser is thrown away. Each copy gets a new password before it serves.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.services.secret_files import write_secret
from loadlab.system.processes import inherited, unprivileged
from loadlab.system.short_programs import run_program
from loadlab.system.state_folder import state_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from subprocess import CompletedProcess

SUPERUSER: Final = "postgres"
SHOWN: Final = 12  # digits of a digest


def make_cluster(binaries: Path, data: Path, method: str, password: str) -> None:
    """A cluster in the folder `data`, which is not there yet, with a superuser of that password.

    Raises:
        EnvironmentFaultError: PostgreSQL's initdb fails, with its words.
    """
    template = _template(binaries, data, method)
    if _copied(template, data) and _password_set(binaries, data, password):
        return
    for damaged in (template, data):
        shutil.rmtree(damaged, ignore_errors=True)
    _initialise(binaries, data, method, password)


def copy_running(binaries: Path, data: Path, dsn: str) -> None:
    """The folder of a standby, copied from the server that `dsn` leads to: it follows that server once it starts.

    Raises:
        EnvironmentFaultError: PostgreSQL's pg_basebackup fails, with its words.
    """
    argv = [str(binaries / "pg_basebackup"), "-D", str(data), "-d", dsn]
    done = _run([*argv, "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"])
    if done.returncode:
        raise EnvironmentFaultError(f"PostgreSQL's pg_basebackup failed:\n{done.stderr.strip()}")


def _template(binaries: Path, data: Path, method: str) -> Path:
    """The folder to copy; made beside `data` first, so that no other lab finds a part of one."""
    found = (binaries / "postgres").stat()
    made_with = f"{binaries.resolve()} {found.st_size} {found.st_mtime_ns} {_options(method)}"
    template = state_directory() / f"cluster-{hashlib.sha256(made_with.encode()).hexdigest()[:SHOWN]}"
    if not template.exists():
        draft = data.with_name("template")
        _initialise(binaries, draft, method, secrets.token_urlsafe(24))
        try:
            draft.rename(template)
        except OSError:  # another lab was faster
            shutil.rmtree(draft, ignore_errors=True)
    return template


def _options(method: str) -> list[str]:
    return ["--no-sync", "--encoding=UTF8", "--locale=C", f"--username={SUPERUSER}", f"--auth={method}"]


def _initialise(binaries: Path, data: Path, method: str, password: str) -> None:
    password_file = data.with_name("superuser")
    write_secret(password_file, password, for_program=True)
    argv = [str(binaries / "initdb"), "--pgdata", str(data), *_options(method), f"--pwfile={password_file}"]
    done = _run(argv)
    password_file.unlink()
    if done.returncode:
        raise EnvironmentFaultError(f"PostgreSQL's initdb failed:\n{done.stderr.strip()}")


def _copied(template: Path, data: Path) -> bool:
    with suppress(OSError):
        return _run(["cp", "-RH", str(template), str(data)]).returncode == 0
    return False


def _password_set(binaries: Path, data: Path, password: str) -> bool:
    """In single-user mode, which accepts no connection. The password needs no escaping in SQL."""
    argv = [str(binaries / "postgres"), "--single", "-D", str(data), "-F", "postgres"]
    done = _run(argv, f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'\n")
    return done.returncode == 0 and "ERROR" not in done.stderr


def _run(argv: Sequence[str], said: str = "") -> CompletedProcess[str]:
    """As the user that PostgreSQL runs as."""
    return run_program(argv, environment=inherited(), said=said, **unprivileged())
