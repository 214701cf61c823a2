"""The verdict on leaks, over real servers: what leaks is found, and what does not is not called a leak."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from laboratory import in_longer_windows

from loadlab.analysis.rooms import leak_of, room_of
from loadlab.analysis.trials import opens_per_request
from loadlab.lab.project import OVERRIDDEN_SETTINGS, Project
from loadlab.model.holders import by_holder

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.model.samples import Trial

FOLDER = Path(__file__).parents[1] / "projects" / "pieces"
SCENARIO = """
from locust import task
from loadlab.load.locust_plugins.user import SiteUser

class Visitor(SiteUser):
    @task
    def visit(self):
        self.client.get("/PATH/")
"""
ALIASES = ("default", "second", "third")


@pytest.fixture
def visited(trial: Any, tmp_path: Path) -> Callable[..., Trial]:
    def once(server: str, path: str, *, aliases: tuple[str, ...] = ("default",), **more: Any) -> Trial:
        scenario = tmp_path / f"{path}.py"
        scenario.write_text(SCENARIO.replace("PATH", path))
        project = Project(
            settings="pieces.settings",
            environment={"DJANGO_SETTINGS_MODULE": OVERRIDDEN_SETTINGS, "PYTHONPATH": str(FOLDER)},
            aliases=aliases,
            counted=aliases,
        )
        result: Trial = trial(server, scenario=str(scenario), project=project, **more)
        assert result.state == "complete", result.reason
        assert result.connections.mismatches == ()
        held = zip(*(result.series.of(name) for name in by_holder({})), strict=True)
        assert [sum(each) for each in held] == list(result.series.open)
        return result

    return once


def leak_can_be_told(seen: Trial) -> bool:
    return leak_of(seen) != "cannot tell"


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("gevent", "old-ones-closed"),
        pytest.param("threaded", "old-ones-closed", marks=pytest.mark.slow),
        pytest.param("gevent", "own-one-closed", marks=pytest.mark.slow),
        pytest.param("asgi", "own-one-closed", marks=pytest.mark.slow),
    ],
)
def test_closing_within_a_request_hides_no_leak(visited: Callable[..., Trial], server: str, path: str) -> None:
    seen = in_longer_windows(partial(visited, server, path, max_age=60, users=4), enough=leak_can_be_told)
    assert leak_of(seen) == "yes"


@pytest.mark.parametrize(("server", "threads"), [("sync", 2), pytest.param("gthread", 8, marks=pytest.mark.slow)])
def test_threads_that_keep_all_their_aliases_leak_nothing(
    visited: Callable[..., Trial], server: str, threads: int
) -> None:
    of_all = {"aliases": ALIASES, "max_age": 60, "users": 8}
    seen = in_longer_windows(visited, server, "all-aliases", enough=lambda seen: seen.peak >= 3 * threads, **of_all)
    assert set(seen.connections.by_alias) == set(ALIASES)
    assert seen.peak == 3 * threads
    room = room_of(seen)
    assert room is not None
    assert room.most == 3 * threads
    assert leak_of(seen) == "no"


def test_a_leak_of_three_aliases_is_found(visited: Callable[..., Trial]) -> None:
    seen = in_longer_windows(
        partial(visited, "gevent", "all-aliases", aliases=ALIASES, max_age=60, users=4), enough=leak_can_be_told
    )
    assert leak_of(seen) == "yes"
    assert any(seen.series.of("open_leaked"))


@pytest.mark.parametrize(
    "server",
    ["gevent", *(pytest.param(name, marks=pytest.mark.slow) for name in ("asgi", "threaded", "sync", "gthread"))],
)
def test_at_age_zero_each_request_opens_one_and_leaks_none(trial: Any, server: str) -> None:
    seen = trial(server, max_age=0, users=24)
    assert opens_per_request([seen]) == 1
    assert leak_of(seen) == "no"


@pytest.mark.slow
@pytest.mark.parametrize("server", ["gevent", "asgi", "threaded"])
def test_many_users_and_a_short_window_show_a_leak(trial: Any, server: str) -> None:
    seen = trial(server, max_age=60, users=24)
    enough = seen.connections.at_rest.opened > 24 + 2
    assert leak_of(seen) == ("yes" if enough else "cannot tell")
    assert leak_of(replace(seen, case=replace(seen.case, users=1))) == "yes"
