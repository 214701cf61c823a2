"""Where the entries of a project's DATABASES lead, which share a place, and which stay as the settings have them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from loadlab.services.dsn import servers
from loadlab.services.embedded import TARGET
from loadlab.settings_override.configuration import UNKNOWN_HOST
from loadlab.system.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.lab.inspection import Alias

DEFAULT: Final = "default"
POSTGRESQL: Final = "postgresql"
SQLITE: Final = "sqlite"
NOWHERE: Final = "unknown"  # the vendor of an entry without an engine, which nothing can be asked of
NAMES: Final = {POSTGRESQL: "PostgreSQL", SQLITE: "SQLite", "mysql": "MySQL", "oracle": "Oracle"}
EMBEDDABLE: Final = (POSTGRESQL, SQLITE)  # what an embedded PostgreSQL can stand in for
IN_MEMORY: Final = ("", ":memory:")
_HERE: Final = ("", "localhost", "127.0.0.1", "::1")


def place(alias: Alias) -> tuple[str, ...]:
    """Where an alias leads: equal for two aliases of one database."""
    if alias.vendor != POSTGRESQL:
        return (alias.vendor, alias.host, alias.port, alias.name)
    known = alias.parameters
    host = known.get("hostaddr") or known.get("host") or os.environ.get("PGHOST", "")
    port = known.get("port") or os.environ.get("PGPORT", "5432")
    here = "localhost" if host in _HERE else host
    return (POSTGRESQL, here, port, known.get("dbname", ""), known.get("service", ""))


def sharing(aliases: Mapping[str, Alias]) -> list[tuple[str, ...]]:
    """The aliases of each place, the default alias' first.

    A copy that names its original with TEST["MIRROR"] belongs to it, and each SQLite database in memory is a place.
    """
    places: dict[tuple[str, ...], list[str]] = {}
    for alias in sorted(aliases, key=lambda one: one != DEFAULT):
        places.setdefault(_place_of(alias, aliases), []).append(alias)
    return [tuple(group) for group in places.values()]


def _place_of(alias: str, aliases: Mapping[str, Alias]) -> tuple[str, ...]:
    original, seen = alias, {alias}
    while (mirror := aliases[original].mirror) in aliases and mirror not in seen:
        original = mirror
        seen.add(mirror)
    entry = aliases[original]
    return (original,) if entry.vendor == SQLITE and entry.name in IN_MEMORY else place(entry)


def redirected(aliases: Mapping[str, Alias], kept: Sequence[str]) -> dict[str, str]:
    """The database of the embedded server for each alias that gets one; `kept` stay where they are."""
    moved = {alias: entry for alias, entry in aliases.items() if alias not in kept and _can_move(alias, entry)}
    return {
        alias: TARGET if number == 1 else f"{TARGET}_{number}"
        for number, group in enumerate(sharing(moved), 1)
        for alias in group
    }


def _can_move(alias: str, entry: Alias) -> bool:
    return alias == DEFAULT or entry.vendor in EMBEDDABLE


def migrated(aliases: Mapping[str, Alias], databases: Mapping[str, str]) -> list[str]:
    """The alias to migrate each database by: of those that share it, the one for which routers allow most models."""
    groups: dict[str, list[str]] = {}
    for alias, database in databases.items():
        groups.setdefault(database, []).append(alias)
    return [max(group, key=lambda alias: (aliases[alias].models, alias == DEFAULT)) for group in groups.values()]


def where(entry: Alias) -> str:
    """Where an alias leads, in words: no user and no password.

    >>> from loadlab.lab.inspection import Alias
    >>> where(Alias(engine="", vendor="sqlite", driver="", pool=False, atomic_requests=False, parameters={}, name="/a"))
    'SQLite, /a'
    """
    kind = NAMES.get(entry.vendor, f"{entry.vendor} ({entry.engine})")
    if entry.vendor == POSTGRESQL:
        if service := entry.parameters.get("service"):
            return f"{kind}, service {service}"
        _, host, port, name, _ = place(entry)
        return f"{kind}, {name} on {host}:{port}"
    if not entry.host:
        return f"{kind}, {entry.name or 'in memory'}"
    host = "a host that is not known here" if entry.host == UNKNOWN_HOST else entry.host
    return f"{kind}, {entry.name} on {host}" + (f":{entry.port}" if entry.port else "")


def is_remote(entry: Alias) -> bool:
    """Whether an alias leads to another machine, or may do so as far as can be known without asking it."""
    if entry.vendor != POSTGRESQL:
        return not is_loopback(entry.host)
    known = entry.parameters
    if known.get("service"):
        return True
    return not all(map(is_loopback, servers(known)))


def staying(aliases: Mapping[str, Alias], replaced: Sequence[str]) -> Iterator[tuple[str, Alias]]:
    """Those that lead somewhere, and none of the `replaced`."""
    for alias, entry in aliases.items():
        if alias not in replaced and entry.vendor != NOWHERE:
            yield alias, entry
