"""How the plan in a run folder differs from the one that the run began with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_KEYS: Final = 5  # of a changed plan, in a message


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Which keys of two plans differ, and how; empty if only comments and their form do.

    >>> changed_keys({"seed": 1, "load": {"rate": 5}}, {"seed": 2, "load": {"rate": 5}})
    'seed 1 → 2'
    """
    old, new = _flat(before), _flat(after)
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    told = [f"{key} {_shown(old.get(key))} → {_shown(new.get(key))}" for key in changed[:MOST_KEYS]]
    more = [f"and {len(changed) - MOST_KEYS} more"] if len(changed) > MOST_KEYS else []
    return ", ".join([*told, *more])


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """All values by their dotted keys; an empty table is a value too."""
    flat: dict[str, object] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat


def _shown(value: object) -> str:
    return "absent" if value is None else json.dumps(value, default=str)[:60]
