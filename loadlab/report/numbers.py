"""The only speller of numbers: terminal, HTML, Markdown, live page and every command take theirs from here.

One rule decides on digits, by size alone, so that a value has one spelling everywhere:

- below 4, two decimals: 1.01 is not 1.04, and one decimal would hide up to 5 % of a figure;
- below 100, one decimal: 4.6, 21.4;
- from 100 on, none: 143, 12,346;
- below 0.1, two significant digits, down to 0.001: 0.051, 0.0012.

A measured figure keeps its zeros (`5.0`), a number that a user has set loses them (`5 %`, `10 s`). Halves are rounded
away from zero. `assets/numbers.js` follows the same rule for axes and for samples that a browser receives unspelt.
A figure that does not exist, or is not finite, is spelt as an en dash. `model/durations` spells how long something
took, as projects need it too.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

from loadlab.model.durations import MINUTE
from loadlab.model.text import listed as listed  # noqa: PLC0414  reports have one speller, which has these too
from loadlab.model.text import plural as plural  # noqa: PLC0414
from loadlab.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.comparison import Comparison, Judgement
    from loadlab.model.findings import Estimate, Place, Recommendation
    from loadlab.model.gates import GateOutcome

MISSING: Final = "–"
LEAK: Final = "LEAK"
LEAK_UNKNOWN: Final = "leak: cannot tell"
NOT_JUDGED: Final = "not judged"
DECIDED_BY_COUNTS: Final = "decided by counts"
TOO_FEW: Final = "too few blocks for an interval"
SIGNS: Mapping[Judgement, str] = {"better": "▲", "worse": "▼", "equivalent": "≈", "inconclusive": "?"}
OUTCOME_SIGNS: Mapping[GateOutcome | str, str] = {"pass": "✓", "fail": "✗", "undecided": "?"}
PLACES: Mapping[Place, str] = {
    "recommended": "recommended",
    "runner_up": "runner-up",
    "baseline": "baseline",
    "sound": "eligible",
    "over_limit": "over the limit",
    "unfit": "ruled out",
    "unmeasured": "not measured",
}
METRICS: Final = {
    "throughput": "throughput",
    "p50": "p50 response time",
    "p95": "p95 response time",
    "p99": "p99 response time",
}
# Below each limit, so many decimals.
_LIMITS = (("0.01", 4), ("0.1", 3), ("4", 2), ("100", 1), ("Infinity", 0))
_DECIMALS: Final = tuple((Decimal(limit), places) for limit, places in _LIMITS)
_SMALLEST: Final = 0.001
_GIGABYTE: Final = 1e9
_GIBIBYTE: Final = 2.0**30


def writable(text: str) -> str:
    """The same text for a UTF-8 file: a lone surrogate, from a name that was no text, becomes a "?"."""
    return text.encode(errors="replace").decode()


def shown(value: object) -> object:
    """What a template prints: text without characters that act; markup that is already safe stays as it is."""
    return printable(value) if type(value) is str else value


def count(value: float | None) -> str:
    """A whole number, e.g. "12,346"."""
    return MISSING if value is None else f"{value:,.0f}"


def figure(value: float | None) -> str:
    """A measured number.

    >>> figure(12345.6), figure(12.34), figure(4.56), figure(1.004), figure(0.0512), figure(0.0), figure(None)
    ('12,346', '12.3', '4.6', '1.00', '0.051', '0', '–')
    """
    if value is None or not isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if abs(value) < _SMALLEST:
        return "<0.001"
    exactly = Decimal(str(float(value)))
    for limit, decimals in _DECIMALS:
        rounded = exactly.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        if abs(rounded) < limit:
            break
    return f"{rounded:,f}"


def exact(value: float | None) -> str:
    """A number that was set, such as a limit or a duration: without zeros after the point.

    >>> exact(10.0), exact(0.5), exact(4.25)
    ('10', '0.5', '4.3')
    """
    text = figure(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def ratio(value: float | None) -> str:
    """A ratio to a baseline, e.g. "4.6×"; "∞×" where the baseline served nothing."""
    return MISSING if value is None else f"{_end(value)}×"


def interval(low: float | None, high: float | None) -> str:
    """A 95 % interval; empty when there is none.

    >>> interval(4.31, 5.02), interval(0.9, float("inf")), interval(None, None)
    ('4.3–5.0', '0.90–∞', '')
    """
    return "" if low is None or high is None else f"{_end(low)}–{_end(high)}"


def _end(value: float) -> str:
    return "∞" if value == inf else figure(value)


def with_interval(text: str, low: float | None, high: float | None, *, without: str = "") -> str:
    """E.g. "4.6× (4.3–5.0)"; in place of an interval that does not exist, `without`."""
    inside = interval(low, high) or without
    return f"{text} ({inside})" if inside else text


def ratio_of(comparison: Comparison | None) -> str:
    if comparison is None or comparison.ratio is None:
        return MISSING
    return with_interval(ratio(comparison.ratio), comparison.low, comparison.high, without=TOO_FEW)


def estimate(value: Estimate | None) -> str:
    return MISSING if value is None else with_interval(figure(value.value), value.low, value.high)


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds with the unit, e.g. "4.2 ms"."""
    text = figure(None if seconds is None else seconds * 1000)
    return text if text == MISSING else f"{text} ms"


