"""What speaks against a case, in a clause."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from loadlab.model.reasons import Fails, Harm, Leaks, LeakUnknown, OverLimit, Refused, Silent, Unmeasured
from loadlab.report import numbers
from loadlab.report.prose.needs import arithmetic

if TYPE_CHECKING:
    from loadlab.model.reasons import Objection


def clause(objection: Objection | None) -> str:
    """With its figures, e.g. "leaks, 94 open, only 8 usable"; empty where nothing speaks against a case."""
    figures = _figures(objection)
    return ", ".join(filter(None, (short(objection), figures)))


@singledispatch
def short(objection: Objection | None) -> str:
    """Without the figures that a table has in other columns."""
    if objection is not None:
        raise TypeError(f"no clause for {objection.kind}")
    return ""


@short.register(Unmeasured)
def _unmeasured(_: Unmeasured) -> str:
    return "no complete trial"


@short.register(Leaks)
def _leaks(_: Leaks) -> str:
    return "leaks"


@short.register(Refused)
def _refused(objection: Refused) -> str:
    return refused(objection.attempts)


@short.register(Silent)
def _silent(objection: Silent) -> str:
    return f"served nothing in {objection.trials} of {numbers.plural(objection.tried, 'trial')}"


@short.register(Fails)
def _fails(objection: Fails) -> str:
    return f"{numbers.percentage(objection.share)} of requests failed"


@short.register(LeakUnknown)
def _leak_unknown(_: LeakUnknown) -> str:
    return "too few connections were opened to tell whether it leaks"


@short.register(OverLimit)
def _over_limit(_: OverLimit) -> str:
    return "needs more connections than production allows"


def _figures(objection: Objection | None) -> str:
    if isinstance(objection, Leaks):
        return leak(objection)
    return arithmetic(objection.need) if isinstance(objection, OverLimit) else ""


def leak(found: Leaks) -> str:
    """What shows it: more open after each burst or than are usable, or else what the garbage collector had to close."""
    if found.bursts:
        return f"{', '.join(map(numbers.count, found.bursts))} open after bursts with pauses"
    if found.collected:
        return f"only the garbage collector closed {numbers.plural(found.collected, 'connection')}"
    usable = "" if found.usable is None else f", only {numbers.count(found.usable)} usable"
    return f"{numbers.count(found.held)} open{usable}"


def refused(attempts: int) -> str:
    return f"{numbers.plural(attempts, 'connection attempt')} refused"


def harm(found: Harm) -> tuple[str, str]:
    """What kept connections do, as a verb and its figures."""
    attempts = refused(found.refused)
    if found.leak:
        figures = leak(found.leak)
        return "leak", f"{figures}, {attempts}" if found.refused else figures
    if found.effect == "refused":
        return "use up PostgreSQL's limit", attempts
    if found.effect == "silent":
        return "block requests", f"served nothing in {numbers.plural(found.silent_trials, 'trial')}"
    return "make requests fail", f"{numbers.count(found.failures)} of {numbers.plural(found.requests, 'request')}"
