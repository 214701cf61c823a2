"""Programs that a system's package manager installs, and pip does not."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadlab.system.short_programs import run_program

# Where Debian and Homebrew put servers; no PATH but root's leads there.
FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin")


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemProgram:
    """A program by its `name` on PATH; `install` are the commands that install it, `version_option` prints its version.

    Some systems call it by one of its `other_names`. An `optional` one need not be there: a package may bring its own.

    >>> SystemProgram(name="no-such-program", title="None", install="apt install none").find()
    """

    name: str
    title: str
    install: str
    version_option: str = "--version"
    other_names: tuple[str, ...] = ()
    optional: bool = False

    def find(self) -> Path | None:
        """The program; None where it is not installed."""
        places = (None, os.pathsep.join(FOLDERS))
        found = (shutil.which(name, path=path) for name in (self.name, *self.other_names) for path in places)
        return next((Path(one) for one in found if one), None)

    def lacks(self) -> bool:
        """Whether it is needed, and not installed."""
        return not self.optional and self.find() is None

    def version(self) -> str:
        """What it says of itself, e.g. "1.18.0"; empty where it is not installed, or says nothing of the kind."""
        program = self.find()
        if program is None:
            return ""
        argv, path = [str(program), self.version_option], os.environ.get("PATH", "")
        done = run_program(argv, environment={"PATH": path, "LC_ALL": "C"})
        said = re.search(rf"{self.title}[ /]v?=?(\d\S*)", done.stdout + done.stderr, re.IGNORECASE)
        return said[1] if said else ""


NGINX: Final = SystemProgram(
    name="nginx", title="nginx", install="apt install nginx-light, or brew install nginx", version_option="-v"
)
APACHE: Final = SystemProgram(
    name="apache2",
    title="Apache",
    install="apt install apache2-dev apache2-bin",
    version_option="-v",
    other_names=("httpd",),
    optional=True,
)
PGBOUNCER: Final = SystemProgram(
    name="pgbouncer", title="PgBouncer", install="apt install pgbouncer, or brew install pgbouncer"
)
REDIS: Final = SystemProgram(
    name="redis-server", title="Redis server", install="apt install redis-server, or brew install redis"
)
C_COMPILER: Final = SystemProgram(
    name="cc", title="A C compiler", install="apt install gcc libc6-dev", other_names=("gcc", "clang")
)
