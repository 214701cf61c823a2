"""What server modes with gevent's greenlets share.

psycopg2 cooperates by psycogreen's wait callback, psycopg 3 by itself. Without
cooperation every query blocks its whole process.
"""

from __future__ import annotations

from typing import Final

COOPERATION: Final = "psycogreen"


def cooperation(*, wanted: bool) -> dict[str, str]:
    """What tells a process to have psycopg2 yield to other greenlets while it waits."""
    return {"LOADLAB_COOPERATIVE": "on" if wanted else "off"}


def needed(packages: tuple[str, ...], driver: str, *, cooperative: bool) -> tuple[str, ...]:
    """The packages that this driver needs."""
    cooperates = driver == "psycopg2" and cooperative
    return tuple(package for package in packages if package != COOPERATION or cooperates)


def blocking(*, cooperative: bool) -> str | None:
    """As `Server.unmodelled` says it."""
    return None if cooperative else "a query stops all greenlets of its worker; set cooperative = true, or ask for sync"


def uncooperative(driver: str, *, cooperative: bool) -> tuple[str, str, str] | None:
    """What is wrong with a driver that is told not to cooperate, as `Server.incompatible` says it."""
    if driver == "psycopg" and not cooperative:
        return "cooperative", "psycopg 3 always cooperates", 'use driver = "psycopg2"'
    return None
