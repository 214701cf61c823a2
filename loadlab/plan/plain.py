"""Reads data that is plainly right into dataclasses, without pydantic, which takes most of a command's time to load.

What it is not sure of is pydantic's to read, or to refuse in words: a test compares the two.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from loadlab.model.bounds import STRICT, After, Before, Bounds

LARGEST: Final = 1 << 53  # up to it, every whole number is a float


class UnsureError(Exception):
    """This is for pydantic to read."""


def plainly(kind: type[Any], data: object) -> Any:  # noqa: ANN401  one of that kind
    """A `kind` made of the data.

    Raises:
        UnsureError: it may be wrong, or is of a form that is not known here.
    """
    try:
        return _read(kind, data)
    except (ValueError, TypeError, OverflowError) as error:  # what a class says of its own values too
        raise UnsureError from error


def _read(hint: Any, value: object) -> Any:  # noqa: ANN401
    origin = get_origin(hint)
    if origin is Annotated:
        return _bounded(hint.__origin__, hint.__metadata__, value)
    if origin is Literal:
        return _sure(value, type(value) is str and value in get_args(hint))
    if origin in (Union, UnionType):
        return _one_of(get_args(hint), value)
    if origin is list:
        return [_read(get_args(hint)[0], one) for one in _sure(value, type(value) is list)]
    if origin is dict:
        return {key: _read(get_args(hint)[1], one) for key, one in _sure(value, type(value) is dict).items()}
    return _dataclass(hint, value) if is_dataclass(hint) else _scalar(hint, value)


def _sure(value: Any, is_right: object) -> Any:  # noqa: ANN401
    if not is_right:
        raise UnsureError
    return value


def _scalar(kind: object, value: Any) -> Any:  # noqa: ANN401
    if kind is float and type(value) is int:
        return float(_sure(value, abs(value) <= LARGEST))
    _sure(value, kind in (bool, int, float, str, NoneType, None) and type(value) in (kind, NoneType))
    _sure(value, value is not None or kind in (NoneType, None))
    if kind is int:
        _sure(value, abs(value) <= LARGEST)
    if kind is float:
        _sure(value, isfinite(value))
    if kind is str:
        value.encode()
    return value


def _one_of(branches: tuple[Any, ...], value: object) -> Any:  # noqa: ANN401
    """A value is of the branch that has its very type; a whole number may be a float where none is."""
    plain = [branch for branch in branches if branch is type(value)]
    for branch in plain or branches:
        try:
            return _read(branch, value)
        except UnsureError:
            continue
    raise UnsureError


def _bounded(kind: Any, annotations: tuple[object, ...], value: Any) -> Any:  # noqa: ANN401
    for one in annotations:
        _sure(one, isinstance(one, Before | After | Bounds))
        value = one.change(value) if isinstance(one, Before) else value
    value = _read(kind, value)
    for one in annotations:
        if isinstance(one, Bounds):
            _sure(value, _within(one, value))
        elif isinstance(one, After):
            value = one.change(value)
    return value


def _within(bounds: Bounds, value: Any) -> bool:  # noqa: ANN401
    above = (bounds.ge is None or value >= bounds.ge) and (bounds.gt is None or value > bounds.gt)
    below = (bounds.le is None or value <= bounds.le) and (bounds.lt is None or value < bounds.lt)
    long = bounds.min_length is None or len(value) >= bounds.min_length
    alike = bounds.pattern is None or (value.isascii() and "\n" not in value and re.search(bounds.pattern, value))
    return bool(above and below and long and alike)


def _dataclass(kind: Any, value: Any) -> Any:  # noqa: ANN401
    _sure(value, type(value) is dict and getattr(kind, "__pydantic_config__", None) == STRICT)
    hints = _hints(kind)
    known = {one.name for one in fields(kind)}
    needed = {one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING}
    _sure(value, needed <= value.keys() <= known)
    return kind(**{key: _read(hints[key], one) for key, one in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    return get_type_hints(kind, include_extras=True)
