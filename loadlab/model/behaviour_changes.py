"""What differs between two recordings of behaviour, and how far a cell may be from its record."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from loadlab.model.behaviour import BehaviourFigure, Recording, Row, Scale, Span
from loadlab.model.config import spell


@dataclass(frozen=True, kw_only=True, slots=True)
class CellChange:
    """A cell that is not as it was recorded."""

    row: str
    cell: str
    recorded: str
    found: str

    def __str__(self) -> str:
        return f"{self.row}: {self.cell} was {self.recorded}, and is {self.found}"


def ranged(row: Row, name: str) -> bool:
    """Whether a cell depends on the order of events, so that a pass may differ from the last and nothing has changed.

    What has differed between repeats does, and so does what only happens not to have. The peak, unless no connection
    was closed during the load. How many were opened, where some were reused and others closed. What was left open,
    where some of it was garbage: how much of that there is depends on when Python last collected. And all that was
    open at some point, where something besides the collection closes what was left behind.
    """
    low, high = row.spans[name]
    if low != high:
        return True
    left, after = _left(row)
    match name:
        case "peak":
            return not _steady(row)
        case "opened" | "reused":
            looked = row.spans.get("idle_opened", (0, 0)) != (0, 0)  # a worker, meanwhile
            return looked or (not _steady(row) and row.spans["reused"] != (0, 0))
        case "left_open":
            return left != after
        case "failed" | "failed_later" | "flood_failed" | "left_after_collection":
            return False
        case _:
            return left != after and row.spans["flood_failed"] == (0, 0)


def _left(row: Row) -> tuple[Span, Span]:
    """What was left open, and after a collection of garbage; a worker is not asked to collect any."""
    left = row.spans["left_open"]
    return left, row.spans.get("left_after_collection", left)


def _steady(row: Row) -> bool:
    """Whether everything that the load opened stayed open."""
    return row.spans["opened"] == row.spans["left_open"] == _left(row)[1]


def leeway(row: Row, name: str, scale: Scale) -> int:
    """By how much a ranged cell may be outside its record.

    Where only the collection closes what has leaked, half of the requests: every version of Python has other thresholds
    for it. Elsewhere as many as there are clients: each can be one connection early or late.
    """
    return scale.requests // 2 if _until_collected(row, name) else scale.clients


def _until_collected(row: Row, name: str) -> bool:
    """Whether a cell counts what has leaked and nothing but a collection closes."""
    left, after = _left(row)
    return name in {"peak", "left_open"} and left != after and row.spans["flood_failed"] != (0, 0)


def allowed(row: Row, name: str, scale: Scale) -> Span:
    """From where to where a new pass may be: the recorded span, with the leeway of a ranged cell.

    What nothing but a collection closes may be all that was opened. On a busy machine threads end late, and what they
    leave is no garbage yet when Python collects.
    """
    low, high = row.spans[name]
    if not ranged(row, name):
        return low, high
    more = leeway(row, name, scale)
    most = row.spans["opened"][1] if _until_collected(row, name) else 0
    return max(0, low - more), max(high + more, most)


def changed_cells(recorded: Recording, found: Recording, there: Collection[str]) -> Iterator[CellChange]:
    """Each cell of `found` that is not as it was recorded; rows that were not recorded, or that are no more `there`."""
    known = {row.setting.id: row for row in _all_rows(recorded)}
    for row in _all_rows(found):
        before = known.get(row.setting.id)
        if before is None:
            yield CellChange(row=row.setting.id, cell="the row", recorded="not there", found="there")
        else:
            yield from _changed_cells_of(before, row, recorded.scale)
    for gone in (name for name in known if name not in there):
        yield CellChange(row=gone, cell="the row", recorded="there", found="not there")
    yield from _changed_claims(recorded, found)


def _all_rows(recording: Recording) -> list[Row]:
    return [*recording.rows, *recording.workers]


def _changed_claims(recorded: Recording, found: Recording) -> Iterator[CellChange]:
    """Figures of claims are words; what must stay as it is recorded is whether they hold."""
    known = {(claim.name, figure.figure): figure for claim in recorded.claims for figure in claim.figures}
    for claim in found.claims:
        for figure in claim.figures:
            before = known.get((claim.name, figure.figure))
            if before is None or before.holds != figure.holds:
                was = "not there" if before is None else _held(before)
                yield CellChange(row=claim.name, cell=figure.figure, recorded=was, found=_held(figure))


def _held(figure: BehaviourFigure) -> str:
    return f"{figure.measured} ({'holds' if figure.holds else 'does not hold'})"


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What two sets of versions do not have in common.

    >>> differences({"Django": "5.2", "gevent": "26"}, {"Django": "6.1", "gevent": "26", "psycopg": "3"})
    ['Django 5.2 → 6.1', 'psycopg none → 3']
    """
    pairs = {name: (before.get(name, "none"), now.get(name, "none")) for name in {**before, **now}}
    return [f"{name} {was} → {is_now}" for name, (was, is_now) in pairs.items() if was != is_now]


def _changed_cells_of(before: Row, now: Row, scale: Scale) -> Iterator[CellChange]:
    for name in now.spans:
        if name not in before.spans:
            continue
        low, high = allowed(before, name, scale)
        if now.spans[name][0] < low or now.spans[name][1] > high:
            yield CellChange(row=now.setting.id, cell=name, recorded=spelt((low, high)), found=spelt(now.spans[name]))
    for name in ("exact", "flood_errors"):
        was, is_now = getattr(before, name, None), getattr(now, name, None)  # a worker is not flooded
        if was != is_now:
            yield CellChange(row=now.setting.id, cell=name, recorded=_shown(was), found=_shown(is_now))


def _shown(value: bool | tuple[str, ...] | None) -> str:  # noqa: FBT001  a cell's value
    return spell(value) if isinstance(value, bool) else ", ".join(value or ()) or "none"


def spelt(span: Span) -> str:
    """A span as tables write it.

    >>> spelt((8, 8)), spelt((6, 9))
    ('8', '6–9')
    """
    low, high = span
    return str(low) if low == high else f"{low}–{high}"
