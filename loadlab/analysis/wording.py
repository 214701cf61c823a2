"""How figures are written in the sentences of verdicts and caveats."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

METRIC_WORDS: Final = {
    "throughput": "throughput",
    "p50": "p50 response time",
    "p95": "p95 response time",
}
TOO_FEW: Final = "too few blocks for an interval"
_DECIMALS: Final = ((Decimal("0.01"), 4), (Decimal("0.1"), 3), (Decimal(4), 2), (Decimal(100), 1), (Decimal("inf"), 0))


def number(value: float) -> str:
    """By the rule of `loadlab.report.numbers`.

    >>> number(1.014), number(6.12), number(143.2), number(0.0), number(float("inf"))
    ('1.01', '6.1', '143', '0', '∞')
    """
    if value in (0, inf):
        return f"{value:g}".replace("inf", "∞")
    if abs(value) < 0.001:  # noqa: PLR2004
        return "<0.001"
    exactly = Decimal(str(float(value)))
    for limit, decimals in _DECIMALS:
        rounded = exactly.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        if abs(rounded) < limit:
            break
    return f"{rounded:,f}"


def _exact(value: float) -> str:
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def times(ratio: float) -> str:
    return f"{number(ratio)}×"


def spread(low: float | None, high: float | None) -> str:
    """A 95 % interval.

    >>> spread(5.21, 7.1), spread(0.0, float("inf")), spread(None, None)
    ('5.2–7.1', '0–∞', 'too few blocks for an interval')
    """
    return TOO_FEW if low is None or high is None else f"{number(low)}–{number(high)}"


def age(max_age: float | None) -> str:
    """CONN_MAX_AGE within a sentence.

    >>> age(0), age(60), age(None)
    ('0', '60 s', 'unlimited')
    """
    if max_age is None:
        return "unlimited"
    return f"{_exact(max_age)} s" if max_age else "0"


def setting(max_age: float | None) -> str:
    """CONN_MAX_AGE as settings spell it.

    >>> setting(60.0), setting(2592000.0), setting(0.5), setting(None)
    ('CONN_MAX_AGE = 60', 'CONN_MAX_AGE = 2592000', 'CONN_MAX_AGE = 0.5', 'CONN_MAX_AGE = None')
    """
    whole = int(max_age) if max_age is not None and float(max_age).is_integer() else max_age
    return f"CONN_MAX_AGE = {whole}"


def probability(p: float | None) -> str:
    """A p-value, with as many decimals as tables have.

    >>> probability(0.0029), probability(0.0004), probability(None)
    ('p = 0.003', 'p < 0.001', 'p unknown')
    """
    if p is None:
        return "p unknown"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004


def milliseconds(seconds: float) -> str:
    return f"{number(seconds * 1000)} ms"


def percent(share: float) -> str:
    """Only all of it is 100 %.

    >>> percent(0.99843), percent(0.99996), percent(0.95), percent(0.0025), percent(1.0)
    ('99.8 %', '>99.9 %', '95 %', '0.25 %', '100 %')
    """
    text = f"{_exact(share * 100)} %"
    return ">99.9 %" if share < 1 and text == "100 %" else text


def plural(count: int, noun: str) -> str:
    """A count with its noun, which may be a strategy.

    >>> plural(1, "block"), plural(8, "block"), plural(3, "strategy")
    ('1 block', '8 blocks', '3 strategies')
    """
    several = f"{noun[:-1]}ies" if noun.endswith("gy") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else several}"


def listing(words: Sequence[str]) -> str:
    """At least one word.

    >>> listing(["a"]), listing(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def seconds(value: float) -> str:
    """Short times in milliseconds.

    >>> seconds(0.0214), seconds(1.5)
    ('21.4 ms', '1.50 s')
    """
    return milliseconds(value) if value < 1 else f"{number(value)} s"
