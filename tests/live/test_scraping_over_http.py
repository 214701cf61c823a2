"""What is discovered can be scraped, and bad run folders change no answer."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
from factories.made_runs import made_run

from loadlab.live.discovery import QUIET_SECONDS
from loadlab.live.hosting import hosted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def ask(page: str, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(urlsplit(page).netloc)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[str]:
    with hosted(folder, port=0) as url:
        yield url


@pytest.mark.process
class TestOverHttp:
    def test_what_is_discovered_can_be_scraped_under_any_run_name(self, page: str, folder: Path) -> None:
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
    def test_other_paths_than_trials_are_not_found(self, page: str, folder: Path, path: str) -> None:
        if not (folder / "known").exists():
            made_run(folder / "known")
        assert ask(page, path)[0] == 404
