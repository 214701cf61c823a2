"""Each fix in one process on PostgreSQL, with the instrumentation before or behind it, and no garbage collected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from programs import output_of
from site_under_fix import statistics

from loadlab.instrumentation.counters import CounterSet
from loadlab.model.metrics import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.lab.lab import Lab

PROGRAM: Final = Path(__file__).with_name("fix_in_use.py")
COUNTING: Final = "loadlab.instrumentation"
EXIT: Final = "loadlab.fixes.close_on_thread_exit.CloseOnThreadExit"
REAP: Final = "loadlab.fixes.reap_dead_threads.ReapDeadThreads"
HOOK: Final = "loadlab.fixes.worker_exit_hook.WorkerExitHook"
EVERY_SO_OFTEN: Final = {"reap_dead_threads": {"interval_seconds": 0.05}}


@pytest.fixture
def use(lab: Lab, ledgers: Path) -> Callable[..., None]:
    """Use the database in one way in a separate process, and compare its counts with what they should be."""

    def used(  # noqa: PLR0913
        way: str,
        *apps: str,
        opened: int,
        closed: int,
        fixes: dict[str, Any] | None = None,
        driver: str = "psycopg2",
        abandoned: int = 0,
    ) -> None:
        before = statistics(lab)
        given = {
            "way": way,
            "apps": apps,
            "fixes": fixes or {},
            "driver": driver,
            "open_at_last": opened - closed,
        }
        told = json.loads(output_of(PROGRAM, given, lab, LOADLAB_LEDGER_DIR=str(ledgers)))
        assert told == {"opened": opened, "open": opened - closed, "explicit": closed}
        # PostgreSQL has seen as many, and knows which have gone without a word.
        after = statistics(lab)
        assert (after[0] - before[0], after[1] - before[1]) == (opened, abandoned)

    return used


both_drivers = pytest.mark.parametrize("driver", ["psycopg2", pytest.param("psycopg", marks=pytest.mark.slow)])


@both_drivers
@pytest.mark.parametrize("apps", [(COUNTING, EXIT), (EXIT, COUNTING)], ids=["counting first", "fix first"])
def test_a_thread_that_ends_closes_its_connections_of_all_aliases(use: Any, apps: tuple[str], driver: str) -> None:
    use("threads", *apps, opened=8, closed=8, driver=driver)


@pytest.mark.parametrize(("way", "opened"), [("executor", 2), ("greenlets", 8), ("unsafe_in_event_loop", 8)])
def test_executor_threads_greenlets_and_tasks_have_a_connection_each(use: Any, way: str, opened: int) -> None:
    use(way, COUNTING, EXIT, opened=opened, closed=opened)


def test_a_thread_that_has_connected_again_closes_what_it_has_last(use: Any) -> None:
    use("reconnecting", COUNTING, EXIT, opened=4, closed=4)


@pytest.mark.parametrize("apps", [(COUNTING, REAP), (REAP, COUNTING)], ids=["counting first", "fix first"])
def test_a_sweep_before_each_opening_leaves_the_last_threads_connections(use: Any, apps: tuple[str]) -> None:
    use("threads", *apps, opened=8, closed=6)


@pytest.mark.parametrize(("way", "opened"), [("threads", 8), ("executor", 2), ("greenlets", 8)])
def test_a_sweep_every_so_often_leaves_none(use: Any, way: str, opened: int) -> None:
    use(way, COUNTING, REAP, fixes=EVERY_SO_OFTEN, driver="psycopg", opened=opened, closed=opened)


def test_a_sweep_leaves_the_tasks_of_a_living_event_loop_alone(use: Any) -> None:
    use("unsafe_in_event_loop", COUNTING, REAP, opened=8, closed=0)


@both_drivers
def test_a_forked_child_ends_none_of_its_parents_sessions(use: Any, driver: str) -> None:
    """The child opens two, and its thread two; only the main thread's stay until the program ends."""
    use("fork", COUNTING, EXIT, REAP, HOOK, driver=driver, opened=6, closed=4)


def test_all_fixes_together_close_each_connection_once(use: Any) -> None:
    use("threads", EXIT, REAP, COUNTING, HOOK, fixes=EVERY_SO_OFTEN, opened=8, closed=8)


def test_without_a_fix_everything_stays_open(use: Any) -> None:
    use("threads", COUNTING, opened=8, closed=0)


@pytest.mark.parametrize(("fix", "reason"), [(HOOK, CloseReason.EXPLICIT), (EXIT, CloseReason.PROCESS_EXIT)])
def test_only_the_hook_closes_what_the_main_thread_has_as_the_program_ends(
    use: Any, ledgers: Path, fix: str, reason: CloseReason
) -> None:
    use("program_end", COUNTING, fix, opened=2, closed=0)
    assert sum(one.closed[reason] for one in CounterSet(ledgers).read().aliases.values()) == 2


@both_drivers
@pytest.mark.parametrize(("apps", "abandoned"), [((COUNTING,), 1), ((COUNTING, HOOK), 0)], ids=["without", "with"])
def test_a_session_in_use_at_exit_is_abandoned_without_the_hook(
    use: Any, apps: tuple[str, ...], abandoned: int, driver: str
) -> None:
    use("busy_at_the_end", *apps, opened=2, closed=0, driver=driver, abandoned=abandoned)
