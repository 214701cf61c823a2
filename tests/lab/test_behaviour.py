"""What a recording of behaviours is, when a new pass departs from it, and how both are shown."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from every import every

from loadlab import cli
from loadlab.claims import CLAIMS
from loadlab.cli._behaviour_record import as_json, read_recording
from loadlab.errors import UsageError
from loadlab.lab.behaviour import settings
from loadlab.lab.worker_behaviour import worker_settings
from loadlab.model.behaviour import (
    COUNTS,
    Behaviour,
    BehaviourFigure,
    ClaimReport,
    Recording,
    Scale,
    Setting,
    merged,
    rows_of,
)
from loadlab.model.behaviour_changes import allowed, changed_cells, leeway, ranged
from loadlab.model.config import Config
from loadlab.plan.members import build_strategy, server_traits
from loadlab.report.behaviour import COMMAND, as_markdown
from loadlab.report.counted import RANGED
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from loadlab.model.behaviour import BehaviourRow

RECORDED: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "recorded"
SETTING: Final = Setting(
    server=Config(name="sync", parameters={"workers": 2}),
    strategy=Config(name="max_age", parameters={"max_age": None}),
    driver="psycopg2",
    keep_alive=False,
)
KEPT: Final = dict.fromkeys(COUNTS, 2) | {"failed": 0, "reused": 78, "flood_failed": 0, "failed_later": 0}
LEAKING: Final = KEPT | {"opened": 80, "reused": 0, "peak": 60, "left_open": 56, "left_after_collection": 0}


def behaviour(counts: dict[str, int], **changes: Any) -> Behaviour:
    fields = {"exact": True, "flood_errors": {}, "flood_words": "", **counts, **changes}
    return Behaviour(setting=SETTING, **fields)


def row(*repeats: dict[str, int]) -> BehaviourRow:
    (only,) = rows_of([behaviour(counts) for counts in repeats])
    return only


def recording(*rows: BehaviourRow, claims: tuple[ClaimReport, ...] = ()) -> Recording:
    return Recording(versions={"django": "5.2"}, rows=rows, claims=claims)


def departed(before: BehaviourRow, now: BehaviourRow) -> list[str]:
    return [one.cell for one in changed_cells(recording(before), recording(now), [SETTING.id])]


def test_a_row_has_the_span_of_each_count_over_its_repeats() -> None:
    both = row(KEPT | {"peak": 2}, KEPT | {"peak": 4})
    assert (both.repeats, both.spans["peak"], both.spans["opened"]) == (2, (2, 4), (2, 2))


def test_where_everything_opened_stays_open_no_cell_is_ranged() -> None:
    assert [name for name in COUNTS if ranged(row(KEPT), name)] == []


def test_only_what_depends_on_garbage_is_a_range_in_a_leak() -> None:
    flooded = row(LEAKING | {"flood_failed": 40})
    assert [name for name in COUNTS if ranged(flooded, name)] == ["peak", "left_open"]


def test_under_a_sweep_open_connections_are_a_range() -> None:
    swept = row(LEAKING)
    assert {"warm", "open_at_stop", "open_at_kill", "kill_abandoned"} <= {
        name for name in COUNTS if ranged(swept, name)
    }
    assert not any(ranged(swept, name) for name in ("opened", "reused", "failed", "left_after_collection"))


def test_partly_reused_connections_have_a_range_of_openings() -> None:
    mixed = row(KEPT | {"opened": 8, "reused": 72})
    assert ranged(mixed, "opened")
    assert ranged(mixed, "reused")


def test_what_differs_between_repeats_is_ranged() -> None:
    assert ranged(row(KEPT, KEPT | {"warm": 1}), "warm")


@every("name", COUNTS)
def test_a_cell_that_must_be_exact_departs_by_one(name: str) -> None:
    assert name in departed(row(KEPT), row(KEPT | {name: KEPT[name] + 1}))


@every("flood_failed", [0, 40])
@every("sign", [-1, 1])
def test_a_ranged_cell_has_its_leeway_and_no_more(flood_failed: int, sign: int) -> None:
    counts = LEAKING | {"flood_failed": flood_failed}
    before = row(counts)
    most = leeway(before, "peak", Scale())
    assert departed(before, row(counts | {"peak": counts["peak"] + most * sign})) == []
    assert departed(before, row(counts | {"peak": counts["peak"] + (most + 1) * sign})) == ["peak"]


def test_a_leak_closed_by_the_collector_may_vary_by_half_the_requests() -> None:
    assert allowed(row(LEAKING | {"flood_failed": 40}), "left_open", Scale()) == (16, 96)
    assert allowed(row(LEAKING), "left_open", Scale()) == (48, 64)


def test_all_that_leaked_may_be_open_where_only_the_collector_closes_it() -> None:
    seldom = {"left_open": 24, "peak": 38}
    assert allowed(row(LEAKING | seldom | {"flood_failed": 40}), "left_open", Scale()) == (0, 80)
    assert allowed(row(LEAKING | seldom), "left_open", Scale()) == (16, 32)


def test_counts_that_no_longer_reconcile_are_departures() -> None:
    before = rows_of([behaviour(KEPT, flood_errors={"too_many_connections": 40})])[0]
    now = rows_of([behaviour(KEPT, exact=False, flood_errors={"pool_timeout": 40})])[0]
    found = list(changed_cells(recording(before), recording(now), [SETTING.id]))
    assert [str(one) for one in found] == [
        f"{SETTING.id}: exact was on, and is off",
        f"{SETTING.id}: flood_errors was too_many_connections, and is pool_timeout",
    ]
    assert departed(now, before) == ["exact", "flood_errors"]


def test_a_row_that_is_new_or_gone_is_a_departure() -> None:
    other = replace(row(KEPT), setting=replace(SETTING, keep_alive=True))
    found = list(changed_cells(recording(row(KEPT)), recording(other), [other.setting.id]))
    assert [(one.row, one.recorded, one.found) for one in found] == [
        (other.setting.id, "not there", "there"),
        (SETTING.id, "there", "not there"),
    ]


def test_a_named_case_that_no_longer_holds_is_a_departure() -> None:
    def report(*, holds: bool) -> ClaimReport:
        figure = BehaviourFigure(figure="failed", published="1", measured="1", holds=holds)
        return ClaimReport(name="one", summary="s", source="s", figures=(figure,))

    before = recording(claims=(report(holds=True),))
    assert list(changed_cells(before, recording(claims=(report(holds=True),)), [])) == []
    (found,) = changed_cells(before, recording(claims=(report(holds=False),)), [])
    assert str(found) == "one: failed was 1 (holds), and is 1 (does not hold)"


def counted_in(server: str, strategy: str) -> bool:
    """Whether any variant of the strategy has rows in this mode, if it fits."""
    return SERVERS[server].usual or any(not one.usual_servers for one in STRATEGIES[strategy].variants)


def test_every_strategy_has_a_row_for_each_mode_and_kind_of_client() -> None:
    there = {(one.server.name, one.strategy.name, one.keep_alive) for one in settings()}
    # What changes no count has no row, nor what depends on instants, or cannot be had with the recorded versions.
    uncounted = {"scram_key", "recycle_workers", "async_backend", "max_age_with_timeouts"}
    counted = [name for name in STRATEGIES if STRATEGIES[name].variants]
    pairs = [pair for pair in product(SERVERS, counted) if counted_in(*pair)]
    clients = {name: (False, True) if SERVERS[name].keeps_clients else (False,) for name in SERVERS}
    wanted = {(server, strategy, keep) for server, strategy in pairs for keep in clients[server]}
    assert {name for _, name, _ in there} == set(counted) == set(STRATEGIES) - uncounted
    assert there <= wanted
    for server, strategy, keep_alive in wanted - there:
        modes = [one.server for one in settings() if one.server.name == server]
        fits = [
            STRATEGIES[strategy]().incompatible(server_traits(modes[0], driver)) for driver in ("psycopg2", "psycopg")
        ]
        assert None not in fits, (server, strategy, keep_alive)


def test_every_mode_is_counted_with_kept_and_with_closed_connections() -> None:
    ages: dict[str, set[object]] = {name: set() for name in SERVERS}
    for one in settings():
        if one.strategy.name == "max_age":
            ages[one.server.name].add(one.strategy.parameters["max_age"])
    assert ages == {name: {0, 600, None} for name in SERVERS}


def test_no_row_is_incompatible_or_there_twice() -> None:
    ids = [one.id for one in settings()]
    assert len(ids) == len(set(ids))
    for one in settings():
        assert build_strategy(one.strategy).incompatible(server_traits(one.server, one.driver)) is None


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    figure = BehaviourFigure(figure="f", published="p", measured="m", holds=True)
    claim = ClaimReport(name="one", summary="s", source="s", figures=(figure,))
    written = recording(row(KEPT, LEAKING), claims=(claim,))
    path = tmp_path / "recorded.json"
    path.write_text(as_json(written))
    assert read_recording(path) == written
    assert json.loads(path.read_text())["schema"] == 1


def test_a_recording_with_earlier_names_is_read(tmp_path: Path) -> None:
    written = recording(row(KEPT, LEAKING))
    path = tmp_path / "recorded.json"
    path.write_text(as_json(written).replace('"claims"', '"cases"').replace('"django"', '"Django"'))
    assert {"cases", "versions"} <= json.loads(path.read_text()).keys()
    assert read_recording(path) == written


def test_an_update_adds_the_versions_of_a_new_members_packages() -> None:
    counted = replace(recording(row(KEPT, LEAKING)), versions={"django": "5.2", "granian": "2.8"})
    updated = merged(recording(), counted, [row(KEPT, LEAKING).setting.id])
    assert updated.versions == {"django": "5.2", "granian": "2.8"}
    assert len(updated.rows) == 1


def test_an_update_replaces_the_counted_rows_and_drops_dead_ones() -> None:
    def at(keep_alive: bool, counts: dict[str, int]) -> BehaviourRow:  # noqa: FBT001
        return replace(row(counts), setting=replace(SETTING, keep_alive=keep_alive))

    gone = replace(row(KEPT), setting=replace(SETTING, driver="psycopg"))
    before, now = recording(gone, at(True, KEPT), at(False, KEPT)), recording(at(True, LEAKING))  # noqa: FBT003
    order = [replace(SETTING, keep_alive=keep_alive).id for keep_alive in (False, True)]
    assert merged(before, now, order).rows == (at(False, KEPT), at(True, LEAKING))  # noqa: FBT003


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2, "versions": {}, "rows": []}'])
def test_an_invalid_recording_is_refused_with_a_way_to_make_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recorded.json"
    path.write_text(text)
    with pytest.raises(
        UsageError, match=r"is not a recording of behaviours: .*`loadlab behaviour --json FILE` writes one"
    ):
        read_recording(path)


def test_the_page_of_the_documentation_is_that_of_its_recording() -> None:
    assert (RECORDED / "behaviour.md").read_text() == as_markdown(read_recording(RECORDED / "behaviour.json"))


def test_the_recorded_behaviour_has_every_row_and_usual_ones_three_times() -> None:
    recorded = read_recording(RECORDED / "behaviour.json")
    assert recorded.complete
    counted = {one.setting.server.name for one in recorded.rows}
    assert counted >= {name for name in SERVERS if SERVERS[name].usual}
    assert [one.setting.id for one in recorded.rows] == [one.id for one in settings() if one.server.name in counted]
    assert {one.name for one in recorded.claims} == set(CLAIMS)
    times = int(COMMAND.split("--repeats ")[1].split()[0])
    assert {one.repeats for one in recorded.rows if SERVERS[one.setting.server.name].usual} == {times}
    assert all(1 <= one.repeats <= times for one in recorded.rows)
    assert [one.setting.id for one in recorded.rows if not one.exact or one.spans["failed"] != (0, 0)] == []


def test_only_the_page_of_a_pass_that_was_stopped_says_so() -> None:
    whole = recording(row(KEPT))
    stopped = replace(whole, complete=False)
    assert ["was stopped" in as_markdown(one) for one in (whole, stopped)] == [False, True]


def test_the_page_marks_the_cells_that_are_ranged() -> None:
    page = as_markdown(recording(row(LEAKING | {"flood_failed": 40})))
    assert f"\\{RANGED}60" in page
    assert f"\\{RANGED}80 /" not in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nothing*"], "Nothing matches nothing*. `loadlab behaviour --list` lists the ids"),
        (["--repeats", "0"], "--repeats must be 1 or more, not 0"),
        (["--check", "nowhere.json"], "nowhere.json cannot be read: No such file or directory"),
        (["--from", "nowhere.json"], "nowhere.json cannot be read: No such file or directory"),
        (["--update", "nowhere.json"], "nowhere.json cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_asked_for_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert cli.main(["behaviour", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err


def test_list_names_every_row_and_with_cases_every_case_and_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["behaviour", "--list", "--claims"]) == 0
    assert capsys.readouterr().out.split() == [*(one.id for one in settings()), *(f"claim/{name}" for name in CLAIMS)]


def test_list_names_every_row_of_workers_and_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["behaviour", "--list", "--workers", "--only", "worker/*"]) == 0
    assert set(capsys.readouterr().out.split()) <= {one.id for one in worker_settings()}


def test_a_recording_can_be_shown_without_counting(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, page = tmp_path / "recorded.json", tmp_path / "page.md"
    path.write_text(as_json(recording(row(KEPT))))
    assert cli.main(["behaviour", "--from", str(path), "--markdown", str(page)]) == 0
    assert "2 / 78" in capsys.readouterr().out
    assert page.read_text() == as_markdown(recording(row(KEPT)))
