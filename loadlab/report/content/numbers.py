"""How reports spell numbers and judgements: every format uses these words and no others.

A figure that is not there, or is not a finite number, is spelt as an en dash.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING

from loadlab.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.findings import Comparison, Estimate, Judgement, Place, Recommendation

MISSING = "–"
LEAK = "LEAK"
LEAK_UNKNOWN = "leak: cannot tell"
NOT_JUDGED = "not judged"
TOO_FEW = "too few blocks for an interval"
SIGNS: Mapping[Judgement, str] = {"better": "▲", "worse": "▼", "equivalent": "≈", "inconclusive": "?"}
PLACES: Mapping[Place, str] = {
    "recommended": "recommended",
    "runner_up": "runner-up",
    "baseline": "baseline",
    "sound": "sound",
    "over_limit": "no room",
    "unfit": "ruled out",
    "unmeasured": "not measured",
}
METRICS = {"throughput": "throughput", "p50": "p50 response", "p95": "p95 response", "p99": "p99 response"}


def writable(text: str) -> str:
    """The same text for a UTF-8 file: a lone surrogate, from a name that was no text, becomes a "?"."""
    return text.encode(errors="replace").decode()


def shown(value: object) -> object:
    """What a template prints: text without characters that act; markup that is already safe stays as it is."""
    return printable(value) if type(value) is str else value


def count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def figure(value: float | None) -> str:
    """A number with about three significant digits.

    >>> figure(12345.6), figure(12.34), figure(1.234), figure(0.0512), figure(0.0), figure(None)
    ('12,346', '12.3', '1.23', '0.051', '0', '–')
    """
    if value is None or not isfinite(value):
        return MISSING
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.001:  # noqa: PLR2004  below this, digits would be noise in every unit that reports use
        return "<0.001"
    if size < 0.1:  # noqa: PLR2004
        return f"{value:.2g}"
    return f"{value:,.{2 if size < 10 else 1 if size < 100 else 0}f}"  # noqa: PLR2004


def ratio(value: float | None) -> str:
    """A ratio to the baseline, e.g. "1.43×"."""
    return MISSING if value is None or not isfinite(value) else f"{figure(value)}×"


def paired_ratio(value: float | None) -> str:
    """As `ratio`, but "∞×" where the baseline served nothing."""
    return "∞×" if value == inf else ratio(value)


def spread(low: float | None, high: float | None) -> str:
    """A 95 % interval, e.g. "1.31 to 1.55", or "0.91 to ∞" where nothing bounds it; empty when there is none."""
    return "" if low is None or high is None else f"{_end(low)} to {_end(high)}"


def _end(value: float) -> str:
    return "∞" if value == inf else figure(value)


def with_spread(text: str, low: float | None, high: float | None) -> str:
    """E.g. "1.43× (1.31 to 1.55)"."""
    inside = spread(low, high)
    return f"{text} ({inside})" if inside else text


def ratio_of(comparison: Comparison | None) -> str:
    if comparison is None or comparison.ratio is None:
        return MISSING
    text = paired_ratio(comparison.ratio)
    return with_spread(text, comparison.low, comparison.high) if comparison.low is not None else f"{text} ({TOO_FEW})"


def estimate(value: Estimate | None) -> str:
    return MISSING if value is None else with_spread(figure(value.value), value.low, value.high)


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds with the unit, e.g. "4.21 ms"."""
    text = figure(None if seconds is None else seconds * 1000)
    return text if text == MISSING else f"{text} ms"


def seconds(value: float) -> str:
    return f"{_trimmed(figure(value))} s"


def percentage(share: float | None) -> str:
    """E.g. "99.9 %" or "5 %"; what is nearly all is not called all.

    >>> percentage(0.05), percentage(1.0), percentage(0.99999), percentage(None)
    ('5 %', '100 %', '>99.9 %', '–')
    """
    text = figure(None if share is None else share * 100)
    if share is not None and share < 1 and _trimmed(text) == "100":
        return ">99.9 %"
    return text if text == MISSING else f"{_trimmed(text)} %"


def _trimmed(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def probability(p: float | None) -> str:
    if p is None or not isfinite(p):
        return MISSING
    return "<0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004


def age(max_age: float | None) -> str:
    """CONN_MAX_AGE as a column is headed: "age 0", "age 60 s" or "age unlimited"."""
    if max_age is None:
        return "age unlimited"
    return "age 0" if max_age == 0 else f"age {max_age:,g} s"


def keep_alive(value: bool) -> str:  # noqa: FBT001  the value is the very thing that is spelt
    return f"keep-alive {'on' if value else 'off'}"


def plural(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def metric(name: str) -> str:
    return METRICS.get(name, name)


def python_number(value: float | None) -> str:
    """As Python spells it: whole ones without a point, unlimited as None.

    >>> python_number(None), python_number(2592000.0), python_number(0.5)
    ('None', '2592000', '0.5')
    """
    return str(int(value)) if value is not None and float(value).is_integer() else str(value)


def distance(round_trip_ms: float) -> str:
    """How far away the database was put, e.g. "round trip +5 ms"."""
    return f"round trip +{python_number(round_trip_ms)} ms"


def setting(recommend: Recommendation | None, name: str = "") -> str:
    """What is recommended: CONN_MAX_AGE as Django's settings spell it, or another strategy's `name`."""
    if recommend is None:
        return "No recommendation"
    if recommend.strategy != "max_age":
        return name or recommend.strategy
    return f"CONN_MAX_AGE = {python_number(recommend.max_age)}"


def rest_of_recommendation(recommend: Recommendation | None) -> str:
    """What belongs to it, e.g. " with health checks"; empty if nothing."""
    if recommend is None:
        return ""
    parts = ["health checks"] if recommend.conn_health_checks else []
    if recommend.strategy != "max_age" and "max_age" in recommend.parameters:
        parts.insert(0, f"CONN_MAX_AGE = {python_number(recommend.max_age)}")
    return f" with {' and '.join(parts)}" if parts else ""


def place(value: Place) -> str:
    return PLACES[value]
