"""Reads data into dataclasses; says in a user's terms where and what is wrong with them, and what would be right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

from loadlab.errors import UsageError
from loadlab.model.plan import Plan
from loadlab.model.spelling import did_you_mean
from loadlab.model.strategy import USUAL_SERVER
from loadlab.plan.plain import UnsureError, plainly
from loadlab.strategies.base import AGE_MEANING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

NOTHING: Final[Mapping[str, str]] = {}
_READERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}
# pydantic's words for a wrong kind of value, as those who write TOML call them.
KINDS: Final[Mapping[str, str]] = {
    "dict_type": "a table",
    "dataclass_type": "a table",
    "list_type": "a list, in square brackets",
    "bool_type": "true or false",
    "string_type": "text in quotation marks",
}
# What to do about a key that is missing, where to add it is not the only way.
REMEDIES: Final[Mapping[str, str]] = {
    "project.settings": 'add it, such as settings = "mysite.settings", or use --settings',
}
EMPTY: Final = "give at least one value, or leave it out"
# One of the members that a table has to name.
SUCH_AS: Final = {"servers": USUAL_SERVER, "server": USUAL_SERVER, "strategies": "max_age", "traffic": "constant"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong with a file: where, what, and what would be right."""

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


def checked(  # noqa: PLR0913  what a message needs
    kind: type[Any],
    data: object,
    where: str,
    problems: list[Problem],
    *,
    refused: Mapping[str, str] = NOTHING,
    file: type[Any] = Plan,
) -> Any:  # noqa: ANN401  one of that kind
    """A `kind` made of the data. None if it has `problems`; these are added, each with its place below `where`.

    `refused` says of keys that there are not, why there are none. `file` is what the whole file is read into.
    """
    with suppress(UnsureError):
        return plainly(kind, data)
    from pydantic import ValidationError  # noqa: PLC0415  it takes longer to load than a plan to read

    try:
        # By way of JSON, where strict still reads tables into dataclasses; dates and times become text.
        return _reader(kind).validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        for problem in dict.fromkeys(_problem(detail, where, refused, kind, file) for detail in error.errors()):
            if problem not in problems:
                problems.append(problem)
        return None


def _reader(kind: type[Any]) -> TypeAdapter[Any]:
    """Made once for each kind: to make it takes a hundred times as long as to read with it."""
    from pydantic import TypeAdapter  # noqa: PLC0415  it takes longer to load than a plan to read

    if kind not in _READERS:
        _READERS[kind] = TypeAdapter(kind)
    return _READERS[kind]


def refusal(source: str, problems: Sequence[Problem]) -> UsageError:
    """The error that names every problem of a file."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return UsageError("\n".join([f"{source} has {count}:", *(f"  {problem}" for problem in problems)]))


def one_of(known: Iterable[str], said: str) -> str:
    """The known names, the one most like `said` before all."""
    names = list(known)
    return " ".join(part for part in (did_you_mean(said, names), f"one of {', '.join(names)}") if part)


def _problem(detail: ErrorDetails, where: str, refused: Mapping[str, str], kind: type[Any], file: type[Any]) -> Problem:
    # A position in a list is left out: the message shows the wrong value itself.
    path = [part for part in detail["loc"] if isinstance(part, str) and not _is_branch(part)]
    key = ".".join([where, *path]).strip(".")
    if detail["type"] == "unexpected_keyword_argument":
        why = refused.get(path[-1])
        if why is not None:
            return Problem(where=key, what="cannot be set", remedy=why)
        return Problem(where=key, what="unknown key", remedy=_meant(path, kind, file, in_table=bool(where)))
    if detail["type"].startswith("missing"):
        return Problem(where=key, what="is missing", remedy=REMEDIES.get(key) or f"add it{_such_as(key)}")
    if detail["type"] == "too_short":
        return Problem(where=key, what="is empty", remedy=f"name one{_such_as(key)}" if key in SUCH_AS else EMPTY)
    if detail["type"] == "value_error":
        return Problem(where=key, what=detail["msg"].removeprefix("Value error, "))
    message = KINDS.get(detail["type"], detail["msg"].removeprefix("Input should be "))
    remedy = AGE_MEANING if key.endswith(".max_age") else ""
    return Problem(where=key, what=f"should be {message}, not {_shown(detail['input'])}", remedy=remedy)


def _such_as(key: str) -> str:
    return f", such as [{key}.{SUCH_AS[key]}]" if key in SUCH_AS else ""


def _meant(path: Sequence[str], kind: type[Any], file: type[Any], *, in_table: bool) -> str:
    """What to do about an unknown key at `path` in a table that is read into `kind`."""
    for part in path[:-1]:
        hint = get_type_hints(kind)[part]  # of a table: its class, or that or None
        kind = next(one for one in (hint, *get_args(hint)) if isinstance(one, type) and is_dataclass(one))
    known = [field.name for field in fields(kind)]
    if guess := did_you_mean(path[-1], known):
        return guess
    if (in_table or path[:-1]) and path[-1] in {field.name for field in fields(file)}:
        return "move it above the first [table] of the file"
    return f"remove it; the keys here are {', '.join(known)}" if known else "remove it; there are no keys here"


def _is_branch(part: str) -> bool:
    """Pydantic names the branches of a union in its paths; a user does not know them."""
    return "[" in part or part in ("bool", "int", "float", "str", "none")


def _shown(value: object) -> str:
    return json.dumps(value, default=str)