def seconds(value: float) -> str:
    """A duration that was set, e.g. "10 s"."""
    return f"{exact(value)} s"


def memory(value: float | None) -> str:
    """Bytes, from a thousand MB on in GB.

    >>> memory(2_400_000), memory(64e9), memory(None)
    ('2.40 MB', '64.0 GB', '–')
    """
    if value is None:
        return MISSING
    return f"{figure(value / 1e6)} MB" if value < _GIGABYTE else f"{figure(value / 1e9)} GB"


def gibibytes(value: float) -> str:
    """An amount of memory that was set, in the unit that it is sold in.

    >>> gibibytes(4 * 2.0**30), gibibytes(9.78e9)
    ('4 GiB', '9.1 GiB')
    """
    return f"{exact(value / _GIBIBYTE)} GiB"


def measured_time(value: float) -> str:
    """A measured time, below a second in milliseconds.

    >>> measured_time(0.0214), measured_time(1.5)
    ('21.4 ms', '1.50 s')
    """
    return milliseconds(value) if value < 1 else f"{figure(value)} s"


def minutes(value: float) -> str:
    """How long something takes that has not begun, to a tenth of a minute: "28 minutes", "0.2 minutes"."""
    return f"{exact(round(value / MINUTE, 1))} minutes"


def percentage(share: float | None) -> str:
    """E.g. "99.9 %" or "5 %"; what is nearly all is not called all.

    >>> percentage(0.05), percentage(1.0), percentage(0.99999), percentage(None)
    ('5 %', '100 %', '>99.9 %', '–')
    """
    text = exact(None if share is None else share * 100)
    if share is not None and share < 1 and text == "100":
        return ">99.9 %"
    return text if text == MISSING else f"{text} %"


def probability(p: float | None) -> str:
    """A p-value for a column, with three decimals.

    >>> probability(0.0029), probability(0.0004), probability(None)
    ('0.003', '<0.001', '–')
    """
    if p is None or not isfinite(p):
        return MISSING
    return "<0.001" if p < _SMALLEST else f"{p:.3f}"


def p_value(p: float | None) -> str:
    """The same within a sentence: "p = 0.003" or "p < 0.001"."""
    text = probability(p)
    if text == MISSING:
        return "p unknown"
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def age(max_age: float | None) -> str:
    """CONN_MAX_AGE within a sentence.

    >>> age(0), age(60), age(2592000), age(None)
    ('0', '60 s', '2,592,000 s', 'unlimited')
    """
    if max_age is None:
        return "unlimited"
    return seconds(max_age) if max_age else "0"


def age_heading(max_age: float | None) -> str:
    """CONN_MAX_AGE as a column is headed: "age 0", "age 60 s" or "age unlimited"."""
    return f"age {age(max_age)}"


def metric(name: str) -> str:
    return METRICS.get(name, name)


def python_number(value: float | None) -> str:
    """As Python spells it: whole ones without a point, unlimited as None.

    >>> python_number(None), python_number(2592000.0), python_number(0.5)
    ('None', '2592000', '0.5')
    """
    return str(int(value)) if value is not None and float(value).is_integer() else str(value)


def more_latency(round_trip_ms: float) -> str:
    """What was added to each round trip to the database, as a column is headed: "+5 ms"."""
    return f"+{python_number(round_trip_ms)} ms"


def max_age_setting(max_age: float | None) -> str:
    """CONN_MAX_AGE as settings spell it: "CONN_MAX_AGE = 60"."""
    return f"CONN_MAX_AGE = {python_number(max_age)}"


def setting(recommend: Recommendation | None, name: str = "") -> str:
    """What is recommended: CONN_MAX_AGE as Django's settings spell it, or another strategy's `name`."""
    if recommend is None:
        return "No recommendation"
    if recommend.strategy != "max_age":
        return name or recommend.strategy
    return max_age_setting(recommend.max_age)


def rest_of_recommendation(recommend: Recommendation | None) -> str:
    """What belongs to it, e.g. " with health checks"; empty if nothing."""
    if recommend is None:
        return ""
    parts = ["health checks"] if recommend.conn_health_checks else []
    if recommend.strategy != "max_age" and "max_age" in recommend.parameters:
        parts.insert(0, max_age_setting(recommend.max_age))
    return f" with {' and '.join(parts)}" if parts else ""


def place(value: Place) -> str:
    return PLACES[value]
