"""`every`: one test over many rows, of which each that fails is named.

`pytest.mark.parametrize` makes an item of each row: its own setup, its own line, its own share of the schedule. That is
worth it where a row starts something. Where a row is a value and an expectation, a loop says the same in one item.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.mark.structures import ParameterSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def every(
    names: str | tuple[str, ...] | list[str],
    rows: Iterable[Any],
    ids: Callable[[Any], str] | Iterable[str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run the decorated test for each row, with the arguments of `pytest.mark.parametrize`.

    All rows are tried. Those that fail are raised together, each with a note that says which row it was. Fixtures are
    shared by all rows, so a fixture that a row changes calls for `parametrize`.
    """
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    known = list(rows)
    assert known, f"there is no row of {', '.join(keys)}"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def over_all(*arguments: Any, **fixtures: Any) -> None:
            failures = []
            for number, row in enumerate(known):
                values = _values(row, len(keys))
                try:
                    test(*arguments, **fixtures, **dict(zip(keys, values, strict=True)))
                except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001  all rows are tried first
                    failure.add_note(f"row {number}: {_named(number, row, ids)}")
                    failures.append(failure)
            if failures:
                raise BaseExceptionGroup(f"{len(failures)} of {len(known)} rows", failures)

        signature = inspect.signature(test)
        kept = [each for name, each in signature.parameters.items() if name not in keys]
        over_all.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return over_all

    return decorate


def _values(row: Any, count: int) -> tuple[Any, ...]:
    """A row's values, be it bare or made with `pytest.param`."""
    if isinstance(row, ParameterSet):
        assert not row.marks, "a row with marks is a separate item: use pytest.mark.parametrize"
        return tuple(row.values)
    return (row,) if count == 1 else tuple(row)


def _named(number: int, row: Any, ids: Callable[[Any], str] | Iterable[str] | None) -> str:
    if ids is None:
        return row.id if isinstance(row, ParameterSet) else repr(row)
    return ids(row) if callable(ids) else list(ids)[number]
