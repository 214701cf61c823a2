"""The one codec for columns of samples: from a load process to the lab, and into a run folder's records."""

from __future__ import annotations

import base64
import zlib
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

MOST_BYTES: Final = 1 << 30  # of a column; a hundred million requests
QUICKEST: Final = 1  # level of zlib: the low digits of times do not compress, and more effort gains little


def pack(column: Sequence[float]) -> str:
    """Base64 of zlib of the column's little-endian float64 numbers."""
    return base64.b64encode(zlib.compress(array("d", column).tobytes(), QUICKEST)).decode("ascii")


def unpack(value: object) -> Sequence[float]:
    """The numbers that `pack` was given; a sequence of numbers is taken as it is.

    Raises:
        ValueError: it is not such a text, or is cut off, or has more than `MOST_BYTES`.

    >>> list(unpack(pack([0.25, 0.5])))
    [0.25, 0.5]
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        try:
            return array("d", value)
        except TypeError as error:
            raise ValueError("a column has numbers alone") from error
    if not isinstance(value, str):
        raise ValueError("a column is base64 text")  # noqa: TRY004  pydantic turns a ValueError into its own
    column, packed = array("d"), zlib.decompressobj()
    try:
        column.frombytes(packed.decompress(base64.b64decode(value, validate=True), MOST_BYTES))
    except zlib.error as error:
        raise ValueError("a column's bytes do not decompress") from error
    if not packed.eof or packed.unconsumed_tail:
        raise ValueError("a column is cut off, or longer than any")
    return column


class _Packed:
    """Tells pydantic how to read and write a column, and does not import it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        from pydantic_core import core_schema  # noqa: PLC0415  who reads what loadlab has written needs none

        packed = core_schema.plain_serializer_function_ser_schema(pack, return_schema=core_schema.str_schema())
        return core_schema.no_info_plain_validator_function(unpack, serialization=packed)


if TYPE_CHECKING:
    Column: TypeAlias = Sequence[float]
else:  # readers of records know by its class that a column is to be unpacked
    Column = Annotated[array, _Packed()]
