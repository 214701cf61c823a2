"""What a kept connection costs, beside what an opening costs, and what idle connections do to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.report import numbers
from loadlab.report.content.table import Column, Table, number_columns, text_columns
from loadlab.report.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.model.comparison import Comparison
    from loadlab.model.findings import Findings
    from loadlab.model.holding import (
        BesideIdle,
        ClientSide,
        Holding,
        HoldingCosts,
        IdleBackends,
        IdleKind,
        KeptRows,
        MedianEstimate,
        Pays,
        UnknownHolding,
    )

MEGABYTE: Final = 1e6
TITLE: Final = "Keeping a connection"
NOT_MEASURED: Final = (
    "What a kept connection costs was not measured. Set holding = true in the plan, or run: loadlab run holding"
)
UNKNOWN: Final[Mapping[UnknownHolding, str]] = {
    "given": "What a kept connection costs is not known: loadlab reads the memory of its own PostgreSQL only.",
    "system": "What a kept connection costs is not known: it is read from Linux's /proc.",
}
READING: Final = {
    "pss": (
        "Memory is the proportional set size: what processes share is divided among them. Private memory is a part of"
        " it, and page tables are in neither. The kernel's buffers of sockets are in none of them."
    ),
    "private": (
        "This user may not read the proportional set size of PostgreSQL's processes. Memory is their private memory"
        " alone, without what they share."
    ),
}
IDLE: Final[Mapping[IdleKind, str]] = {
    "session": "an idle session",
    "has_read": "an idle transaction that has only read",
    "has_written": "an idle transaction that has written",
    "repeatable_read": "an idle transaction in REPEATABLE READ",
}


def costs(findings: Findings) -> Table:
    """Both costs at both ends; no rows where they are not known."""
    measured = findings.holding.measured if findings.holding else None
    return Table(
        caption="Opening a connection, and keeping it open: medians with 95 % intervals",
        columns=(*text_columns("Cost"), *number_columns("Client", "PostgreSQL", "Both")),
        rows=tuple(_rows(measured)) if measured else (),
    )


def _rows(measured: Holding) -> Iterator[tuple[str, ...]]:
    if opening := measured.opening:
        ends = (_milliseconds(opening.client), _milliseconds(opening.database))
        yield "CPU of an opening, and of its end", *ends, numbers.milliseconds(opening.both)
    for words, backends in (("a fresh one", measured.fresh), (_in_use(measured), measured.used)):
        if backends:
            yield f"Memory of {words}", *_memory(measured.client, backends)
            yield f"Private memory of {words}", numbers.MISSING, _bytes(backends.private), numbers.MISSING
            yield f"Page tables of {words}", numbers.MISSING, _bytes(backends.page_tables), numbers.MISSING
    if held := measured.connection_bytes:
        both = f"{numbers.figure(held / MEGABYTE)} MB·h"
        yield "Memory kept for an hour", numbers.MISSING, numbers.MISSING, both
    if files := _files(measured):
        yield "Open files", *files


def _in_use(measured: Holding) -> str:
    return f"one after {numbers.count(measured.requests)} requests"


def _memory(client: ClientSide | None, backends: IdleBackends) -> tuple[str, str, str]:
    both = backends.resident.value + (client.held if client else 0.0)
    return _bytes(client.resident) if client else numbers.MISSING, _bytes(backends.resident), numbers.memory(both)


def _files(measured: Holding) -> tuple[str, str, str] | None:
    backends = measured.used or measured.fresh
    ours = measured.client.files if measured.client else None
    theirs = backends.files if backends else None
    if ours is None and theirs is None:
        return None
    both = None if ours is None or theirs is None else ours + theirs
    return numbers.exact(ours), numbers.exact(theirs), numbers.exact(both)


def _milliseconds(value: MedianEstimate) -> str:
    return _with_ends(numbers.milliseconds(value.value), value, 1e3)


def _bytes(value: MedianEstimate) -> str:
    return _with_ends(f"{numbers.figure(value.value / MEGABYTE)} MB", value, 1 / MEGABYTE)


def _with_ends(text: str, value: MedianEstimate, scale: float) -> str:
    ends = (None if end is None else end * scale for end in (value.low, value.high))
    return numbers.with_interval(text, *ends)


def break_even(findings: Findings) -> Table:
    """From how many requests an age pays; no rows where a cost is not known."""
    pays = findings.holding.break_even if findings.holding else ()
    prices = [price for price, _ in pays[0].per_hour] if pays else []
    return Table(
        caption="Requests per hour and thread from which keeping pays, by how much memory costs as much as a core",
        columns=(*text_columns("CONN_MAX_AGE"), *number_columns(*map(numbers.gibibytes, prices))),
        rows=tuple((numbers.age(one.max_age), *(numbers.figure(rate) for _, rate in one.per_hour)) for one in pays),
    )


def beside_idle(findings: Findings) -> Table:
    """What idle connections of others do to each case, in the primary metric; no rows where none were held."""
    names, metric = Labels.of(findings), findings.run.primary_metric
    cpu = {one.case: one for one in findings.beside_idle}
    found = [one for one in findings.comparisons if one.question == "idle" and one.metric == metric]
    return Table(
        caption=(
            f"{numbers.metric(metric).capitalize()} while idle connections of others hold a share of max_connections,"
            " against none, paired by block"
        ),
        columns=(
            *text_columns("Case"),
            *number_columns("Ratio", "p (Holm)", "Blocks"),
            Column(title="Verdict", kind="judgement"),
            *number_columns("PostgreSQL's CPU per request"),
        ),
        rows=tuple((*_beside(names, one), _cpu(cpu.get(one.case))) for one in found),
    )


def _beside(names: Labels, one: Comparison) -> tuple[str, ...]:
    return (
        names.case(one.case),
        numbers.ratio_of(one),
        numbers.probability(one.p_holm),
        numbers.count(one.blocks),
        one.verdict,
    )


def _cpu(beside: BesideIdle | None) -> str:
    if beside is None or beside.cpu_ratio is None:
        return numbers.MISSING
    return numbers.with_interval(numbers.ratio(beside.cpu_ratio), beside.low, beside.high, without=numbers.TOO_FEW)


def sentences(findings: Findings) -> tuple[str, ...]:
    """What to know of these figures, or what would measure them; nothing of a run that could not have."""
    if findings.holding is None:
        return (NOT_MEASURED,) if findings.opens is not None else ()
    measured = findings.holding.measured
    if measured.unknown:
        return (UNKNOWN[measured.unknown],)
    backends = measured.used or measured.fresh
    read = (READING[backends.reading],) if backends else ()
    rate = tuple(map(_rate, findings.holding.break_even[:1]))
    rows = (_kept_rows(measured.kept_rows),) if measured.kept_rows else ()
    return (*_both(findings.holding), *read, *rate, *rows)


def _both(found: HoldingCosts) -> Iterator[str]:
    """The two costs in a sentence, and from where on one outweighs the other."""
    held, opening = found.measured.connection_bytes, found.measured.opening
    if held is None or opening is None or not found.break_even:
        return
    price, rate = found.break_even[-1].per_hour[0]
    yield (
        f"Opening a connection takes {numbers.measured_time(opening.both)} of CPU at both ends; keeping one for an hour"
        f" takes {numbers.figure(held / MEGABYTE)} MB·h. Where a core costs as much as {numbers.gibibytes(price)} of"
        f" memory, a connection that never expires pays from {numbers.figure(rate)} requests per hour and thread."
    )


def _rate(pays: Pays) -> str:
    cheaper, dearer = (numbers.gibibytes(price) for price, _ in pays.per_hour)
    return (
        f"How much memory costs as much as a core is an assumption: {cheaper} is what general-purpose cloud machines"
        f" have for each core, {dearer} is what the prices of AWS Fargate come to. Without an age, the rate is in"
        " inverse proportion to it."
    )


def _kept_rows(kept: tuple[KeptRows, ...]) -> str:
    told = [f"{numbers.count(one.kept)} beside {IDLE[one.idle]}" for one in kept]
    return (
        f"Old versions of {numbers.count(kept[0].rows)} updated rows that VACUUM had to keep: {numbers.listed(told)}."
    )
