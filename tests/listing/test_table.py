"""The table: the verdict first, what hurts on top, alike connections in one row, nothing that acts on a terminal."""

from __future__ import annotations

from dataclasses import replace

from every import every
from factories.listings import CART, OUTSIDE, SHOP, connections, listing

from loadlab.listing.table import as_text
from loadlab.model.holders import Holder
from loadlab.model.open_connections import Session, Unit

WAITS = Session(
    state="idle in transaction", wait="Client:ClientRead", transaction_seconds=65.0, client="10.0.0.7", user="shop"
)


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n")]


def test_a_leak_is_told_and_then_shown_by_holder() -> None:
    idle = connections(2, Holder.IDLE, thread_name="MainThread", used_by=CART, opened_seconds=90.0, served=9)
    text = as_text(listing(idle, connections(3), asked=False))
    verdict, asked, blank, head, leaked, *rows = lines(text)
    assert verdict.startswith("3 of 5 open connections belong to greenlets that have ended")
    assert (asked.split(":")[0], blank) == ("The database was not asked", "")
    assert " ".join(head.split()) == "opened by last used by open for unused for served thread process backend"
    assert leaked == "dead thread: leaked: 3"
    assert " ".join(rows[0].split()) == "shop/<int:pk>/ the same 40 s 30 s 1 greenlet 100 1000"
    assert rows[3] == "live thread, idle: 2"
    assert " ".join(rows[4].split()) == "shop/<int:pk>/ cart/ 1 min 30 s 30 s 9 MainThread 100 1000"
    assert len(rows) == 6


def test_alike_connections_share_a_row_where_there_are_many() -> None:
    many = [replace(one, process=100 + one.backend % 4, opened_seconds=float(one.backend)) for one in connections(40)]
    few = connections(2, opened_by=CART)
    text = as_text(listing(many, few))
    (row,) = (line for line in lines(text) if line.startswith("  40×"))
    for cell in ("40×", "shop/<int:pk>/", "4 processes", "40 backends", "16 min 40 s to 17 min 19 s", "30 s"):
        assert cell in row
    assert any(line.startswith("  2×") and "cart/" in line for line in lines(text))
    assert sum("greenlet" in line for line in lines(as_text(listing(many, few), each=True))[1:]) == 42


def test_rows_beyond_what_fits_are_counted() -> None:
    routes = [connections(2, opened_by=Unit(kind="request", name=f"{n}/")) for n in range(20)]
    assert lines(as_text(listing(*routes)))[-1] == "  … and 10 more, in 5 rows: --all shows each"


def test_what_the_database_says_has_a_column_once_it_is_asked() -> None:
    waiting = connections(1, Holder.IDLE, session=WAITS)
    stranger = connections(1, Holder.NOT_OURS, opened_by=None, used_by=None, thread_name="", process=0, session=WAITS)
    text = as_text(listing(waiting, stranger))
    assert "idle in transaction, transaction for 1 min 5 s" in text
    assert "shop@10.0.0.7" in text
    (row,) = (line for line in lines(text) if line.startswith("  –"))
    assert "process 0" not in row
    assert " ".join(row.split()).startswith("– – 40 s 30 s – idle in transaction")


@every(
    ("by", "titles"),
    [
        ("opener", ["opened by shop/<int:pk>/: 2", "opened by cart/: 1"]),
        ("process", ["process 100: 3"]),
    ],
)
def test_connections_are_grouped_as_asked(by: str, titles: list[str]) -> None:
    text = as_text(listing(connections(1, opened_by=CART, opened_seconds=99.0), connections(2)), by)
    assert [line for line in lines(text) if line.split(": ")[0] in {title.split(": ")[0] for title in titles}] == titles
    assert "dead thread: leaked" in text


def test_marks_of_a_connection_are_remarked() -> None:
    odd = connections(1, kept=True, apart=True, answered=True, unended=True, shared_with=(7, 8))
    assert "something refers to it; made apart" in lines(as_text(listing(odd)))[-1]


def test_hosts_and_aliases_are_told_apart_where_there_are_several() -> None:
    found = listing(connections(1, host="web-1"), connections(1, host="web-2", alias="archive"))
    text = as_text(found)
    assert "web-1:100" in text
    assert "archive" in text


def test_nothing_open_is_said_in_a_sentence() -> None:
    assert as_text(listing()) == "No connection of this project is open."


def test_notes_follow_the_verdict() -> None:
    assert lines(as_text(listing(notes=("A pooler is in between.",))))[1] == "A pooler is in between."


@every("name", ["a\nb", "a\x1b[2Jb", "a\x07b\r\x00", "a\u202eb", "a\tb", "é" * 300])
def test_a_hostile_name_cannot_act_on_a_terminal(name: str) -> None:
    unit = Unit(kind="task", name=name)
    odd = connections(3, opened_by=unit, used_by=OUTSIDE, thread_name=name, session=replace(WAITS, application=name))
    whole = listing(odd, connections(1, alias=name), server=name)
    for by in ("holder", "opener", "process"):
        text = as_text(whole, by)
        assert all(line == "".join(filter(str.isprintable, line)) for line in lines(text))
        shown = len(lines(as_text(listing(odd, connections(1, opened_by=SHOP)), by)))
        assert len(lines(text)) <= shown + 1


def test_a_terminal_gets_sentences_wrapped_and_rows_cut() -> None:
    found = listing(connections(30), connections(2, opened_by=CART))
    text = as_text(found, width=60)
    sentences, _, rows = text.partition("\n\n")
    assert max(map(len, lines(text))) <= 60
    assert sentences.split() == as_text(found).partition("\n\n")[0].split()
    table = lines(rows)
    assert any(line.endswith("…") for line in table)
