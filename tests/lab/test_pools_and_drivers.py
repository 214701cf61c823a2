"""What pools, drivers and PostgreSQL do in corners that surprise people, as docs/explanation/drivers.md says it.

A test that fails here after an upgrade says that the page, and what loadlab advises, has to be looked at again.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from patience import await_that
from programs import output_of

from loadlab.lab.fixture import postgres_fixture
from loadlab.store.layout import POSTGRESQL_LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.lab.lab import Lab

PROGRAM: Final = Path(__file__).with_name("driver_facts.py")
OF_BOTH: Final = ("timeouts", "error_at_age_0", "isolation")
OF_PSYCOPG: Final = (
    "close_inside_atomic",
    "in_event_loop",
    "prepared",
    "session_state",
    "requests_waiting",
    "failed_checks",
)
SLOW: Final = ("lifetime", "insensitive")  # they wait for what does not happen


def found_out(lab: Lab, driver: str, facts: tuple[str, ...]) -> dict[str, Any]:
    given = {"driver": driver, "facts": facts}
    told = output_of(PROGRAM, given, lab)
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def facts(lab: Lab) -> Iterator[Callable[[str], dict[str, Any]]]:
    """What a driver does, found out once, while PostgreSQL logs each statement of the role."""
    role = lab.database.parameters["user"]
    lab.cursor.execute(f"ALTER ROLE {role} SET log_statement = 'all'")

    @cache
    def of(driver: str) -> dict[str, Any]:
        return found_out(lab, driver, OF_BOTH + (OF_PSYCOPG if driver == "psycopg" else ()))

    yield of
    lab.cursor.execute(f"ALTER ROLE {role} RESET log_statement")


def statements(lab: Lab, pid: int) -> list[str]:
    """What a backend was asked, by PostgreSQL's log."""
    log = (lab.logs / POSTGRESQL_LOG).read_text(errors="replace")
    return re.findall(rf"\[{pid}\] LOG:  (?:statement|execute [^:]*): (.*)", log)


def test_psycopg_says_by_its_sqlstate_which_timeout_ended_a_session(facts: Any) -> None:
    found = facts("psycopg")["timeouts"]
    idle, in_transaction, transaction = found.values()
    assert idle == ["OperationalError", "57P05", "terminating connection due to idle-session timeout"]
    assert in_transaction[:2] == ["InternalError", "25P03"]
    assert transaction[:2] == ["InternalError", "25P04"]


def test_psycopg2_hides_which_timeout_ended_a_session(facts: Any) -> None:
    for name, code, said in facts("psycopg2")["timeouts"].values():
        assert (name, code) == ("OperationalError", None)
        assert said.startswith(("terminating connection due to", "server closed the connection unexpectedly"))


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_an_error_costs_a_round_trip_at_the_end_of_its_request(lab: Lab, facts: Any, driver: str) -> None:
    asked = statements(lab, facts(driver)["error_at_age_0"])
    assert asked[asked.index("SELECT no_such_thing") + 1 :] == ["SELECT 1"]


@pytest.mark.parametrize(("driver", "extra"), [("psycopg", 0), ("psycopg2", 1)])
def test_an_isolation_level_is_for_atomic_alone(lab: Lab, facts: Any, driver: str, extra: int) -> None:
    outside, inside, pid = facts(driver)["isolation"]
    assert (outside, inside) == ("read committed", "serializable")
    asked = statements(lab, pid)
    assert asked.count("SET default_transaction_isolation TO DEFAULT") == extra


def test_closing_old_connections_in_a_transaction_ends_it_at_any_age(facts: Any) -> None:
    assert facts("psycopg")["close_inside_atomic"] == ["OperationalError"]


def test_closing_in_the_event_loop_closes_nothing(facts: Any) -> None:
    assert facts("psycopg")["in_event_loop"] == [1, 1, 0]


def test_nothing_is_prepared_without_server_side_binding(facts: Any) -> None:
    without, with_binding = facts("psycopg")["prepared"]
    assert without == 0 < with_binding


def test_the_state_of_a_session_goes_to_the_next_borrower(facts: Any) -> None:
    assert facts("psycopg")["session_state"] == ["77s", 0, 1]


def test_a_request_waits_for_each_lost_connection_after_the_first(facts: Any) -> None:
    assert facts("psycopg")["failed_checks"] == [1, "PoolTimeout", 2]


def test_psycopg_pool_counts_those_as_waiting_who_were_refused(facts: Any) -> None:
    assert facts("psycopg")["requests_waiting"] == [3, 0]


@pytest.mark.slow
def test_max_lifetime_replaces_a_connection_only_when_it_comes_back(lab: Lab) -> None:
    assert found_out(lab, "psycopg", SLOW)["lifetime"] == [True, True]


@pytest.mark.slow
def test_threads_that_live_on_keep_their_slots_of_a_pool(lab: Lab) -> None:
    assert found_out(lab, "psycopg", SLOW)["insensitive"] == [2, 2]


@pytest.mark.slow
@pytest.mark.process
def test_a_crash_resets_the_counts_of_sessions_and_leaves_no_date(tmp_path: Path) -> None:
    with postgres_fixture(tmp_path, lambda _: None) as fresh:
        judge = fresh.judge
        await_that(lambda: judge.sessions()[0] > 0)
        before, _ = judge.sessions()
        fresh.cluster._program.kill()
        fresh.lab.observing.restore()
        after, date = fresh.judge.sessions()
    assert (after < before, date) == (True, 0)
