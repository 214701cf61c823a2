"""What a project says of its cures, in the setting LOADLAB_CURES: a dict of dicts, with none of its keys required."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoParameters:
    """A cure that has nothing to set."""


def parameters(cure: str, kind: type[Kind]) -> Kind:
    """The parameters of a cure as the settings give them; `kind` has the defaults and refuses values with ValueError.

    Raises:
        ImproperlyConfigured: the setting holds what no cure knows, or a value that this one cannot take.
    """
    given = _given().get(cure, {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"LOADLAB_CURES[{cure!r}] should be a dict, not {type(given).__name__}")
    known = [field.name for field in fields(kind)]
    for key in given:
        if key not in known:
            there = f"there are {', '.join(known)}" if known else "it has no parameters"
            raise ImproperlyConfigured(f"LOADLAB_CURES[{cure!r}][{key!r}] is unknown; {there}")
    try:
        return kind(**given)
    except ValueError as error:
        raise ImproperlyConfigured(f"LOADLAB_CURES[{cure!r}]: {error}") from error


def _given() -> Mapping[str, Any]:
    given = getattr(settings, "LOADLAB_CURES", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"LOADLAB_CURES should be a dict, not {type(given).__name__}")
    unknown = [name for name in given if name not in names()]
    if unknown:
        raise ImproperlyConfigured(f"LOADLAB_CURES has no {unknown[0]!r}; there are {', '.join(names())}")
    return given


def names() -> list[str]:
    """The cures that there are, by their modules."""
    folder = str(Path(__file__).parent)
    return sorted(module.name for module in pkgutil.iter_modules([folder]) if not module.name.startswith("_"))


def number(value: object, least: float) -> bool:
    """Whether a value is a finite number of at least so much, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < float("inf")
