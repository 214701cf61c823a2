"""What a run folder says of a project, for the fleet model; and what it says where it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from factories.made_runs import made_run
from factories.trials import Behaviour, case, strategy_case, trial

from loadlab.errors import UsageError
from loadlab.fleet.application import application_of_run, application_of_watch, spread_of
from loadlab.model.condition import OpenLoad
from loadlab.model.fleet import Dispatch, Distribution, Spread
from loadlab.model.holding import ClientSide, Holding, IdleBackends, MedianEstimate, OpeningCpu
from loadlab.model.samples import CpuSeconds
from loadlab.model.uses import Choices, GarbageCount, Uses
from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.case import Case
    from loadlab.model.samples import Trial

OPEN = OpenLoad(rate=20.0, arrivals="poisson")
ALWAYS_RECENT = Choices(idle=4, fixed=0.0, recent=1.0, longest_idle=0.0, count=200)


def exactly(value: float) -> MedianEstimate:
    return MedianEstimate(value=value, low=None, high=None, count=1)


HOLDING = Holding(
    used=IdleBackends(reading="pss", resident=exactly(2e6), private=exactly(1e6), page_tables=exactly(1e5), files=9.0),
    client=ClientSide(resident=exactly(3e4), files=1.0),
    opening=OpeningCpu(client=exactly(0.0025), database=exactly(0.003)),
)


def uses(hold: float = 0.01, requests: int = 100, **spread: object) -> Uses:
    return Uses(
        spread=Spread(requests=requests, **spread),  # type: ignore[arg-type]
        hold_seconds=Distribution(values=(hold,)),
        connect_seconds=Distribution(values=(0.004,)),
        process_choices=(ALWAYS_RECENT,),
        idle_backend_bytes=3e6,
    )


def ages(server: str, **changes: object) -> tuple[Case, Case]:
    closing, keeping = (case(server, age, open_load=OPEN, **changes) for age in (0, None))
    return closing, keeping


def kept(path: Path, *trials: Trial) -> Path:
    """A run of these trials, each of its own case."""
    made = made_run(path, blocks=1, cases=[each.case for each in trials])
    for each in trials:
        (order,) = (step.order for step in made.schedule.steps if made.schedule.cases[step.case] == each.case)
        sent = each.requests.ended if each.case.open_load else ()
        requests = replace(each.requests, due=sent, sent=sent)
        made.folder.add_trial(replace(each, block=made.schedule.steps[order].block, order=order, requests=requests))
    return path


def test_cpu_of_a_connect_is_the_difference_of_two_ages(tmp_path: Path) -> None:
    closing, keeping = ages("sync")
    opening = trial(closing, behaviour=Behaviour(opened=400, reused=0))
    reusing = trial(keeping, behaviour=Behaviour(opened=0, reused=400))
    folder = kept(
        tmp_path / "run",
        replace(opening, uses=uses(), cpu_seconds=CpuSeconds(app=1.2, database=2.0, generator=0.1)),
        replace(reusing, uses=uses(), cpu_seconds=CpuSeconds(app=0.4, database=None, generator=0.1)),
    )
    found = application_of_run(folder)
    assert found.app_cpu_per_connect == pytest.approx(0.8 / 400, rel=0.01)
    assert found.app_cpu_per_request == pytest.approx(0.4 / 400, rel=0.01)
    assert found.database_cpu_per_connect is None
    assert found.idle_backend_bytes == 3e6
    assert found.spreads["sync"].processes == Dispatch(recent=1.0, random=0.0)
    assert found.spreads["sync"].requests == 200


def test_memory_is_that_of_a_used_backend_and_its_client_where_a_run_measured_it(tmp_path: Path) -> None:
    folder = kept(tmp_path / "run", replace(trial(ages("sync")[1]), uses=uses()))
    assert application_of_run(folder).connection_bytes == 3e6
    RunFolder(folder).write_holding(HOLDING)
    found = application_of_run(folder)
    assert (found.idle_backend_bytes, found.client_bytes, found.connection_bytes) == (2.1e6, 3e4, 2.13e6)
    assert (found.app_cpu_per_connect, found.database_cpu_per_connect) == (0.0025, 0.003)


def test_without_both_ages_the_cpu_of_a_connect_is_not_known(tmp_path: Path) -> None:
    folder = kept(tmp_path / "run", replace(trial(ages("sync")[1]), uses=uses()))
    assert application_of_run(folder).app_cpu_per_connect is None


def test_hold_times_of_trials_count_by_their_requests(tmp_path: Path) -> None:
    few, many = (trial(each) for each in ages("sync"))
    folder = kept(
        tmp_path / "run",
        replace(few, uses=uses(hold=0.1, requests=20)),
        replace(many, uses=uses(hold=0.01, requests=180)),
    )
    held = application_of_run(folder).hold_seconds
    assert held.quantile(0.5) == pytest.approx(0.01, rel=0.3)
    assert held.quantile(0.99) == pytest.approx(0.1)


def test_garbage_lags_of_trials_come_together(tmp_path: Path) -> None:
    first, second = (trial(each) for each in ages("gevent"))
    folder = kept(
        tmp_path / "run",
        replace(first, uses=replace(uses(), garbage=(GarbageCount(after=1, collected=True, count=5),))),
        replace(second, uses=replace(uses(), garbage=(GarbageCount(after=2, collected=True, count=5),))),
    )
    lags = application_of_run(folder).spreads["gevent"].collected_after
    assert (lags[0], lags[-1]) == (1, 2)
    assert list(lags) == sorted(lags)


def test_an_open_load_counts_before_a_closed_one(tmp_path: Path) -> None:
    closed, opened = trial(case("sync", 0)), trial(ages("sync")[0])
    folder = kept(tmp_path / "run", replace(closed, uses=uses(hold=0.5)), replace(opened, uses=uses(hold=0.01)))
    found = application_of_run(folder)
    assert found.hold_seconds.values[-1] == pytest.approx(0.01)
    assert not found.closed_loop


def test_a_run_of_closed_loops_alone_says_so(tmp_path: Path) -> None:
    folder = kept(tmp_path / "run", replace(trial(case("sync", 0)), uses=uses(hold=0.5)))
    assert application_of_run(folder).closed_loop


def test_ages_count_before_pools_and_poolers(tmp_path: Path) -> None:
    """A pooler is quicker to connect to than PostgreSQL, and a pool's connections are no garbage."""
    closing = ages("sync")[0]
    pooled = replace(closing, strategy=strategy_case("sync", "pgbouncer").strategy)
    folder = kept(
        tmp_path / "run",
        replace(trial(closing), uses=uses(hold=0.01)),
        replace(trial(pooled), uses=uses(hold=0.5)),
    )
    assert application_of_run(folder).hold_seconds.values[-1] == pytest.approx(0.01)


