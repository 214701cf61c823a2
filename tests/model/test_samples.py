"""What a trial's record says of itself: whether it counts, what was open, and the most at once."""

from __future__ import annotations

from dataclasses import replace

from every import every
from factories.plain import case, trial

from loadlab.model.causes import Cause
from loadlab.model.config import Config
from loadlab.model.counts import ConnectionCounts, PoolerCounts
from loadlab.model.samples import PoolerRecord, Recovery, Restart, Series, State, measured_for_good

AT_REST = PoolerCounts(clients_opened=5, clients_open=3, servers_opened=4, servers_open=2, waited_seconds=0, refused=0)


@every(
    ("state", "by_target", "causes", "outpaced", "unanswered"),
    [
        ("complete", False, (), False, False),
        ("invalid", False, (Cause.GENERATOR_BUSY,), False, False),
        ("invalid", True, (Cause.TASKS_DROPPED,), True, False),
        ("failed", True, (Cause.PROCESS_LOST,), False, False),
        ("failed", False, (Cause.UNANSWERED,), False, True),
        ("invalid", True, (Cause.UNANSWERED,), True, False),
    ],
)
def test_a_target_outpaced_is_invalid_and_one_that_is_silent_failed(
    state: State, causes: tuple[Cause, ...], *, by_target: bool, outpaced: bool, unanswered: bool
) -> None:
    seen = replace(trial(), state=state, by_target=by_target, causes=causes)
    assert (seen.outpaced, seen.unanswered) == (outpaced, unanswered)


def test_a_silent_trial_is_measured_again_until_its_case_has_answered() -> None:
    answered = trial(0)
    outpaced = replace(trial(1), state="invalid", by_target=True)
    spoilt = replace(trial(2), state="invalid")
    silent = replace(trial(3), state="failed", causes=(Cause.UNANSWERED,))
    stranger = replace(silent, case=case("gevent"))
    kept = measured_for_good([answered, outpaced, spoilt, silent, stranger])
    assert kept == [answered, outpaced, silent]
    assert measured_for_good([silent, stranger]) == []


def test_the_peak_is_the_most_while_loaded_or_at_rest() -> None:
    loaded = replace(trial(), series=Series(at=[0.0, 0.1], values={"open": [1.0, 7.0], "backends": [6.0, 2.0]}))
    assert loaded.peak == 7
    assert replace(loaded, connections=replace(loaded.connections, left_open=9)).peak == 9
    behind = replace(loaded.connections, pooler=PoolerRecord(at_rest=AT_REST, after_stop=AT_REST))
    assert replace(loaded, connections=behind).peak == 6


def test_a_series_has_its_quantities_by_their_earlier_names_too() -> None:
    old = Series(at=[0.0], values={"clients_waiting": [4.0], "longest_wait_seconds": [0.5]})
    assert (old.of("pooler_clients_waiting"), old.of("pooler_longest_wait_seconds")) == ([4.0], [0.5])
    assert list(old.of("backends")) == []


def test_connections_open_at_rest_are_postgresql_s_or_else_the_ledger_s() -> None:
    seen = replace(trial().connections, at_rest=ConnectionCounts(open=4), left_open=2)
    assert seen.open_at_rest == 2
    assert replace(seen, left_open=None).open_at_rest == 4
    assert replace(seen, left_open=0).open_at_rest == 0


def test_counts_are_exact_where_a_judge_has_confirmed_them() -> None:
    seen = trial().connections
    assert (seen.judged, seen.exact) == (True, True)
    unasked = replace(seen, sessions=None, left_open=None)
    assert (unasked.mismatches, unasked.judged, unasked.exact) == ((), False, False)
    contradicted = replace(seen, sessions=4)
    assert (contradicted.judged, contradicted.exact) == (True, False)


def test_a_target_that_goes_on_balances_from_what_was_open_before() -> None:
    rest = ConnectionCounts(opened=5, closed={"max_age": 4}, open=3)
    goes_on = replace(
        trial().connections,
        at_rest=rest,
        after_stop=rest,
        sessions=5,
        left_open=3,
        open_before=2,
        stopped=False,
    )
    assert goes_on.mismatches == ()
    assert [one.kind for one in replace(goes_on, open_before=1).mismatches] == ["balance_since"]


def test_counts_in_the_window_are_what_grew_in_it() -> None:
    start = ConnectionCounts(opened=2, reused=3, open=2)
    seen = replace(trial().connections, window_start=start, window_end=ConnectionCounts(opened=7, reused=9, open=4))
    assert seen.in_window == ConnectionCounts(opened=5, reused=6, open=4)


def test_a_pooler_has_counted_all_when_the_target_is_gone() -> None:
    gone = replace(AT_REST, clients_opened=6, servers_opened=5, clients_open=0, servers_open=0)
    assert PoolerRecord(at_rest=AT_REST, after_stop=gone).final == replace(gone, clients_open=3, servers_open=2)


@every(
    ("change", "concerned"),
    [
        ({"users": 99}, True),
        ({"scenario": "read_write"}, True),
        ({"round_trip_ms": 5.0}, True),
        ({"keep_alive": True}, False),
        ({"strategy": Config(name="pool")}, False),
        ({"server": Config(name="gevent")}, False),
    ],
)
def test_a_restart_concerns_each_load_of_its_mode_and_strategy(change: dict[str, object], *, concerned: bool) -> None:
    recovery = Recovery(warm=2, failed=2, failed_later=0, warm_checked=2, failed_checked=0)
    restart = Restart(case=case(), recovery=recovery)
    assert restart.concerns(replace(case(), **change)) is concerned  # type: ignore[arg-type]
