"""Every scenario, by itself as a Locust file and by its name in a trial, and what each of them is there to show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

import pytest
from laboratory import PLAN, Quiet, in_longer_windows
from patience import PATIENCE_SECONDS

from loadlab.instrumentation.counters import CounterSet
from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.environment import environment
from loadlab.lab.opening import open_lab
from loadlab.plan.experiment import read_plan
from loadlab.plan.members import config_of
from loadlab.plan.scenarios import SCENARIO_FOLDER, scenarios
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from loadlab.lab.application import ServedApplication
    from loadlab.model.samples import Trial

AT_A_TIME: Final = 3
LOOKED_AT: Final = ("mixed", "multi_database", "reconnecting_clients", "steps")
MIXED: Final = {"/entries/[number]/", "/entries/[number]/visit/", "/slow/", "/no-database/"}
STANDALONE: Final = ("--headless", "--only-summary", "--json", "--users", "4", "--spawn-rate", "4")
# The first is enough, unless the machine is so busy that hardly anything is answered.
RUN_SECONDS: Final = (1, 3, 9, 27, 54)
LONG_RUN_SECONDS: Final = (2, 6, 18, 54)  # for what takes several requests of a user, or several seconds
# How each scenario is tried by its name: so that what it is there to show shows; by default with gthread.
TRIALS: Final[Mapping[str, Mapping[str, Any]]] = {
    **{name: {"server": "asgi"} for name in ("async_gather", "async_orm", "async_stream", "async_threads", "stream")},
    "burst": {"max_age": 1.0, "workers": 1, "threads": 2, "window_seconds": 4.0},
    "multi_database": {"max_age": 0},
    "reconnecting_clients": {"server": "gevent", "max_age": 60, "keep_alive": True},
    "steps": {"server": "threaded", "users": 4, "keep_alive": True, "window_seconds": 3.6},
    "think_time": {"server": "sync", "workers": 2, "users": 8, "fewest": 1},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """How Locust ended, by itself, and its statistics for each name."""

    code: int
    statistics: list[dict[str, Any]]
    stderr: str

    @property
    def names(self) -> set[str]:
        return {entry["name"] for entry in self.statistics}

    @property
    def requests(self) -> int:
        return sum(entry["num_requests"] for entry in self.statistics)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApplication]:
    """The sample app with its own database: trials are alone on theirs. No scenario leaks under uvicorn at age 0."""
    folder = tmp_path_factory.mktemp("site")
    with open_lab(PLAN, None, folder, Quiet()) as lab:
        target = ServerSetup(
            server=config_of(SERVERS, "asgi", {}, "server"),
            strategy=config_of(STRATEGIES, "max_age", {"max_age": 0}, "strategy"),
            database=lab.database,
            ledgers=folder / "ledgers",
            project=lab.project,
        )
        with serving(target, lab.register, folder / "server.log") as application:
            yield application


def started(scenario: str, host: str, folder: Path, *options: str, seconds: int = 2) -> subprocess.Popen[str]:
    """Locust, as its users start it: with nothing of the lab but the file."""
    argv = [sys.executable, "-m", "locust", "-f", str(SCENARIO_FOLDER / f"{scenario}.py"), "--host", host]
    return subprocess.Popen(
        [*argv, *STANDALONE, "--run-time", f"{seconds}s", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SCENARIO_FOLDER.parent)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(locust: subprocess.Popen[str]) -> Said:
    with locust:
        try:
            stdout, stderr = locust.communicate(timeout=PATIENCE_SECONDS)
        finally:
            locust.kill()
    return Said(code=locust.returncode, statistics=json.loads(stdout) if stdout.strip() else [], stderr=stderr)


def heard(scenario: str, host: str, folder: Path, *options: str, enough: Callable[[Said], bool]) -> Said:
    """What a scenario says in the shortest run in which it says enough, or fails."""
    for seconds in LONG_RUN_SECONDS if scenario in {"mixed", "steps"} else RUN_SECONDS:
        said = outcome(started(scenario, host, folder, *options, seconds=seconds))
        if said.code or enough(said):
            break
    return said


def enough_of(scenario: str) -> Callable[[Said], bool]:
    """Whether a run had all that tests look for."""
    if scenario == "mixed":
        return lambda said: said.names == MIXED
    if scenario == "steps":
        return lambda said: len(steps_of(said)) > 1
    return lambda said: said.requests > 0


def steps_of(said: Said) -> list[list[str]]:
    """The rows of the table that `steps` prints."""
    lines = said.stderr.splitlines()
    table = [line.partition("INFO/steps: ")[2].split() for line in lines if "INFO/steps: " in line]
    return table[1:]


@pytest.fixture(scope="module")
def said(site: ServedApplication, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Said]:
    """What scenarios said that several tests look at, each run by itself, a few at a time."""
    folder = tmp_path_factory.mktemp("locust")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        said = pool.map(lambda name: heard(name, site.url, folder, enough=enough_of(name)), LOOKED_AT)
        return dict(zip(LOOKED_AT, said, strict=True))


@pytest.fixture
def alone(site: ServedApplication, said: dict[str, Said], tmp_path: Path) -> Callable[[str], Said]:
    """What a scenario said, run by itself."""

    def of(name: str) -> Said:
        return said[name] if name in said else heard(name, site.url, tmp_path, enough=enough_of(name))

    return of


@pytest.fixture(scope="module")
def tried(trial: Any) -> Callable[[str], Trial]:
    """A trial of a scenario, once for all tests that look at it."""

    @cache
    def once(name: str) -> Trial:
        usual = {"server": "gthread", "max_age": None, "window_seconds": 0.5}
        result: Trial = trial(scenario=name, **{**usual, **TRIALS.get(name, {})})
        return result

    return once


@pytest.mark.process
@pytest.mark.parametrize(
    "name", [one if one in LOOKED_AT else pytest.param(one, marks=pytest.mark.slow) for one in scenarios()]
)
def test_a_scenario_runs_alone_under_locust_and_no_request_of_it_fails(alone: Callable[[str], Said], name: str) -> None:
    """By default those that have options or print; that each file runs at all is tried by its name, below."""
    said = alone(name)
    assert said.code == 0, said.stderr
    assert said.requests > 0
    assert sum(entry["num_failures"] for entry in said.statistics) == 0
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_runs_by_its_name_and_its_counts_reconcile(tried: Callable[[str], Trial], name: str) -> None:
    result = tried(name)
    assert (result.state, result.reason) == ("complete", "")
    assert result.failures == ()
    assert result.connections.mismatches == ()


@pytest.mark.process
def test_mixed_asks_for_all_that_a_site_is_asked_for(said: dict[str, Said]) -> None:
    assert said["mixed"].names == MIXED


@pytest.mark.process
def test_mixed_asks_for_nothing_whose_weight_is_0(site: ServedApplication, tmp_path: Path) -> None:
    names = {"/entries/[number]/", "/no-database/"}
    weights = [f"--mixed-{name}=0" for name in ("read-one", "read-write", "slow-query")]
    said = heard("mixed", site.url, tmp_path, *weights, enough=lambda said: said.names == names and said.requests > 2)
    assert said.code == 0, said.stderr
    counts = {entry["name"]: entry["num_requests"] for entry in said.statistics}
    assert counts.keys() == names
    assert counts["/entries/[number]/"] == 1  # the idle one's, of four
    assert counts["/no-database/"] > 1


def test_reconnecting_clients_find_no_kept_connection_under_gevent(tried: Callable[[str], Trial]) -> None:
    result = tried("reconnecting_clients")
    assert result.connections.after_stop.opened > 0
    assert result.connections.after_stop.reused == 0


def test_clients_that_reconnect_every_fourth_request_reuse_three_times(
    site: ServedApplication, trial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.lab.generator.abandon()  # the next one is started with this in its environment
    monkeypatch.setenv("LOADLAB_SCENARIO_RECONNECT_EVERY", "4")
    result = trial("gevent", scenario="reconnecting_clients", max_age=None, keep_alive=True, users=2)
    trial.lab.generator.abandon()
    stopped = result.connections.after_stop
    # Three of four; without the last ones of two users, which no user waited for.
    assert 0 <= 3 * stopped.opened - stopped.reused <= 6


def test_users_who_think_leave_connections_pinned_that_do_nothing(tried: Callable[[str], Trial]) -> None:
    result = tried("think_time")
    assert 1 <= result.connections.left_open <= 2  # one for each worker that has had a request
    assert mean(result.series.values["backends_active"]) < mean(result.series.backends) / 2


def test_thinking_users_on_kept_clients_pin_one_connection_each(trial: Any) -> None:
    result = in_longer_windows(
        partial(trial, "gevent", scenario="think_time", max_age=None, users=12, keep_alive=True, fewest=1),
        enough=lambda result: result.connections.left_open >= 12,
    )
    assert result.connections.left_open == 12
    assert mean(result.series.values["backends_active"]) < mean(result.series.backends) / 2


def test_a_spike_after_a_gap_beyond_the_age_reuses_no_connection(tried: Callable[[str], Trial]) -> None:
    result = tried("burst")
    assert result.connections.at_rest.closed["max_age"] >= 2
    assert result.connections.mismatches == ()


def test_no_request_is_sent_between_two_spikes(tried: Callable[[str], Trial]) -> None:
    ended = sorted(tried("burst").requests.ended)
    gap, before = max((after - before, before) for before, after in pairwise(ended))
    assert gap > 1.5
    assert sum(1 for at in ended if at <= before) > 10
    assert sum(1 for at in ended if at > before) > 10


def test_steps_lead_up_to_all_users_within_warm_up_and_window(tried: Callable[[str], Trial]) -> None:
    result = tried("steps")
    # One connection for each user, since clients keep theirs; a sample is taken ten times a second.
    steps = [max(value for at, value in samples(result) if start < at < start + 0.9) for start in (0, 1, 2, 3)]
    assert steps[0] < steps[-1]
    assert steps == sorted(steps)
    assert result.connections.left_open == 4


def samples(result: Any) -> list[tuple[float, float]]:
    return list(zip(result.series.at, result.series.backends, strict=True))


@pytest.mark.process
def test_steps_take_the_time_that_they_are_told(site: ServedApplication, tmp_path: Path) -> None:
    said = outcome(started("steps", site.url, tmp_path, "--steps", "2", "--step-seconds", "1", "--loglevel", "INFO"))
    assert said.code == 0, said.stderr
    updates = [line.partition("updating to ")[2].split()[0] for line in said.stderr.splitlines() if "updating" in line]
    assert updates == ["2", "4"]


@pytest.mark.process
def test_steps_tell_what_each_of_them_gave(said: dict[str, Said]) -> None:
    rows = steps_of(said["steps"])
    assert re.search(r"INFO/steps: +users +requests/s", said["steps"].stderr)
    users = [int(row[0]) for row in rows]
    assert users[0] == 1
    assert users == sorted(set(users))
    assert len(users) > 1
    assert all(float(figure) > 0 for row in rows for figure in row)


def test_two_aliases_are_two_counted_connections_for_each_request(tried: Callable[[str], Trial]) -> None:
    result = tried("multi_database")
    stopped = result.connections.after_stop
    assert result.connections.mismatches == ()
    assert stopped.opened == result.connections.sessions > 0
    assert stopped.opened % 2 == 0


@pytest.mark.process
def test_two_aliases_are_counted_apart(site: ServedApplication, said: dict[str, Said]) -> None:
    aliases = CounterSet(site.ledgers).read().aliases
    assert aliases["default"].opened > 0
    assert aliases["second"].opened > 0
    used = {alias: totals.requests_opened + totals.requests_reused for alias, totals in aliases.items()}
    # A request that has used the second has used the first one too.
    assert said["multi_database"].requests <= used["second"] < used["default"]


def test_a_plan_knows_that_two_aliases_are_twice_the_connections_in_use() -> None:
    text = """
    scenarios = ["read_one", "multi_database"]
    control = "sync"
    [servers.sync]
    workers = 3
    [strategies.max_age]
    max_age = 60
    """
    usable = {case.scenario: case.usable_connections for case in read_plan(text, "the test").cases}
    assert usable == {"read_one": 3, "multi_database": 6}


@pytest.mark.process
@pytest.mark.parametrize(
    ("scenario", "option", "wrong", "right"),
    [
        ("think_time", "--think-seconds", "-1", "seconds, a number of 0 or more"),
        ("burst", "--burst-gap-seconds", "long", "seconds, a number of 0 or more"),
        ("reconnecting_clients", "--reconnect-every", "0", "a whole number of 1 or more"),
        ("mixed", "--mixed-slow-query", "1.5", "a whole number of 0 or more"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_be_right(
    tmp_path: Path, scenario: str, option: str, wrong: str, right: str
) -> None:
    said = outcome(started(scenario, "http://127.0.0.1:9", tmp_path, f"{option}={wrong}"))
    assert said.code == 2
    assert f"argument {option}: should be {right}, not '{wrong}'" in said.stderr


def test_a_runs_record_says_what_scenarios_were_told(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADLAB_SCENARIO_BURST_GAP_SECONDS", "7")
    told = environment(lab)["load"]
    assert told["LOADLAB_SCENARIO_BURST_GAP_SECONDS"] == "7"


def test_the_documentation_says_every_parameter_and_its_variable() -> None:
    page = (SCENARIO_FOLDER.parent / "docs" / "reference" / "scenarios.md").read_text()
    for name in scenarios():
        text = (SCENARIO_FOLDER / f"{name}.py").read_text()
        for option, variable in re.findall(r'"(--[a-z-]+)",.*?env_var="(\w+)"', text, re.DOTALL):
            assert f"`{option}`" in page, option
            assert f"`{variable}`" in page, variable
