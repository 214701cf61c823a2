"""In every worker of the lab, units of work are the tasks, and opened or reused as PostgreSQL's backends say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from loadlab.instrumentation.counters import CounterSet
from loadlab.lab.fixture import postgres_fixture
from loadlab.lab.running_worker import running_worker
from loadlab.lab.worker_behaviour import tasks, worker_settings
from loadlab.model.metrics import ProcessRole, UnitKind
from loadlab.plan.members import build_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.instrumentation.counters import Totals
    from loadlab.lab.fixture import PostgresFixture
    from loadlab.lab.running_worker import RunningWorker
    from loadlab.model.worker_behaviour import WorkerSetting

pytestmark = pytest.mark.slow
KINDS: Final = {"channels": UnitKind.MESSAGE}  # the others do tasks
SETTINGS: Final = [
    one
    for one in worker_settings()
    if not one.fix
    and one.worker.name != "command"  # whose turns no library begins or ends
    and one.strategy.parameters.get("max_age", 60) == 60
]


@pytest.fixture(scope="module")
def ready() -> Iterator[PostgresFixture]:
    with postgres_fixture(None, lambda _: None) as opened:
        yield opened


def totals(worker: RunningWorker) -> Totals:
    return CounterSet(worker.application.ledgers).read().of(["default"])


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: f"{one.worker} {one.strategy}")
def test_units_are_the_tasks_and_found_connections_as_backends_say(
    setting: WorkerSetting, ready: PostgresFixture
) -> None:
    kind = KINDS.get(setting.worker.name, UnitKind.TASK)
    with running_worker(setting, ready) as worker:
        before, ran = totals(worker), worker.tasks.succeeded
        told = tasks(worker)
        after, ran = totals(worker), worker.tasks.succeeded - ran
    opened, reused = (now - then for now, then in zip(after.units[kind], before.units[kind], strict=True))
    assert told["exact"]
    assert (opened + reused, ran > 0) == (ran, True)
    assert reused == told["reused"] or build_worker(setting.worker).looks  # whose looks are no tasks
    assert after.roles[ProcessRole.WORKER if kind is UnitKind.TASK else ProcessRole.WEB][1] == after.opened
