"""Reads the parameters of fixes from the setting LOADLAB_FIXES: a dict of dicts, with no key required."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)

SETTINGS: Final = ("LOADLAB_FIXES", "LOADLAB_CURES")  # the second is its earlier name, read where the first is missing


@dataclass(frozen=True, kw_only=True, slots=True)
class NoParameters:
    """A fix that has nothing to set."""


def parameters(fix: str, kind: type[Kind]) -> Kind:
    """The parameters of a fix as the settings give them; `kind` has the defaults and refuses values with ValueError.

    Raises:
        ImproperlyConfigured: the setting names an unknown fix or parameter, or a value that this one cannot take.
    """
    setting, said = _said()
    given = said.get(fix, {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{setting}[{fix!r}] should be a dict, not {type(given).__name__}")
    known = [field.name for field in fields(kind)]
    for key in given:
        if key not in known:
            there = f"there are {', '.join(known)}" if known else "it has no parameters"
            raise ImproperlyConfigured(f"{setting}[{fix!r}][{key!r}] is unknown; {there}")
    try:
        return kind(**given)
    except ValueError as error:
        raise ImproperlyConfigured(f"{setting}[{fix!r}]: {error}") from error


def _said() -> tuple[str, Mapping[str, Any]]:
    """The name under which the settings have the parameters, and what they say there."""
    setting = next((name for name in SETTINGS if hasattr(settings, name)), SETTINGS[0])
    given = getattr(settings, setting, {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{setting} should be a dict, not {type(given).__name__}")
    unknown = [name for name in given if name not in names()]
    if unknown:
        raise ImproperlyConfigured(f"{setting} has no {unknown[0]!r}; there are {', '.join(names())}")
    return setting, given


def names() -> list[str]:
    """Every fix, named after its module."""
    folder = str(Path(__file__).parent)
    return sorted(module.name for module in pkgutil.iter_modules([folder]) if not module.name.startswith("_"))


def number(value: object, least: float) -> bool:
    """Whether a value is a finite number of at least so much, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < float("inf")
