"""Values of the model as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from loadlab.model.case import Case
from loadlab.model.condition import Condition
from loadlab.model.reasons import Finding


def plain(value: object) -> object:
    """A case as its id, a condition by its factors, a finding as its kind and figures, other values field by field.

    >>> from loadlab.model.reasons import Refused
    >>> plain((Refused(attempts=3),))
    [{'kind': 'refused', 'figures': {'attempts': 3}}]
    """
    if isinstance(value, Case):
        return value.id
    if isinstance(value, Condition):
        return _factors(value)
    if isinstance(value, Finding):
        return {"kind": value.kind, "figures": _fields(value)}
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _fields(value: object) -> dict[str, object]:
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}  # type: ignore[arg-type]


def _factors(condition: Condition) -> dict[str, object]:
    """Those that are not left out."""
    return {name: item for name, item in _fields(condition).items() if item is not None}
