"""What the live process tells a Prometheus: which trials there are to scrape, and what each looks like."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from made_runs import BEGAN, MadeRun, made_run, sampled

from loadlab.instrumentation.ledger import Ledger
from loadlab.live.discovery import FINISHED, LINGER_SECONDS, QUIET_SECONDS, due, labels
from loadlab.live.exposition import exposition
from loadlab.live.hosting import hosted
from loadlab.live.run_progress import RunProgress, RunProgresses, TrialSoFar
from loadlab.model.case import Case
from loadlab.model.config import Config
from loadlab.store.progress import TrialBegan
from loadlab.system.processes import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

AHEAD = 4  # twelve seconds of trials that take three
NOBODY = 2**22 + 1  # a pid that no Linux gives


@pytest.fixture
def run(tmp_path: Path) -> MadeRun:
    return made_run(tmp_path / "run")


def course(run: MadeRun) -> RunProgress:
    found = RunProgresses().of(run.folder.path)
    assert found is not None
    return found


def orders(run: MadeRun, now: float = BEGAN) -> list[int]:
    return [step.order for step in due(course(run), now)]


def ask(page: str, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(urlsplit(page).netloc)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class TestWhichTrials:
    def test_the_first_are_found_before_they_begin(self, run: MadeRun) -> None:
        assert orders(run) == []
        run.begins()
        assert orders(run) == [0, 1, 2, 3]

    def test_the_one_that_runs_the_last_three_and_those_to_come_are_found(self, run: MadeRun) -> None:
        run.begins()
        at = BEGAN
        for order in range(5):
            at = run.trial(order, at=at)
        run.trial(5, at=at, ended=False)
        assert FINISHED == 3
        assert orders(run) == [2, 3, 4, 5, 6, 7, 8, 9]

    def test_no_trial_is_left_out_in_between(self, run: MadeRun) -> None:
        run.begins()
        at, total = BEGAN, len(run.schedule.steps)
        for order in range(total):
            at = run.trial(order, at=at)
            assert orders(run) == list(range(max(0, order - 2), min(total, order + 1 + AHEAD)))

    def test_after_the_end_of_a_run_its_last_three_trials_stay_for_a_while(self, run: MadeRun) -> None:
        run.begins()
        total = len(run.schedule.steps)
        for order in range(total):
            run.trial(order, at=BEGAN)
        run.ends(at=BEGAN)
        assert orders(run, BEGAN + LINGER_SECONDS - 1) == list(range(total - 3, total))
        assert orders(run, BEGAN + LINGER_SECONDS + 1) == []

    def test_a_run_whose_lab_was_killed_has_none(self, run: MadeRun) -> None:
        run.begins(pid=NOBODY)
        run.trial(0, at=BEGAN, ended=False)
        assert orders(run) == []

    def test_a_run_that_is_resumed_leaves_out_the_trial_that_was_cut_off_until_it_is_made_again(
        self, run: MadeRun
    ) -> None:
        run.begins(at=BEGAN - 100)
        run.trial(0, at=BEGAN - 100)
        run.trial(1, at=BEGAN - 90, ended=False)
        run.ends("stopped", at=BEGAN - 80)
        run.begins()
        assert orders(run) == [0, 2, 3, 4, 5]
        run.trial(1, at=BEGAN, ended=False)
        assert orders(run) == [0, 1, 2, 3, 4, 5]

    def test_another_run_under_the_same_name_begins_anew(self, run: MadeRun) -> None:
        known = RunProgresses()
        run.begins()
        run.trial(0, at=BEGAN)
        first = known.of(run.folder.path)
        assert first is not None
        assert list(first.trials) == [0]
        shutil.rmtree(run.folder.path)
        assert known.of(run.folder.path) is None
        made_run(run.folder.path)
        again = known.of(run.folder.path)
        assert again is not None
        assert not again.trials


class TestLabels:
    def of(self, run: MadeRun, **choice: Any) -> dict[str, str]:
        strategy = Config(name=choice.pop("name", "max_age"), parameters=choice)
        step, first = run.schedule.steps[0], run.schedule.cases[0]
        case = Case(
            server=first.server,
            strategy=strategy,
            scenario="/elsewhere/of_mine.py",
            users=8,
            keep_alive=True,
            usable_connections=8,
        )
        (found,) = labels("run", replace(run.schedule, cases=[case]), [replace(step, case=0)])
        return found

    @pytest.mark.parametrize(("age", "label"), [(0, "0"), (60.0, "60"), (0.5, "0.5"), (None, "unlimited")])
    def test_an_age_is_a_number_or_unlimited(self, run: MadeRun, age: float | None, label: str) -> None:
        assert self.of(run, max_age=age)["max_age"] == label

    def test_a_strategy_without_an_age_has_an_empty_one(self, run: MadeRun) -> None:
        found = self.of(run, name="pool", max_size=8)
        assert (found["strategy"], found["max_age"]) == ("pool", "")

    def test_a_strategys_name_is_as_short_as_tells_it_from_the_others_of_the_run(self, tmp_path: Path) -> None:
        def pgbouncer(mode: str) -> Config:
            return Config(name="pgbouncer", parameters={"pool_mode": mode, "pool_size": 2})

        def aged(*, checks: bool) -> Config:
            return Config(name="max_age", parameters={"max_age": 60, "conn_health_checks": checks})

        expected = {
            "pgbouncer,pool_mode=session": pgbouncer("session"),
            "pgbouncer,pool_mode=transaction": pgbouncer("transaction"),
            "pool": Config(name="pool", parameters={"min_size": 1, "max_size": 8}),
            "max_age=60,conn_health_checks=on": aged(checks=True),
            "max_age=60,conn_health_checks=off": aged(checks=False),
        }
        case = made_run(tmp_path / "plain").schedule.cases[0]
        cases = {short: replace(case, strategy=strategy) for short, strategy in expected.items()}
        schedule = made_run(tmp_path / "run", blocks=1, cases=[*cases.values()]).schedule
        named = {of["strategy"]: of["case"] for of in labels("run", schedule, schedule.steps)}
        assert named == {short: case.id for short, case in cases.items()}

    def test_a_scenario_of_the_users_own_goes_by_its_name(self, run: MadeRun) -> None:
        found = self.of(run, max_age=0)
        assert (found["scenario"], found["keep_alive"]) == ("of_mine", "on")


def began(ledgers: Path) -> TrialBegan:
    return TrialBegan(at=BEGAN, order=0, block=0, case=0, ledgers=str(ledgers))


def everything_below(folder: Path) -> dict[str, bytes | None]:
    """Every name below a folder, and what is in each file."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


