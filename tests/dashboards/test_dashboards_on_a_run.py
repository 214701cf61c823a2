"""The dashboards on a run that is made now: threaded, sync and gevent, ages 0 and 60, a pool and PgBouncer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dashboards.evidence.answers import answer, finite, span_of
from dashboards.evidence.api import Api
from dashboards.evidence.committed import TARGETS
from dashboards.evidence.figures import FIGURES, deviations
from dashboards.evidence.trials import recorded
from loadlab.cli._scraping import reopened
from loadlab.model.foreign_metrics import FOREIGN, UP
from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from command_line import CommandLine

    from dashboards.evidence.answers import Span
    from dashboards.evidence.committed import Target
    from dashboards.evidence.figures import Figure

pytestmark = pytest.mark.slow
PLAN = Path(__file__).with_name("recording.toml")
OF_OTHERS = [metric.name for metric in FOREIGN if metric is not UP]
OURS = [target for target in TARGETS if not any(name in target.expr for name in OF_OTHERS)]


@pytest.fixture(scope="module")
def run(loadlab: CommandLine, own_state: Path) -> RunFolder:
    path = loadlab.home / "run-for-dashboards"
    outcome = loadlab("run", PLAN, "--prometheus", "--out", path)
    assert outcome.code == 0, outcome.stderr
    return RunFolder.at(path)


@pytest.fixture(scope="module")
def api(run: RunFolder) -> Iterator[Api]:
    with reopened(run.path) as prometheus:
        yield Api(prometheus.url)


@pytest.fixture(scope="module")
def span(api: Api, run: RunFolder) -> Span:
    return span_of(api, max(trial.stat().st_mtime for trial in (run.path / "trials").glob("*.json")) + 60)


@pytest.mark.parametrize("target", OURS, ids=str)
def test_every_query_on_what_a_run_exposes_returns_a_number(target: Target, api: Api, span: Span) -> None:
    assert finite(answer(api, target, span))


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.field)
def test_figures_of_a_fresh_run_are_as_near_to_its_record_as_is_promised(
    figure: Figure, api: Api, span: Span, run: RunFolder
) -> None:
    if figure.tolerance is not None:
        found = deviations(api, figure, recorded(run), span)
        assert not [one for one in found if abs(one.relative) > figure.tolerance]
