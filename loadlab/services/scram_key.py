"""Keys that a role logs in with instead of its password: derived once, and not by libpq for each connection.

libpq 18 takes them as `scram_client_key` and `scram_server_key`. They are kept as a password is: in a service file of
libpq's that one user can read, and nowhere else.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError
from loadlab.services.secret_files import write_secret
from loadlab.services.way import way_to

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.services.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class ScramKeys:
    """Both keys of a role, in base64 as libpq takes them."""

    client: str = field(repr=False)
    server: str = field(repr=False)

    def section(self, service: str) -> str:
        """A section of libpq's service file."""
        return f"[{service}]\nscram_client_key={self.client}\nscram_server_key={self.server}\n"


def scram_keys(database: Database) -> ScramKeys:
    """The keys of the target's role, from its password and what PostgreSQL says to anyone who asks for its salt.

    Raises:
        EnvironmentFaultError: PostgreSQL does not let the target in, or does not ask its role for a SCRAM password.
    """
    way = way_to(database)
    if way.demand.method != "scram-sha-256":
        raise EnvironmentFaultError(
            f"PostgreSQL lets {way.user} in by the method {way.demand.method}, and a SCRAM key logs in by scram-sha-256"
            " only. Set the role's password with password_encryption = 'scram-sha-256', and that method in pg_hba.conf."
        )
    client, server = (base64.b64encode(key).decode() for key in way.demand.keys(way.password))
    return ScramKeys(client=client, server=server)


def keyed(database: Database, service: str, folder: Path) -> Database:
    """The database for a target that logs in by the keys in libpq's `service`, and to which no password is given.

    The keys are derived when they are first asked for: their file stays in `folder`.

    Raises:
        EnvironmentFaultError: as `scram_keys`; or the database is itself named by a service, and libpq takes only one.
    """
    if "service" in database.parameters:
        raise EnvironmentFaultError(
            "libpq takes one service only, and this database is named by one. Name it by host, port, user and dbname"
            " (--dsn env:NAME), or remove the strategy scram_key from the plan."
        )
    file = folder / f"{service}.conf"
    if not file.exists():
        write_secret(file, scram_keys(database).section(service))
    # Without it in sight, nothing but the keys can log in: what takes no keys fails, and is not measured for another.
    nowhere = {"PGPASSFILE": str(folder / f"{service}.no-password")}
    parameters = {key: value for key, value in database.parameters.items() if key != "passfile"}
    environment = {**database.environment, **nowhere, "PGSERVICEFILE": str(file)}
    return replace(database, parameters=parameters, environment=environment)
