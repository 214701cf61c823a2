"""Pins the lab's databases: a project can change DATABASES after its settings have loaded.

An app's `ready` or a middleware can add or replace an alias. DATABASES stays the plain dict that libraries expect,
and is checked when a connection object is made.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler

from loadlab.settings_override.merge import THE_WAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.settings_override.configuration import SettingsOverride

TOLD_APART_BY: Final = ("ENGINE", "NAME", "HOST", "PORT")
_make: Final = ConnectionHandler.create_connection


def pin_databases(override: SettingsOverride, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Connect the lab's aliases to the databases in `entries`, and refuse unknown aliases to any other."""
    ours = {alias: deepcopy(dict(entries[alias])) for alias in override.databases}
    ways = {alias: _way(entry) for alias, entry in ours.items()}

    def create_connection(self: ConnectionHandler, alias: str) -> Any:  # noqa: ANN401  a wrapper of any engine
        there = self.settings.get(alias, {})
        if alias in ours:
            if _way(there) != ways[alias]:  # seldom: a server of threads or greenlets comes by with each request
                others = {key: value for key, value in there.items() if key not in THE_WAY}
                self.settings[alias] = {**others, **deepcopy(ours[alias])}
                self.configure_settings(self.settings)  # has what Django wants to be there
        elif override.addable is not None and alias not in override.addable and _way(there) not in ways.values():
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] was added after the settings had loaded, and may name a database of the project."
                " Add the alias to keep_databases to allow it"
            )
        return _make(self, alias)

    ConnectionHandler.create_connection = create_connection  # type: ignore[method-assign]


def _way(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry.get(key) or "") for key in TOLD_APART_BY)
