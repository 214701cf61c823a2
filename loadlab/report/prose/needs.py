"""Spells out the connections that a strategy may hold in production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.report import numbers

if TYPE_CHECKING:
    from loadlab.model.needs import Need, NeedFactor

OWN = "its own cap"
USABLE = "usable at once"


def arithmetic(need: Need) -> str:
    """E.g. "1 host × 2 workers × 4 (max_size) = 8 ≤ 100 − 3"."""
    product = f"{' × '.join(map(_factor, need.factors))} = {numbers.count(need.connections)}"
    if need.max_connections is None:
        return product
    room = f"{numbers.count(need.max_connections)} − {numbers.count(need.reserved)}"
    return f"{product} {'≤' if need.fits else '>'} {room}"


def _factor(factor: NeedFactor) -> str:
    count = numbers.count(factor.count)
    if factor.kind in ("hosts", "workers"):
        return numbers.plural(factor.count, factor.kind.removesuffix("s"))
    if factor.kind == "poolers":
        return f"{count} PgBouncer"
    if factor.kind == "overlap":
        return f"{count} overlap"
    return f"{count} ({_of_worker(factor)})"


def _of_worker(factor: NeedFactor) -> str:
    bound = USABLE if factor.kind == "usable" else factor.parameter or OWN
    if factor.kind != "measured":
        return bound
    if factor.bound is not None:
        return f"measured; {factor.parameter or USABLE} is {numbers.count(factor.bound)}"
    return f"measured with {factor.case.words('load')}" if factor.case else "measured"
