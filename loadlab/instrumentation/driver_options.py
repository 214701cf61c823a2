"""What of a database's OPTIONS its driver does not know: no connection can be opened with it.

A driver brings its own libpq, and takes what that version knows: psycopg2-binary 2.9.13 brings 17, psycopg-binary 3.3
brings 18.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper

# What psycopg2.connect takes and its signature does not say.
PSYCOPG2: Final = frozenset({"async", "async_", "database"})


def libpq(wrapper: BaseDatabaseWrapper) -> str:
    """The driver and its libpq, such as "psycopg2 with libpq 17.11"; empty for another database."""
    driver = _driver(wrapper)
    if driver is None:
        return ""
    number = driver.pq.version() if hasattr(driver, "pq") else driver.extensions.libpq_version()
    return f"{driver.__name__} with libpq {number // 10_000}.{number % 10_000}"


def unknown_options(wrapper: BaseDatabaseWrapper, parameters: Mapping[str, Any]) -> list[str]:
    """Those of the driver's parameters that it refuses; none for another database."""
    driver = _driver(wrapper)
    if driver is None:
        return []
    if hasattr(driver, "pq"):
        known = {option.keyword.decode() for option in driver.pq.Conninfo.get_defaults()}
        return sorted(parameters.keys() - known - _arguments(driver.Connection.connect))
    others = parameters.keys() - PSYCOPG2 - _arguments(driver.connect)
    return sorted(key for key in others if not _is_known(driver, key))


def _arguments(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


def _is_known(psycopg2: Any, key: str) -> bool:  # noqa: ANN401  the module
    try:
        psycopg2.extensions.make_dsn(**{key: ""})
    except psycopg2.ProgrammingError:
        return False
    return True


def _driver(wrapper: BaseDatabaseWrapper) -> Any:  # noqa: ANN401  a module
    """Psycopg2 or psycopg, where Django uses it for this database."""
    driver = getattr(wrapper, "Database", None) if wrapper.vendor == "postgresql" else None
    return driver if getattr(driver, "__name__", "") in {"psycopg2", "psycopg"} else None
