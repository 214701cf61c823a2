"""What PgBouncer is told: how it gets to PostgreSQL as the target does, and whom it lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.services.secret_files import write_secret
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.pooling import Pooling
    from loadlab.services.way import Way

USERS: Final = "users"

# Any database is let through under its own name; none of them is forgotten, with its counts, for having been idle.
CONFIGURATION: Final = """\
[databases]
* = host='{host}' port={port}

[pgbouncer]
listen_addr = {loopback}
listen_port = {listen_port}
unix_socket_dir =
auth_type = {auth_type}
auth_file = {auth_file}
admin_users = {admin}
server_tls_sslmode = {server_tls}
pool_mode = {pool_mode}
default_pool_size = {pool_size}
max_client_conn = {max_client_conn}
query_wait_timeout = {query_wait_timeout:.6f}
autodb_idle_timeout = 0
log_connections = 1
log_disconnections = 1
log_stats = 0
"""


def write_users(home: Path, way: Way, admin: str, password: str) -> None:
    """Write into `home` whom PgBouncer lets in: the target's role, and an administrator of its console."""
    secret_of = {admin: password, way.user: way.demand.secret(way.user, way.password)}
    lines = [f"{_quoted(user)} {_quoted(secret)}\n" for user, secret in secret_of.items()]
    write_secret(home / USERS, "".join(lines), for_program=True)


def write_configuration(home: Path, wanted: Pooling, way: Way, *, port: int, admin: str) -> Path:
    """Write PgBouncer's configuration into `home`, beside its users; returns the path."""
    configuration = home / "pgbouncer.ini"
    text = CONFIGURATION.format(
        host=way.host.replace("'", "''"),
        port=way.port,
        loopback=LOOPBACK,
        listen_port=port,
        auth_type=way.demand.method,
        auth_file=home / USERS,
        admin=admin,
        server_tls="require" if way.encrypted else "disable",
        pool_mode=wanted.pool_mode,
        pool_size=wanted.pool_size,
        max_client_conn=wanted.max_client_conn + 1,  # our console is a client too
        query_wait_timeout=wanted.query_wait_timeout_seconds,
    )
    write_secret(configuration, text, for_program=True)
    return configuration


def _quoted(word: str) -> str:
    """As a file of PgBouncer's users has it."""
    return '"' + word.replace('"', '""') + '"'
