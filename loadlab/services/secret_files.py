"""Files that hold a password: each is for one user alone."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from loadlab.system.processes import UNPRIVILEGED

if TYPE_CHECKING:
    from pathlib import Path


def write_secret(path: Path, text: str, *, for_program: bool = False) -> None:
    """Write a file anew, for ourselves alone; `for_program`: for the user that a program without privileges runs as."""
    path.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:  # a full disk takes an empty file
        path.unlink(missing_ok=True)
        raise
    if for_program and os.getuid() == 0:
        owner = pwd.getpwnam(UNPRIVILEGED)
        os.chown(path, owner.pw_uid, owner.pw_gid)


def password_line(password: str, *, host: str = "*", port: str = "*", user: str = "*") -> str:
    r"""A line of libpq's password file, for any database.

    >>> password_line("a:b", port="5432")
    '*:5432:*:*:a\\:b\n'
    """
    return f"{host}:{port}:*:{user}:{escaped(password)}\n"


def escaped(password: str) -> str:
    """As a file of libpq's passwords has it."""
    return password.replace("\\", "\\\\").replace(":", "\\:")
