"""Which runs the live page remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factories.made_runs import made_run

from loadlab.live.reading import run_views
from loadlab.live.reading.run_views import RunViews

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_that_is_made_anew_in_the_same_folder_is_another(tmp_path: Path) -> None:
    views = RunViews()
    made = made_run(tmp_path / "run")
    first = views.of(made.folder.path)
    made.folder.discard()
    made_run(tmp_path / "run", blocks=5)
    second = views.of(tmp_path / "run")
    assert first is not second
    assert second.overview().total == 5 * 7


def test_of_many_runs_few_are_remembered(tmp_path: Path) -> None:
    views = RunViews()
    for number in range(run_views.MOST + 2):
        assert views.of(made_run(tmp_path / str(number)).folder.path)
    assert len(views._known) == run_views.MOST
