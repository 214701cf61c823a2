"""Counts add up and subtract, and every identity between two sides that does not hold is named with both counts."""

from __future__ import annotations

from dataclasses import replace

from every import every
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from loadlab.model.counts import (
    COUNTERS,
    GAUGES,
    KEYED,
    KEYED_GAUGES,
    ConnectionCounts,
    Identity,
    Mismatch,
    PoolerCounts,
    SideCounts,
    added,
    reconcile,
)
from loadlab.model.samples import Connections, PoolerRecord
from loadlab.report.prose.mismatches import mismatch

NUMBERS = st.integers(0, 10**9)
BY_KEY = st.dictionaries(st.sampled_from(["max_age", "request_end", "process_exit"]), st.integers(1, 10**6))
BY_HOLDER = st.dictionaries(st.sampled_from(["leaked", "in_use", "idle"]), st.integers(1, 10**6))
COUNTS = st.builds(
    ConnectionCounts,
    **dict.fromkeys((*COUNTERS, *GAUGES), NUMBERS),
    **dict.fromkeys(KEYED, BY_KEY),
    **dict.fromkeys(KEYED_GAUGES, BY_HOLDER),
)


def test_every_field_is_a_counter_a_gauge_or_counted_by_key() -> None:
    assert sorted((*COUNTERS, *GAUGES, *KEYED, *KEYED_GAUGES)) == sorted(ConnectionCounts.__dataclass_fields__)


@given(COUNTS, COUNTS)
def test_what_was_added_is_subtracted_again_and_gauges_stay(earlier: ConnectionCounts, grown: ConnectionCounts) -> None:
    now = earlier + grown
    between = now - earlier
    assert all(getattr(between, name) == getattr(grown, name) for name in (*COUNTERS, *KEYED))
    assert between.gauges == now.gauges
    assert all(now.gauges[name] == earlier.gauges[name] + grown.gauges[name] for name in GAUGES)
    assert now.holders == added([earlier.holders, grown.holders])


@given(COUNTS)
def test_nothing_is_added_by_nothing_and_no_zero_is_kept(counts: ConnectionCounts) -> None:
    assert counts + ConnectionCounts() == counts == sum([counts], start=ConnectionCounts())
    assert (counts - counts).closed == {} == (counts - counts).connect_errors


def test_postgresql_judges_what_was_opened_and_what_is_open() -> None:
    ours = SideCounts(opened=7, open=3)
    assert reconcile(ours, SideCounts(opened=7, open=3)) == ()
    assert reconcile(ours, SideCounts(opened=9, open=2)) == (
        Mismatch(kind=Identity.SESSIONS, ours=7, theirs=9),
        Mismatch(kind=Identity.BACKENDS, ours=3, theirs=2),
    )


def test_a_side_that_was_not_asked_contradicts_nothing() -> None:
    assert reconcile(SideCounts(opened=7, open=3), SideCounts()) == ()
    assert reconcile(SideCounts(open=3), SideCounts(opened=9, open=3)) == ()


def test_a_pooler_judges_the_target_and_postgresql_the_pooler() -> None:
    pooler = PoolerCounts(
        clients_opened=8, clients_open=4, servers_opened=2, servers_open=1, waited_seconds=0.0, refused=0
    )
    assert reconcile(SideCounts(opened=8, open=4), SideCounts(opened=2, open=1), pooler) == ()
    kinds = [one.kind for one in reconcile(SideCounts(opened=7, open=3), SideCounts(opened=3, open=2), pooler)]
    assert kinds == [
        Identity.POOLER_CLIENTS_OPENED,
        Identity.POOLER_CLIENTS_OPEN,
        Identity.POOLER_SESSIONS,
        Identity.POOLER_BACKENDS,
    ]


REST = ConnectionCounts(opened=5, closed={"max_age": 2}, open=3)
STOP = ConnectionCounts(opened=5, closed={"max_age": 2, "process_exit": 3})


