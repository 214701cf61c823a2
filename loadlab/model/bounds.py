"""What values a parameter may have, as annotations that pydantic understands and that do not import it.

`plan/plain.py` reads the values of a plan that is right by them, and pydantic says what is wrong with one that is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import ConfigDict, GetCoreSchemaHandler
    from pydantic_core import CoreSchema

# Of the dataclasses that a plan is read into: no key is unknown, and no text stands for a number.
STRICT: Final[ConfigDict] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The same as pydantic's `Field` with these arguments; a `finite` number is neither infinite nor NaN."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    pattern: str | None = None
    finite: bool = False
    description: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        from pydantic import Field  # noqa: PLC0415  a plan that is right needs none

        given: dict[str, Any] = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        given |= {"allow_inf_nan": False} if given.pop("finite", False) else {}
        return handler.generate_schema(Annotated[source, Field(**given)])


@dataclass(frozen=True, slots=True)
class Before:
    """Changes a value before it is checked; the last one of its annotations."""

    change: Callable[[Any], object]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        from pydantic_core.core_schema import no_info_before_validator_function  # noqa: PLC0415  as above

        return no_info_before_validator_function(self.change, handler(source))


@dataclass(frozen=True, slots=True)
class After:
    """Changes a value that has been found right."""

    change: Callable[[Any], object]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        from pydantic_core.core_schema import no_info_after_validator_function  # noqa: PLC0415  as above

        return no_info_after_validator_function(self.change, handler(source))