class TestOneTrial:
    @pytest.fixture
    def trial(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialSoFar:
        monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
        ledgers = tmp_path / "state" / "labs" / "4711-0123abcd" / "ledgers-0000"
        ledgers.parent.mkdir(parents=True)
        return TrialSoFar(began=began(ledgers), sampled=sampled(0, BEGAN, 4))

    def test_it_shows_its_ledgers_and_what_the_lab_has_seen(self, trial: TrialSoFar) -> None:
        folder = Path(trial.began.ledgers)
        folder.mkdir()
        Ledger(folder)
        text = exposition(trial).decode()
        assert "loadlab_collector_errors_total 0.0" in text
        assert 'loadlab_load_requests_total{outcome="ok"} 196.0' in text
        assert 'loadlab_load_requests_total{outcome="failed"} 4.0' in text
        assert 'loadlab_database_backends{state="idle"} 4.0' in text
        assert 'loadlab_cpu_seconds_total{part="database"}' in text
        assert 'loadlab_load_response_seconds_bucket{le="+Inf"} 200.0' in text
        assert "loadlab_database_max_connections 100.0" in text
        assert "loadlab_database_connections_peak 6.0" in text
        assert "loadlab_build_info" not in text

    def test_ledgers_of_live_and_dead_processes_are_read_and_left_as_they_are(self, trial: TrialSoFar) -> None:
        folder = Path(trial.began.ledgers)
        folder.mkdir()
        alive = Ledger(folder)  # holds its file for life
        (written,) = folder.iterdir()
        (folder / "dead.ledger").write_bytes(written.read_bytes())
        (folder / "damaged.ledger").write_bytes(b"precious")
        (folder / "archive.json").write_text("[" * 100_000)
        (folder / "link.ledger").symlink_to("/etc/passwd")
        os.mkfifo(folder / "fifo.ledger")
        (folder / "folder.ledger").mkdir()
        before = everything_below(folder)
        text = exposition(trial).decode()
        assert "loadlab_collector_errors_total 5.0" in text
        assert everything_below(folder) == before
        del alive

    @pytest.mark.parametrize(
        "named",
        [
            "victim",
            "state/labs/4711-0123abcd",
            "state/labs/4711-0123abcd/ledgers-0001",
            "state/labs/4711-0123abcd/given",
            "state/labs/../../victim",
            "state/labs/4711-0123abcd/ledgers-0000",  # a link, below
            "state/labs/4712-0123abcd/ledgers-0000",  # in a folder that is one
            "\0",
        ],
    )
    def test_no_folder_but_a_labs_own_ledgers_is_read(self, trial: TrialSoFar, tmp_path: Path, named: str) -> None:
        victim = tmp_path / "victim"
        (victim / "ledgers-0000").mkdir(parents=True)
        for folder in (victim, victim / "ledgers-0000"):
            (folder / "precious.ledger").write_bytes(b"precious")
        labs = Path(trial.began.ledgers).parent.parent
        (labs / "4711-0123abcd" / "ledgers-0000").symlink_to(victim)
        (labs / "4712-0123abcd").symlink_to(victim)
        for name in ("ledgers-0001", "given"):
            (labs / "4711-0123abcd" / name).mkdir()
        before = everything_below(tmp_path)
        text = exposition(replace(trial, began=began(tmp_path / named))).decode()
        assert "loadlab_load_requests_total" in text
        assert "loadlab_collector_errors_total" not in text
        assert everything_below(tmp_path) == before

    def test_promtool_has_nothing_to_say_of_it(self, trial: TrialSoFar) -> None:
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.skip("there is no promtool on this machine")
        done = subprocess.run([promtool, "check", "metrics"], input=exposition(trial), capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def test_without_its_ledgers_it_shows_what_the_lab_has_seen_and_makes_no_folder(self, trial: TrialSoFar) -> None:
        text = exposition(trial).decode()
        assert "loadlab_load_requests_total" in text
        assert "loadlab_db_connections" not in text
        assert not Path(trial.began.ledgers).exists()

    def test_a_target_that_is_served_elsewhere_is_shown_as_the_lab_has_read_it(self, trial: TrialSoFar) -> None:
        text = exposition(trial, elsewhere=True).decode()
        assert 'loadlab_db_connections_opened_total{alias="default"} 100.0' in text
        assert 'loadlab_db_connections_closed_total{alias="default",reason="garbage_collected"} 80.0' in text
        assert 'loadlab_db_requests_total{alias="default",connection="reused"} 100.0' in text

    def test_before_it_has_begun_there_is_nothing_to_see(self) -> None:
        assert exposition(None) == b""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[str]:
    with hosted(folder, port=0) as url:
        yield url


@pytest.mark.process
class TestOverHttp:
    def test_what_is_discovered_can_be_scraped_whatever_the_run_is_called(self, page: str, folder: Path) -> None:
        run = made_run(folder / "50% ‹off› & more")
        run.begins(at=time.time())
        run.trial(0, at=time.time(), ended=False)
        status, body = ask(page, "/discovery")
        assert status == 200
        groups = json.loads(body)
        assert [group["labels"]["instance"] for group in groups] == [f"{run.name}/{order:04d}" for order in range(5)]
        assert {tuple(group["targets"]) for group in groups} == {(urlsplit(page).netloc,)}
        texts = [ask(page, group["labels"]["__metrics_path__"]) for group in groups]
        assert [status for status, _ in texts] == [200] * 5
        assert "loadlab_load_requests_total" in texts[0][1]
        assert {text for _, text in texts[1:]} == {""}
        shutil.rmtree(run.folder.path)
        assert ask(page, groups[0]["labels"]["__metrics_path__"])[0] == 404
        assert ask(page, "/discovery") == (200, "[]")

    def test_a_run_that_has_said_nothing_for_long_is_not_read_at_all(self, page: str, folder: Path) -> None:
        run = made_run(folder / "long ago")
        run.begins(at=time.time())
        assert "long ago" in ask(page, "/discovery")[1]
        long_ago = time.time() - QUIET_SECONDS - 1
        os.utime(run.folder.path / "progress.jsonl", (long_ago, long_ago))
        assert ask(page, "/discovery") == (200, "[]")

    def test_bad_run_folders_leave_every_answer_as_it_is(self, page: str, folder: Path) -> None:
        good = made_run(folder / "good")
        good.begins(at=time.time())
        bad = [made_run(folder / name).folder.path for name in ("a fifo", "a folder", "a pid", "no schedule")]
        os.mkfifo(bad[0] / "progress.jsonl")
        (bad[1] / "progress.jsonl").mkdir()
        line = f'{{"at":{time.time()},"total":9,"done":0,"trial_seconds":1,"pid":-1,"event":"run_began"}}\n'
        (bad[2] / "progress.jsonl").write_text(line)
        (bad[3] / "schedule.json").unlink()
        os.mkfifo(bad[3] / "schedule.json")
        listed = {run["name"]: run for run in json.loads(ask(page, "/runs.json")[1])}
        assert listed["good"]["state"] == "preparing"
        assert {listed[path.name]["state"] for path in bad} == {"unreadable"}
        assert all(listed[path.name]["reason"] for path in bad)
        assert ask(page, "/")[0] == 200
        found = {group["labels"]["instance"].partition("/")[0] for group in json.loads(ask(page, "/discovery")[1])}
        assert found == {"good"}
        assert ask(page, "/trials/good/0000/metrics")[0] == 200
        for path in bad:
            assert ask(page, f"/trials/{quote(path.name)}/0000/metrics")[0] == 404
            assert ask(page, f"/runs/{quote(path.name)}")[0] == 200
        for path in (good.folder.path, *bad):
            shutil.rmtree(path)

    @pytest.mark.parametrize(
        "path",
        [
            "/trials/nowhere/0000/metrics",
            "/trials/known/0099/metrics",
            "/trials/..%2F/0/metrics",
            f"/trials/known/{'9' * 5000}/metrics",
        ],
    )
    def test_what_is_no_trial_is_not_found(self, page: str, folder: Path, path: str) -> None:
        if not (folder / "known").exists():
            made_run(folder / "known")
        assert ask(page, path)[0] == 404
