"""A listing as JSON, and back: how a project's page tells the command line of its open connections."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, NoReturn

from loadlab.leak_causes import LEAK_CAUSES, named, verdict
from loadlab.model.holders import Holder
from loadlab.model.open_connections import AliasSettings, EndedConnection, Listing, OpenConnection, Session, Unit
from loadlab.model.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION: Final = 1
DIGITS: Final = 3  # of seconds, behind the point
LONGEST: Final = 256  # characters of a text that is read
LARGEST: Final = 1 << 63  # number that is read
_HOLDERS: Final = {holder.label: holder for holder in Holder}


def as_document(listing: Listing) -> dict[str, Any]:
    """Plain values, which JSON can have. A connection's facts that are as usual are left out."""
    return {"version": VERSION, **_said(listing), "aliases": {k: _said(v) for k, v in listing.aliases.items()}}


def as_json(listing: Listing) -> str:
    return json.dumps(as_document(listing), separators=(",", ":"))


def with_causes(listing: Listing) -> dict[str, Any]:
    """The same, and the verdict, in words and by cause."""
    causes = [
        {
            "name": cause.name,
            "page": LEAK_CAUSES[cause.name]().page,
            "connections": len(cause.connections),
            "openers": dict(cause.openers),
            "sentence": cause.sentence,
            "fix": cause.fix,
        }
        for cause in named(listing)
    ]
    return {**as_document(listing), "verdict": verdict(listing).split("\n"), "causes": causes}


def from_json(text: str) -> Listing:
    """A listing of this or an earlier version; facts that are not known here are left out.

    All texts in it are single lines that a terminal can show.

    Raises:
        ValueError: it is none, and why; or it is of a later version.
    """
    try:
        document = json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(document, dict) or "connections" not in document:
        raise ValueError("it is no listing of connections")
    if document.get("version") != VERSION:
        raise ValueError(f"it is of version {_shown(document.get('version'))}, and this loadlab reads {VERSION}")
    made: Listing = _made(Listing, document)
    return made


def _said(value: Any) -> dict[str, Any]:  # noqa: ANN401  one of the model's shapes
    told = ((name, getattr(value, name), default) for name, default in _DEFAULTS[type(value)].items())
    return {name: _plain(said) for name, said, default in told if said != default}


def _plain(value: Any) -> Any:  # noqa: ANN401
    kind = type(value)
    if kind in {int, str, bool}:  # nearly all
        return value
    if kind is float:
        return round(value, DIGITS)
    if kind is tuple:
        return [_plain(one) for one in value]
    return value.label if kind is Holder else _said(value) if kind in _DEFAULTS else value


def _made(kind: type[Any], said: object) -> Any:  # noqa: ANN401  one of `kind`
    if not isinstance(said, dict):
        raise TypeError(f"{_shown(said)} is where a {kind.__name__} should be")
    readers = _READERS[kind]
    try:
        return kind(**{name: readers[name](value) for name, value in said.items() if name in readers})
    except TypeError as error:
        raise ValueError(str(error)) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _shown(value: object) -> str:
    return one_line(repr(value)[:LONGEST])


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError(f"{_shown(said)} is where a text should be")
    return one_line(said[:LONGEST])


def _number(said: object) -> float:
    if not isinstance(said, int | float) or isinstance(said, bool) or not abs(said) <= LARGEST:
        raise TypeError(f"{_shown(said)} is where a number should be")
    return said


def _whole(said: object) -> int:
    number = _number(said)
    if not isinstance(number, int):
        raise TypeError(f"{_shown(said)} is where a whole number should be")
    return number


def _yes_or_no(said: object) -> bool:
    if not isinstance(said, bool):
        raise TypeError(f"{_shown(said)} is where true or false should be")
    return said


def _holder(said: object) -> Holder:
    return _HOLDERS.get(_text(said), Holder.UNKNOWN)  # a later loadlab may know more of them


def _each(read: Callable[[object], Any]) -> Callable[[object], tuple[Any, ...]]:
    def read_all(said: object) -> tuple[Any, ...]:
        if not isinstance(said, list):
            raise TypeError(f"{_shown(said)} is where a list should be")
        return tuple(read(one) for one in said)

    return read_all


def _or_none(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda said: None if said is None else read(said)


def _of(kind: type[Any]) -> Callable[[object], Any]:
    return lambda said: _made(kind, said)


def _aliases(said: object) -> Mapping[str, AliasSettings]:
    if not isinstance(said, dict):
        raise TypeError(f"{_shown(said)} is where the settings of aliases should be")
    return {_text(alias): _made(AliasSettings, settings) for alias, settings in said.items()}


_KINDS: Final[tuple[type[Any], ...]] = (Listing, AliasSettings, EndedConnection, OpenConnection, Session, Unit)
_BY_TYPE: Final[Mapping[str, Callable[[object], Any]]] = {
    "str": _text,
    "int": _whole,
    "float": _number,
    "bool": _yes_or_no,
    "int | None": _or_none(_whole),
    "float | None": _or_none(_number),
    "Holder": _holder,
    "Unit | None": _or_none(_of(Unit)),
    "Session | None": _or_none(_of(Session)),
    "tuple[int, ...]": _each(_whole),
    "tuple[str, ...]": _each(_text),
    "tuple[OpenConnection, ...]": _each(_of(OpenConnection)),
    "tuple[EndedConnection, ...]": _each(_of(EndedConnection)),
    "Mapping[str, AliasSettings]": _aliases,
}


# A field without a default is always said: nothing is equal to the sentinel.
_DEFAULTS: Final = {kind: {field.name: field.default for field in fields(kind)} for kind in _KINDS}
_READERS: Final = {kind: {field.name: _BY_TYPE[str(field.type)] for field in fields(kind)} for kind in _KINDS}