def connections(
    rest: ConnectionCounts = REST, stop: ConnectionCounts = STOP, pooler: PoolerRecord | None = None
) -> Connections:
    return Connections(
        window_start=ConnectionCounts(),
        window_end=rest,
        at_rest=rest,
        after_stop=stop,
        left_open=3,
        sessions=5,
        pooler=pooler,
    )


@every(
    ("rest", "stop", "kinds"),
    [
        (REST, STOP, []),
        (REST + ConnectionCounts(opened=1), STOP, [Identity.BALANCE_AT_REST]),
        (REST, STOP + ConnectionCounts(closed={"explicit": 1}), [Identity.BALANCE_AFTER_STOP]),
        (REST, STOP + ConnectionCounts(opened=1, open=1), [Identity.SESSIONS, Identity.NONE_AFTER_STOP]),
        (REST + ConnectionCounts(opened=1, open=1), STOP, [Identity.BACKENDS]),
    ],
)
def test_a_trial_names_each_identity_that_does_not_hold(
    rest: ConnectionCounts, stop: ConnectionCounts, kinds: list[Identity]
) -> None:
    assert [one.kind for one in connections(rest, stop).mismatches] == kinds


def test_behind_a_pooler_all_is_counted_when_the_target_has_stopped() -> None:
    at_rest = PoolerCounts(
        clients_opened=5, clients_open=3, servers_opened=4, servers_open=3, waited_seconds=0.0, refused=0
    )
    after_stop = PoolerCounts(
        clients_opened=5, clients_open=0, servers_opened=5, servers_open=0, waited_seconds=0.0, refused=0
    )
    assert connections(pooler=PoolerRecord(at_rest=at_rest, after_stop=after_stop)).mismatches == ()


def test_each_mismatch_has_words_with_both_counts() -> None:
    texts = [mismatch(Mismatch(kind=kind, ours=17, theirs=23)) for kind in Identity]
    assert all("17" in text and "23" in text for text in texts)
    assert len(set(texts)) == len(texts)


def test_a_record_is_written_as_it_always_was_and_read_again() -> None:
    rest = replace(REST, reused=9, waits=2, wait_seconds_sum=0.5, first_uses=5, connects=5, pool_size=4)
    written = TypeAdapter(Connections).dump_python(connections(rest), mode="json")
    assert written["at_rest"] == {
        "opened": 5,
        "reused": 9,
        "closed": {"max_age": 2},
        "open": 3,
        "connect_errors": {},
        "unsettled": 0,
        "connect_seconds_sum": 0.0,
        "waits": 2,
        "wait_seconds_sum": 0.5,
    }
    read = TypeAdapter(Connections).validate_python(written)
    assert read.at_rest == replace(rest, first_uses=0, connects=0, pool_size=0)


@every(("sessions", "kinds"), [(9, [Identity.SESSIONS]), (10, []), (12, []), (13, [Identity.SESSIONS])])
def test_an_attempt_that_was_cut_off_may_be_a_session_or_not(sessions: int, kinds: list[Identity]) -> None:
    found = reconcile(SideCounts(opened=10, open=0, cut_off=2), SideCounts(opened=sessions, open=0))
    assert [one.kind for one in found] == kinds


POOLED = PoolerCounts(
    clients_opened=10,
    clients_open=0,
    servers_opened=4,
    servers_open=0,
    waited_seconds=0.0,
    refused=0,
    clients_cut_off=1,
    servers_cut_off=1,
)


@every(
    ("opened", "sessions", "kinds"),
    [
        (10, 4, []),
        (9, 3, []),
        (11, 4, []),
        (8, 4, [Identity.POOLER_CLIENTS_OPENED]),
        (12, 4, [Identity.POOLER_CLIENTS_OPENED]),
        (10, 5, [Identity.POOLER_SESSIONS]),
        (10, 2, [Identity.POOLER_SESSIONS]),
    ],
)
def test_what_a_pooler_had_under_way_at_its_end_may_count_or_not(
    opened: int, sessions: int, kinds: list[Identity]
) -> None:
    found = reconcile(SideCounts(opened=opened, open=0), SideCounts(opened=sessions, open=0), POOLED)
    assert [one.kind for one in found] == kinds
