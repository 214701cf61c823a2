"""Two sessions of a run: what has changed between them, and what makes them different experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from every import every

from loadlab.model.session import changes, together

if TYPE_CHECKING:
    from loadlab.model.config import Scalar


def change(before: dict[str, Scalar], after: dict[str, Scalar], section: str = "versions") -> list[tuple[str, bool]]:
    found = changes({section: before, "python": {"version": "3.11"}}, {section: after, "python": {"version": "3.11"}})
    return [(str(one), one.decides) for one in found]


@every(("before", "after"), [("4.2", "5.2"), ("5.2", "4.2")])
def test_a_newer_and_an_older_version_are_both_a_change(before: str, after: str) -> None:
    assert change({"django": before}, {"django": after}) == [(f"versions django: {before} → {after}", False)]


def test_what_is_the_same_or_known_of_one_session_alone_is_no_change() -> None:
    assert change({"django": "5.2"}, {"django": "5.2", "gevent": "26"}) == []
    assert change({"django": "5.2", "gevent": "26"}, {"django": "5.2"}) == []


def test_another_database_or_scenario_is_another_experiment() -> None:
    origin, parameter = "origin", "LOADLAB_SCENARIO_IDLE"
    assert change({origin: "embedded"}, {origin: "given"}, "PostgreSQL")[0][1]
    assert change({}, {origin: "given"}, "PostgreSQL")[0][1]
    assert change({}, {parameter: "1"}, "load") == [(f"load {parameter}: none → 1", True)]
    assert change({"version": "15"}, {"version": "16"}, "PostgreSQL") == [("PostgreSQL version: 15 → 16", False)]


def test_what_differs_between_any_two_sessions_is_no_change() -> None:
    assert change({"load_average": 0.5, "memory_gib": 3.9}, {"load_average": 2.5, "memory_gib": 3.8}, "machine") == []


def test_sessions_together_name_each_value_with_those_that_have_it() -> None:
    parts = [
        ("trial 0", {"machine": {"cpu": "a", "load_average": 1}}),
        ("trial 1", {"machine": {"cpu": "a", "load_average": 2, "cores": 2}}),
        ("trial 2", {"machine": {"cpu": "a", "cores": 2}}),
    ]
    assert together(parts) == {
        "machine": {"cpu": "a", "load_average": 2, "cores": "not recorded (trial 0); 2 (trial 1, trial 2)"}
    }
