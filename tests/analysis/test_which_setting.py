"""Which setting follows for a server mode: from counts alone, and nothing from counts that are not decisive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from every import every

from loadlab.analysis.which_setting import fate_of, which_setting
from loadlab.cli._behaviour_record import read_recording
from loadlab.model.behaviour import COUNTS, BehaviourRow, Recording, Scale, Setting
from loadlab.model.config import Config

if TYPE_CHECKING:
    from loadlab.model.which_setting import Choice, Effect, Fate, ServerAdvice, Stop

RECORDED: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "recorded" / "behaviour.json"
SCALE: Final = Scale()
REUSED: Final = dict.fromkeys(COUNTS, 0) | {"opened": 4, "reused": 76, "left_open": 4, "left_after_collection": 4}
LEAKED: Final = REUSED | {"opened": 80, "reused": 0, "left_open": 40, "left_after_collection": 0, "flood_failed": 40}
CLOSED: Final = REUSED | {"opened": 80, "reused": 0, "left_open": 0, "left_after_collection": 0}
HALF: Final = REUSED | {"opened": 41, "reused": 39}
FAILED: Final = REUSED | {"failed": 1}
GROWN: Final = REUSED | {"open_after_burst": 4, "open_after_bursts": 5}  # 4 threads
AGED: Final = Config(name="max_age", parameters={"max_age": 600, "conn_health_checks": False})
AT_ZERO: Final = Config(name="max_age", parameters={"max_age": 0, "conn_health_checks": False})
SERVER: Final = Config(name="gthread", parameters={"workers": 1, "keep_alive_seconds": 60, "threads": 4})


def row(
    counts: dict[str, int], *, keep_alive: bool = False, strategy: Config = AGED, exact: bool = True
) -> BehaviourRow:
    setting = Setting(server=SERVER, strategy=strategy, driver="psycopg2", keep_alive=keep_alive)
    spans = {name: (counts[name], counts[name]) for name in COUNTS}
    return BehaviourRow(setting=setting, repeats=1, spans=spans, exact=exact)


def advice(*rows: BehaviourRow) -> ServerAdvice:
    (only,) = which_setting(Recording(versions={}, rows=rows)).advice
    return only


@every(
    ("new", "kept", "fate"),
    [
        (REUSED, REUSED, "reused"),
        (LEAKED, REUSED, "kept by clients"),
        (LEAKED, GROWN, "kept by clients"),
        (LEAKED, LEAKED, "leaks"),
        (REUSED, LEAKED, "undecided"),
        (HALF, REUSED, "undecided"),
        (REUSED, HALF, "undecided"),
        (CLOSED, CLOSED, "undecided"),
        (GROWN, GROWN, "grows in pauses"),
        (GROWN, REUSED, "undecided"),
        (FAILED, REUSED, "fails"),
        (LEAKED, FAILED, "fails"),
    ],
)
def test_the_fate_of_a_kept_connection_follows_from_both_kinds_of_clients(
    new: dict[str, int], kept: dict[str, int], fate: Fate
) -> None:
    assert fate_of([row(new), row(kept, keep_alive=True)], SCALE) == fate


@every(("counts", "fate"), [(REUSED, "reused"), (LEAKED, "leaks"), (HALF, "undecided")])
def test_a_server_that_keeps_no_clients_needs_no_rows_of_kept_ones(counts: dict[str, int], fate: Fate) -> None:
    assert fate_of([row(counts)], SCALE) == fate


def test_a_record_without_quiet_spells_shows_no_growth() -> None:
    earlier = row(GROWN)
    spans = {name: span for name, span in earlier.spans.items() if not name.startswith("open_after")}
    assert fate_of([replace(earlier, spans=spans)], SCALE) == "reused"
    assert fate_of([row(GROWN | {"open_after_bursts": 4})], SCALE) == "reused"


def test_one_row_that_differs_leaves_the_fate_undecided() -> None:
    assert fate_of([row(REUSED), row(LEAKED)], SCALE) == "undecided"
    assert fate_of([], SCALE) == "undecided"


def test_counts_that_no_judge_confirms_decide_nothing() -> None:
    assert fate_of([row(REUSED, exact=False)], SCALE) == "undecided"
    assert fate_of([row(LEAKED, exact=False)], SCALE) == "undecided"


@every("name", ["left_open", "flood_failed"])
def test_either_garbage_or_a_refusal_in_the_flood_shows_a_leak(name: str) -> None:
    assert fate_of([row(REUSED | {name: REUSED[name] + 1})], SCALE) == "leaks"


@every(
    ("aged", "zero", "choice"),
    [
        (REUSED, CLOSED, "keep"),
        (LEAKED, CLOSED, "close"),
        (HALF, CLOSED, "close"),
        (FAILED, CLOSED, "close"),
        (FAILED, FAILED, "other server"),
    ],
)
def test_connections_are_kept_only_where_they_are_reused(
    aged: dict[str, int], zero: dict[str, int], choice: Choice
) -> None:
    assert advice(row(aged), row(zero, strategy=AT_ZERO)).choice == choice


def test_the_snippet_says_what_was_chosen() -> None:
    saved = REUSED | {"failed_after_restart": 4}
    (kept,) = advice(row(saved), row(CLOSED, strategy=AT_ZERO)).snippets
    assert '"CONN_MAX_AGE": 600' in kept.text
    assert '"CONN_HEALTH_CHECKS": True' in kept.text
    (closed,) = advice(row(LEAKED), row(CLOSED, strategy=AT_ZERO)).snippets
    assert closed.text == 'DATABASES["default"]["CONN_MAX_AGE"] = 0'
    assert advice(row(FAILED), row(FAILED, strategy=AT_ZERO)).snippets == ()


def test_health_checks_are_advised_only_where_they_saved_a_request() -> None:
    saved = REUSED | {"failed_after_restart": 4}
    assert advice(row(saved)).checks_help
    assert not advice(row(REUSED)).checks_help
    assert not advice(row(saved | {"failed_checked": 1})).checks_help


@every(
    ("abandoned", "still_open", "stop"),
    [(4, 4, "abandons"), (0, 4, "closes"), (2, 4, "abandons some"), (0, 0, "not known")],
)
def test_a_stop_closes_or_abandons_sessions_or_had_none(abandoned: int, still_open: int, stop: Stop) -> None:
    assert advice(row(REUSED | {"stop_abandoned": abandoned, "open_at_stop": still_open})).stop == stop


def test_a_stop_may_depend_on_whether_clients_keep_their_connection() -> None:
    closed, abandoned = REUSED | {"open_at_stop": 4}, REUSED | {"open_at_stop": 4, "stop_abandoned": 4}
    assert advice(row(closed), row(abandoned, keep_alive=True)).stop == "abandons kept clients'"
    assert advice(row(abandoned), row(closed, keep_alive=True)).stop == "abandons some"


def test_what_stays_open_at_age_zero_is_said() -> None:
    assert advice(row(REUSED), row(CLOSED, strategy=AT_ZERO)).left_at_zero == 0
    assert advice(row(REUSED), row(CLOSED | {"left_open": 8}, strategy=AT_ZERO)).left_at_zero == 8


def test_what_waits_for_a_sweep_is_not_lost_but_what_floods_is() -> None:
    sweep = Config(name="reap_dead_threads", parameters={"max_age": None})
    waits = CLOSED | {"left_open": 4}
    assert advice(row(LEAKED), row(waits, strategy=sweep)).tried[0].effect == "ends leak"
    assert advice(row(LEAKED), row(waits | {"flood_failed": 1}, strategy=sweep)).tried[0].effect == "no help"


@every(
    ("counts", "effect"),
    [(REUSED, "reuses"), (GROWN, "no help"), (CLOSED, "ends leak"), (LEAKED, "no help"), (FAILED, "no help")],
)
def test_a_fix_is_said_to_do_what_it_did(counts: dict[str, int], effect: Effect) -> None:
    fix = Config(name="close_on_thread_exit", parameters={"max_age": None})
    (tried,) = advice(row(LEAKED), row(counts, strategy=fix)).tried
    assert (tried.strategy, tried.effect) == (fix, effect)


@every(("peak", "effect"), [(5, "bounds"), (6, "no help")])
def test_a_pooler_bounds_connections_if_its_size_was_never_exceeded(peak: int, effect: Effect) -> None:
    pooler = Config(name="pgbouncer", parameters={"pool_size": 5, "max_age": 0})
    (tried,) = advice(row(LEAKED), row(CLOSED | {"peak": peak}, strategy=pooler)).tried
    assert tried.effect == effect


def test_a_strategy_that_cannot_work_in_a_mode_says_why() -> None:
    impossible = {one.strategy: one.why for one in advice(row(REUSED)).impossible}
    assert impossible.keys() >= {"leased_threads", "geventpool"}
    assert "pool" not in impossible
    assert all(impossible.values())


def test_a_server_mode_without_rows_is_uncounted_and_an_unknown_one_is_left_out() -> None:
    strange = row(REUSED)
    strange = replace(strange, setting=replace(strange.setting, server=Config(name="nonesuch")))
    found = which_setting(Recording(versions={}, rows=(row(REUSED), strange)))
    assert [one.server.name for one in found.advice] == ["gthread"]
    assert "sync" in found.uncounted
    assert not {"gthread", "nonesuch"} & set(found.uncounted)


@pytest.fixture(scope="module")
def recorded() -> dict[str, ServerAdvice]:
    return {one.server.name: one for one in which_setting(read_recording(RECORDED)).advice}


@every(
    ("mode", "fate", "choice"),
    [
        ("sync", "reused", "keep"),
        ("gthread", "reused", "keep"),
        ("threaded", "kept by clients", "close"),
        ("gevent", "kept by clients", "close"),
        ("asgi", "leaks", "close"),
    ],
)
def test_the_record_decides_what_has_been_advised_since_2013(
    recorded: dict[str, ServerAdvice], mode: str, fate: Fate, choice: Choice
) -> None:
    assert (recorded[mode].fate, recorded[mode].choice) == (fate, choice)


def test_the_record_says_which_fixes_reuse_connections_where_they_leak(recorded: dict[str, ServerAdvice]) -> None:
    def reusing(mode: str) -> set[str]:
        return {one.strategy.name for one in recorded[mode].tried if one.effect == "reuses"}

    assert reusing("asgi") == {"leased_threads", "pool"}
    assert reusing("gevent") == {"geventpool", "pool"}
    assert reusing("threaded") == {"pool"}
