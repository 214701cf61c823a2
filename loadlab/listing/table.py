"""A listing as a table of plain text, with the verdict on top: for a page, a terminal and a management command."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from loadlab.leak_causes import verdict
from loadlab.listing.rows import process_title, sections, unit_title
from loadlab.model.durations import elapsed
from loadlab.model.holders import UNHELD, Holder
from loadlab.model.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from loadlab.listing.rows import Section
    from loadlab.model.open_connections import Connections, Listing, OpenConnection, Session

    Column = tuple[str, Callable[[Connections], str]]

MISSING: Final = "–"
CUT: Final = "…"
WIDEST_CELL: Final = 48
NARROWEST: Final = 20  # to which sentences are wrapped
MOST_ROWS: Final = 15  # of a section, unless each connection is asked for
GAP: Final = "  "


def as_text(listing: Listing, by: str = "holder", *, each: bool = False, width: int | None = None) -> str:
    """The verdict, what could not be told, and a section for each holder, opener or process.

    With `each`, every connection has a separate row. Sentences are wrapped at `width` characters, and rows cut there.
    """
    said = [*verdict(listing).split("\n"), *_limit(listing), *listing.notes]
    lines = said if width is None else [line for sentence in said for line in wrap(sentence, max(width, NARROWEST))]
    if listing.connections:
        lines += ["", *(_cut(line, width) for line in _table(listing, by, each=each))]
    return "\n".join(map(printable, lines))


def _limit(listing: Listing) -> Iterator[str]:
    if listing.limit is not None:
        yield (
            f"The database accepts {listing.limit:,} sessions in all, of every database and program;"
            f" {len(listing.connections):,} {'is' if len(listing.connections) == 1 else 'are'} listed here."
        )


def _table(listing: Listing, by: str, *, each: bool) -> Iterator[str]:
    columns = _columns(listing, by)
    heads = [head for head, _ in columns]
    found = sections(listing.connections, by, each=each)
    shown = [[_cells(columns, row) for row in section.rows[: None if each else MOST_ROWS]] for section in found]
    widths = _widths(heads, [cells for rows in shown for cells in rows])
    yield _line(heads, widths)
    for section, rows in zip(found, shown, strict=True):
        yield f"{one_line(section.title)}: {section.count:,}"
        yield from (_line(cells, widths) for cells in rows)
        yield from _left_out(section, len(rows))


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Of each column; 0 of one that says nothing in any row."""
    columns = zip(heads, *rows, strict=True)
    return [max(map(len, (head, *cells))) if any(cells) else 0 for head, *cells in columns]


def _columns(listing: Listing, by: str) -> list[Column]:
    """Those that tell something here, what a narrow terminal may cut off last."""
    aliases = len({one.alias for one in listing.connections}) > 1
    columns: list[Column | None] = [
        ("", _count),
        None if by == "holder" else ("holder", lambda row: row[0].holder.title),
        ("alias", lambda row: row[0].alias) if aliases else None,
        None if by == "opener" else ("opened by", lambda row: _unit(row[0], unit_title(row[0].opened_by))),
        ("last used by", _used_by),
        ("open for", lambda row: _span([one.opened_seconds for one in row])),
        ("unused for", lambda row: _span([_unused(one) for one in row])),
        ("served", _served),
        ("database", _database) if listing.asked else None,
        ("thread", lambda row: row[0].thread_name),
        None if by == "process" else ("process", lambda row: _one_or_count(row, _process, "processes")),
        ("backend", lambda row: _one_or_count(row, _backend, "backends")),
        ("client", _client) if listing.asked else None,
        ("remarks", lambda row: "; ".join(_remarks(row[0]))),
    ]
    return [column for column in columns if column is not None]


def _cells(columns: Iterable[Column], row: Connections) -> list[str]:
    return [_cut(one_line(read(row)), WIDEST_CELL) for _, read in columns]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True) if width)
    return f"{GAP}{GAP.join(padded)}".rstrip()


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else f"{text[: width - 1]}{CUT}"


def _left_out(section: Section, rows: int) -> Iterator[str]:
    if left := sum(map(len, section.rows[rows:])):
        yield f"{GAP}… and {left:,} more, in {len(section.rows) - rows:,} rows: --all shows each"


def _count(row: Connections) -> str:
    return f"{len(row):,}×" if len(row) > 1 else ""


def _unit(one: OpenConnection, title: str) -> str:
    return MISSING if one.holder in UNHELD else title


def _used_by(row: Connections) -> str:
    one = row[0]
    if one.used_by is None:
        return MISSING
    return "the same" if one.used_by == one.opened_by else unit_title(one.used_by)


def _one_or_count(row: Connections, read: Callable[[OpenConnection], str], noun: str) -> str:
    found = dict.fromkeys(map(read, row))
    return next(iter(found)) if len(found) == 1 else f"{len(found):,} {noun}"


def _process(one: OpenConnection) -> str:
    return MISSING if one.holder in UNHELD else process_title(one)


def _backend(one: OpenConnection) -> str:
    return str(one.backend) if one.backend else MISSING


def _unused(one: OpenConnection) -> float | None:
    """Since when no unit of work has begun to use it; of one that is in use, that is no idleness."""
    return None if one.holder is Holder.IN_USE else one.used_seconds


def _span(seconds: Sequence[float | None]) -> str:
    known = [one for one in seconds if one is not None]
    if not known:
        return MISSING
    least, most = elapsed(min(known)), elapsed(max(known))
    return least if least == most else f"{least} to {most}"


def _served(row: Connections) -> str:
    if row[0].holder in UNHELD:
        return MISSING
    least, most = min(one.served for one in row), max(one.served for one in row)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _database(row: Connections) -> str:
    """What the database says of alike connections: their state, and the oldest transaction."""
    session = row[0].session
    if session is None:
        return MISSING
    ages = [one.session.transaction_seconds for one in row if one.session is not None]
    oldest = max((age for age in ages if age is not None), default=0.0)
    transaction = f"transaction for {elapsed(oldest)}" if oldest >= 1 else ""
    return ", ".join(filter(None, [session.state or "state hidden", transaction, _waits(session)]))


def _waits(session: Session) -> str:
    """What it waits for; that an idle one waits for its client goes without saying."""
    return "" if not session.wait or session.wait == CLIENT_READ else f"waits for {session.wait}"


def _client(row: Connections) -> str:
    session = row[0].session
    if session is None:
        return ""
    said = f"{session.user}@{session.client}".strip("@")
    return f"{said} ({session.application})" if session.application else said


def _remarks(one: OpenConnection) -> Iterator[str]:
    if one.kept:
        yield "something refers to it"
    if one.apart:
        yield "made apart"
    if one.answered:
        yield "used after the view returned"
    if one.unended:
        yield "an end of work was not told"
    if one.shared_with:
        yield f"shared with {', '.join(map(str, one.shared_with))}"


CLIENT_READ: Final = "Client:ClientRead"