def test_invalid_trials_are_named_with_the_source(tmp_path: Path) -> None:
    late = replace(trial(ages("sync")[0]), uses=uses(), state="invalid", reason="requests were sent late: by 9 ms")
    sound = replace(trial(ages("sync")[1]), uses=uses())
    found = application_of_run(kept(tmp_path / "run", late, sound))
    assert found.source.endswith("where 1 of 2 trials are invalid (requests were sent late)")


def test_a_mode_that_was_not_measured_is_one_clear_message(tmp_path: Path) -> None:
    folder = kept(tmp_path / "run", replace(trial(ages("sync")[0]), uses=uses()))
    with pytest.raises(UsageError, match="has not measured the server mode gevent, but sync"):
        application_of_run(folder, "gevent")
    with pytest.raises(UsageError, match="how requests spread in gevent"):
        spread_of(application_of_run(folder), "gevent")


def test_a_run_of_an_earlier_loadlab_is_one_clear_message(tmp_path: Path) -> None:
    folder = kept(tmp_path / "run", trial(ages("sync")[0]))
    with pytest.raises(UsageError, match="by an earlier loadlab"):
        application_of_run(folder)


def test_a_folder_without_a_run_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        application_of_run(tmp_path)


def test_a_run_of_damaged_trials_is_one_clear_message(tmp_path: Path) -> None:
    folder = kept(tmp_path / "run", replace(trial(ages("sync")[0]), uses=uses()))
    record = folder / "trials" / "0000.json"
    record.write_text(record.read_text().replace('"requests":100', '"requests":101'))
    with pytest.raises(UsageError, match="1 of its files are damaged"):
        application_of_run(folder)


def watched(path: Path, alias: dict[str, object], **changes: object) -> Path:
    document = {"aliases": {"default": {"requests": 9, **alias}}, "invalid": "", "mean_response_seconds": 0.2}
    path.write_text(json.dumps(document | changes))
    return path


def test_a_watch_gives_means_and_says_so(tmp_path: Path) -> None:
    known = {"mean_connect_seconds": 0.004, "mean_hold_seconds": 0.01}
    found = application_of_watch(watched(tmp_path / "watch.json", known))
    assert (found.connect_seconds.values, found.hold_seconds.values) == ((0.004,), (0.01,))
    assert found.spreads == {}
    assert "means" in found.source


def test_a_watch_of_kept_connections_takes_the_response_time(tmp_path: Path) -> None:
    """Where connections outlive their requests, no more is known than that a request holds one at most so long."""
    known = {"mean_connect_seconds": None, "earlier_connect_seconds": 0.005, "mean_hold_seconds": None}
    found = application_of_watch(watched(tmp_path / "watch.json", known))
    assert (found.connect_seconds.values, found.hold_seconds.values) == ((0.005,), (0.2,))
    assert "at most" in found.source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is not what loadlab watch --json prints"),
        ('{"aliases": {"default": 5}}', "is not what loadlab watch --json prints"),
        ('{"aliases": {"default": {"requests": null}, "other": {"requests": "x"}}}', "no connection was opened"),
        ('{"aliases": {}}', "nothing was counted"),
        ('{"aliases": {"default": {"requests": 1}}, "invalid": "in turn"}', "in turn"),
        ('{"aliases": {"default": {"requests": 1}}}', "no connection was opened"),
        ('{"aliases": {"default": {"mean_connect_seconds": 0.1}}}', "how long requests take"),
    ],
)
def test_an_unusable_watch_is_one_clear_message(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "watch.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        application_of_watch(path)
