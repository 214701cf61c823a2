"""What a target showed that is served elsewhere: there is nothing beside it, so nothing is recommended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.analysis.wording import milliseconds, number, percent, plural
from loadlab.model.config import spell
from loadlab.model.labels import load_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.model.findings import Arm

COMPARE: Final = (
    "It was measured as it is: this run alone recommends nothing. Deploy another CONN_MAX_AGE, run again, and"
    " loadlab compare sets both side by side."
)


def as_deployed(arms: Sequence[Arm]) -> tuple[str, ...]:
    """A sentence for each case with a complete trial, and what to do next."""
    measured = [arm for arm in arms if arm.trials]
    if not measured:
        return ("No trial is complete: nothing is known of the target.",)
    return (*(f"{arm.case.strategy}, {_load(arm)}: {', '.join(_facts(arm))}." for arm in measured), COMPARE)


def _load(arm: Arm) -> str:
    return f"{load_words(arm.case.users, arm.case.open_load)}, client keep-alive {spell(arm.case.keep_alive)}"


def _facts(arm: Arm) -> Iterator[str]:
    if arm.throughput:
        yield f"{number(arm.throughput.value)} requests/s"
    if arm.p50_seconds:
        yield f"median response {milliseconds(arm.p50_seconds.value)}"
    if arm.reuse is not None:
        yield f"{percent(arm.reuse)} of requests reused a connection"
    yield f"at most {plural(arm.peak, 'connection')} open"
    yield {"yes": "and they leak", "no": "and none seem to leak"}.get(
        arm.leak, "too few were opened to tell whether they leak"
    )
