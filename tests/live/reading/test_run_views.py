"""Which runs the live page remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factories.made_runs import BEGAN, made_run

from loadlab.live.reading import run_views
from loadlab.live.reading.run_views import RunViews
from loadlab.model.departure import Why

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


def test_a_run_that_cases_leave_goes_on_with_fewer_trials_in_one_view(tmp_path: Path) -> None:
    views, made = RunViews(), made_run(tmp_path / "run", blocks=4)
    made.begins()
    for order in range(14):
        made.trial(order, at=BEGAN + 3 * order)
    before = views.of(made.folder.path).overview()
    whole = made.folder.schedule()
    gone = {whole.cases[1]: Why.LEAKS, whole.cases[2]: Why.LEAKS}
    made.folder.write_schedule(whole.without(gone, 2))
    after = views.of(made.folder.path).overview()
    assert [(one.state, one.done, one.total) for one in (before, after)] == [("running", 14, 28), ("running", 14, 24)]
    assert after.recorded == before.recorded == (2,) * 7
    assert (before.remaining_seconds or 0) > (after.remaining_seconds or 0) > 0
    assert len(views._known) == 1


def test_of_many_runs_few_are_remembered(tmp_path: Path) -> None:
    views = RunViews()
    for number in range(run_views.MOST + 2):
        assert views.of(made_run(tmp_path / str(number)).folder.path)
    assert len(views._known) == run_views.MOST
