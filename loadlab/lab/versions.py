"""The versions of all that a count depends on."""

from __future__ import annotations

import importlib.metadata
import platform
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.services.pgbouncer import pgbouncer_version

if TYPE_CHECKING:
    from loadlab.judges.postgresql import PostgreSQL

PACKAGES: Final = {
    "Django": "django",
    "asgiref": "asgiref",
    "gunicorn": "gunicorn",
    "gevent": "gevent",
    "psycogreen": "psycogreen",
    "uvicorn": "uvicorn",
    "psycopg2": "psycopg2-binary",
    "psycopg": "psycopg",
    "psycopg_pool": "psycopg-pool",
    "django-db-geventpool": "django-db-geventpool",
}


def versions(judge: PostgreSQL) -> dict[str, str]:
    """By name, of what is installed."""
    found = {"Python": platform.python_version()}
    for name, package in PACKAGES.items():
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(package)
    found["PostgreSQL"] = judge.version()
    with suppress(EnvironmentFaultError):
        found["PgBouncer"] = pgbouncer_version()
    return found
