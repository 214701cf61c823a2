"""Says in words what a watch has seen."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from loadlab.model.holders import Holder
from loadlab.model.metrics import CONNECTION, UnitKind
from loadlab.model.observation import WatchedLeak
from loadlab.report import numbers
from loadlab.report.content.gates import TITLE, as_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.model.observation import Age, AliasObservation, Observation
    from loadlab.report.content.gates import GateLine

LEAKS: Final[Mapping[WatchedLeak, str]] = {
    WatchedLeak.YES: "yes",
    WatchedLeak.NO: "no",
    WatchedLeak.UNUSED: "cannot tell: nothing used the database; watch while there are requests",
    WatchedLeak.BEGUN_ANEW: "cannot tell: the counters have only just been reset; watch longer",
    WatchedLeak.TOO_FEW_OPENED: "cannot tell: too few connections were opened; watch longer",
    WatchedLeak.STILL_GROWING: "cannot tell: more connections are open than at first, perhaps because more threads or"
    " requests are active; watch longer",
}
UNITS: Final[Mapping[UnitKind, str]] = {
    UnitKind.TASK: "tasks",
    UnitKind.MESSAGE: "messages",
    UnitKind.OTHER: "other work",
}
LEAKING: Final = "YES: connections stay open that no request can find again"
FIND: Final = "; `loadlab connections` with the same --metrics says whose they are"
UNKNOWN: Final = Holder.UNKNOWN.label
IN_TURN: Final = (
    "several hosts or services answer in turn at this address, so these counts belong to none of them. Name the"
    " address of one host with --metrics"
)
ASSUMPTION: Final = (
    "Expected if requests arrive at random and threads serve many of them, as under sync and gthread. Where each"
    " request has its own thread or greenlet (runserver, gevent, ASGI), no request finds a kept connection."
)


def as_json(observation: Observation, gates: Sequence[GateLine] = ()) -> str:
    """All figures; `leak` and `invalid` in words, and beside them as a code."""
    document = asdict(observation)
    for alias, seen in observation.aliases.items():
        document["aliases"][alias] |= {"leak": LEAKS[seen.leak], "leak_kind": seen.leak}
    required = [as_plain(one.result) for one in gates]
    return json.dumps(document | {"invalid": why_invalid(observation), "gates": required}, indent=1)


def why_invalid(observation: Observation) -> str:
    """Why there are no figures, and what to do; empty where there are."""
    return IN_TURN if observation.invalid else ""


def as_text(observation: Observation, gates: Sequence[GateLine] = ()) -> str:
    readings = numbers.plural(observation.readings, "reading")
    lines = [f"Watched for {numbers.seconds(observation.seconds)}, {readings}{_remarks(observation)}."]
    if observation.invalid:
        return "\n".join([*lines, "", f"Not valid: {why_invalid(observation)}."])
    for alias, seen in observation.aliases.items():
        lines += ["", f"{alias}", *(f"  {line}".rstrip() for line in _alias(seen))]
    lines += ["", *_judge(observation)]
    if gates:
        lines += ["", TITLE, *(f"  {one.sentence}" for one in gates)]
    return "\n".join(lines).rstrip()


def _remarks(observation: Observation) -> str:
    remarks = []
    if observation.gaps:
        remarks.append(f"{observation.gaps} without a response")
    if observation.resets:
        remarks.append(f"counters were reset {_times(observation.resets)}")
    return f" ({', '.join(remarks)})" if remarks else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _alias(seen: AliasObservation) -> Iterator[str]:
    seconds = seen.seconds or 1.0
    first, highest, last = map(numbers.count, seen.open)
    reused = (
        "none used the database"
        if seen.share_reused is None
        else f"{numbers.percentage(seen.share_reused)} reused a connection"
    )
    yield f"requests     {numbers.figure(seen.requests / seconds)}/s, {reused}"
    yield from _units(seen, seconds)
    opened = f"{numbers.count(seen.opened)}, {numbers.figure(seen.opened / seconds)}/s"
    yield f"opened       {opened}{_each(seen.mean_connect_seconds)}"
    yield f"open         {first} at first, {highest} at most, {last} at last{_of_which(seen)}"
    if set(seen.holders) - {UNKNOWN}:
        yield f"held by      {_counts(seen.holders)}"
    yield f"closed       {_counts(seen.closed)}"
    if seen.errors:
        yield f"errors       {_counts(seen.errors)}"
    if seen.pool:
        wait = "" if seen.mean_wait_seconds is None else f", {numbers.milliseconds(seen.mean_wait_seconds)} to get one"
        size, available, waiting = (numbers.count(seen.pool[key]) for key in ("size", "available", "waiting"))
        yield f"pool         {available} of {size} to lend, {waiting} wait{wait}"
    yield f"leak         {_leak(seen)}"
    yield from _ages(seen)


def _units(seen: AliasObservation, seconds: float) -> Iterator[str]:
    """A line for each kind of work beside requests that there was."""
    for kind, words in UNITS.items():
        found = [seen.units.get(f"{kind.label}_{connection}", 0) for connection in CONNECTION]
        if used := sum(found):
            share = numbers.percentage(found[-1] / used)
            yield f"{words:<12} {numbers.figure(used / seconds)}/s, {share} reused a connection"


def _of_which(seen: AliasObservation) -> str:
    """How many of the open ones leaked, where the project tells."""
    if seen.leaked is None:
        return ""
    _, most, last = seen.leaked
    if not most:
        return "" if UNKNOWN in seen.holders else ", none leaked"
    at_least = "at least " if UNKNOWN in seen.holders else ""
    earlier = f"; {numbers.count(most)} at most" if most > last else ""
    return f", of which {at_least}{numbers.count(last)} leaked (thread ended{earlier})"


def _leak(seen: AliasObservation) -> str:
    leaked = seen.leaked[-1] if seen.leaked else 0
    if seen.leak is WatchedLeak.YES:
        return f"{LEAKING}{FIND if leaked else ''}"
    if seen.leak is WatchedLeak.NO and leaked:
        return f"no: {numbers.count(leaked)} of ended threads may wait for the garbage collector{FIND}"
    return LEAKS[seen.leak]


def _each(mean_connect_seconds: float | None) -> str:
    return "" if mean_connect_seconds is None else f", {numbers.milliseconds(mean_connect_seconds)} each"


def _counts(counts: dict[str, int]) -> str:
    return (
        ", ".join(f"{name} {numbers.count(count)}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
        or "none"
    )


def _ages(seen: AliasObservation) -> Iterator[str]:
    if not seen.requests:
        yield "other ages   follow from the rate of requests, and there were none"
        return
    if not seen.ages:
        yield "other ages   say --threads (workers × threads that serve) to see what each CONN_MAX_AGE would give"
        return
    yield ""
    yield "CONN_MAX_AGE   reused   opened/s   connecting"
    for age in seen.ages:
        reused, opened = numbers.percentage(age.reused), numbers.figure(age.opened_per_second)
        yield f"{numbers.age(age.max_age):<12}  {reused:>7}  {opened:>9}   {_connecting(age)}"
    if seen.mean_connect_seconds is None and seen.earlier_connect_seconds is not None:
        mean = numbers.milliseconds(seen.earlier_connect_seconds)
        yield f"No connect was seen; {mean} is the mean of all earlier ones."
    yield ASSUMPTION


def _connecting(age: Age) -> str:
    seconds = age.connecting_seconds_per_second
    return "no connect was seen" if seconds is None else f"{numbers.milliseconds(seconds)} per second"


def _judge(observation: Observation) -> Iterator[str]:
    if observation.sessions is None or observation.difference is None:
        return
    alone = len(observation.aliases) == 1
    counted = f"PostgreSQL counted {numbers.plural(observation.sessions, 'session')} in that time"
    if observation.difference == 0:
        yield f"{counted}: exactly as many as {'were' if alone else 'the alias default has'} opened."
        return
    more = "more" if observation.difference > 0 else "fewer"
    who, others = ("the project", "") if alone else ("the alias default", ", and other aliases of it,")
    yield (
        f"{counted}; {who} opened {numbers.count(abs(observation.difference))} {more}. Other clients of the"
        f" database{others} are in its count and not in {'the project' if alone else 'that alias'}'s, and the two were"
        " read a moment apart."
    )
