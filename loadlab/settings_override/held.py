"""Holds the lab's databases where they are, for a project may change DATABASES after its settings have loaded.

An app's `ready` or a middleware may add an alias, or set one anew. DATABASES itself stays the plain dict that libraries
expect; what counts is what it says at the moment a connection object is made.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler

from loadlab.settings_override.layers import THE_WAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.settings_override.configuration import Overlay

TOLD_APART_BY: Final = ("ENGINE", "NAME", "HOST", "PORT")
_make: Final = ConnectionHandler.create_connection


def hold(overlay: Overlay, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """From now on, connections of the lab's aliases go where `entries` say, and unknown ones nowhere else."""
    ours = {alias: deepcopy(dict(entries[alias])) for alias in overlay.databases}
    ways = {alias: _way(entry) for alias, entry in ours.items()}

    def create_connection(self: ConnectionHandler, alias: str) -> Any:  # noqa: ANN401  a wrapper of any engine
        there = self.settings.get(alias, {})
        if alias in ours:
            if _way(there) != ways[alias]:  # seldom: a server of threads or greenlets comes by with each request
                others = {key: value for key, value in there.items() if key not in THE_WAY}
                self.settings[alias] = {**others, **deepcopy(ours[alias])}
                self.configure_settings(self.settings)  # has what Django wants to be there
        elif overlay.addable is not None and alias not in overlay.addable and _way(there) not in ways.values():
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] was added after the settings had been loaded, and may lead to a database of the"
                " project's own: keep_databases lets it"
            )
        return _make(self, alias)

    ConnectionHandler.create_connection = create_connection  # type: ignore[method-assign]


def _way(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry.get(key) or "") for key in TOLD_APART_BY)
