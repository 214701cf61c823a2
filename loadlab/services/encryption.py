"""What a cluster with TLS needs: programs of PostgreSQL that were built with it, and a certificate.

The programs are the system's, since the embedded ones are built without OpenSSL. The certificate is made by the
`openssl` program, which such a PostgreSQL brings along (Debian's depends on it); a Python package for it would be one
more dependency for all users, and few plans need it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.system.ports import LOOPBACK
from loadlab.system.processes import inherited, unprivileged
from loadlab.system.short_programs import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from subprocess import CompletedProcess

INSTALLED: Final = Path("/usr/lib/postgresql")  # where Debian and its kin keep one folder per version
LIFE_DAYS: Final = 365  # of a certificate; a cluster does not outlive its run
REMEDY: Final = "Install PostgreSQL (apt install postgresql), or give a database of your own with --dsn."


def programs_with_tls() -> Path:
    """The folder of the system's PostgreSQL: the one that pg_config names, or the newest that is installed.

    Raises:
        EnvironmentFaultError: none of them speaks TLS; with the remedy.
    """
    looked_at = list(dict.fromkeys(_folders()))
    for folder in looked_at:
        if _speaks_tls(folder):
            return folder
    found = f" (looked at: {', '.join(map(str, looked_at))})" if looked_at else ""
    raise EnvironmentFaultError(
        "The plan sets database.tls. The embedded PostgreSQL has no TLS, and no other PostgreSQL here"
        f" supports it and runs as an ordinary user{found}. {REMEDY}"
    )


def make_certificate(folder: Path) -> Path:
    """A key and a certificate that vouches for itself, under the names by which PostgreSQL finds them in `folder`.

    Returns the certificate, which clients take for their root. RSA, as most servers have it.

    Raises:
        EnvironmentFaultError: there is no openssl, or it fails.
    """
    certificate = folder / "server.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(LIFE_DAYS)]
    # libpq before 15 compares an address with the common name alone.
    argv += ["-subj", f"/CN={LOOPBACK}", "-addext", f"subjectAltName=IP:{LOOPBACK}"]
    argv += ["-keyout", str(folder / "server.key"), "-out", str(certificate)]
    done = _run(argv)
    if done is None or done.returncode:
        said = f": {done.stderr.strip()}" if done else ""
        raise EnvironmentFaultError(
            f"openssl could not create a certificate for PostgreSQL{said}. Install it (apt install openssl), or"
            " remove database.tls from the plan."
        )
    return certificate


def _folders() -> Iterator[Path]:
    told = _run(["pg_config", "--bindir"])
    if told is not None and told.returncode == 0:
        yield Path(told.stdout.strip())
    yield from sorted(INSTALLED.glob("*/bin"), key=_version, reverse=True)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdecimal())


def _speaks_tls(folder: Path) -> bool:
    """Whether `folder` has the programs of a server that was built with OpenSSL that can be run here."""
    if shutil.which("initdb", path=str(folder)) is None:
        return False
    described = _run([str(folder / "postgres"), "--describe-config"])
    if described is None or described.returncode:
        return False
    settings = (line.split("\t") for line in described.stdout.splitlines())
    # Its fifth column is the default, and a build without OpenSSL knows no cipher.
    return any(columns[0] == "ssl_ciphers" and columns[4] != "none" for columns in settings)


def _run(argv: Sequence[str]) -> CompletedProcess[str] | None:
    """Run a program as PostgreSQL will run; None when that user cannot start it."""
    try:
        return run_program(argv, environment=inherited(), **unprivileged())
    except OSError:
        return None
