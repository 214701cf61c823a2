"""Every case has the baseline it should have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factories.trials import ages, case, replica

from loadlab.analysis.pairs import baseline_of, declared_pairs
from loadlab.model.condition import varying
from loadlab.model.config import Config
from loadlab.model.labels import condition_label, server_label

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.condition import Condition


def test_a_baseline_is_of_the_same_server_scenario_and_load() -> None:
    base = case()
    others = [
        case("gevent"),
        case(scenario="write"),
        case(users=16),
        case(keep_alive=True),
        case(workers=4),
    ]
    assert baseline_of(case(max_age=60), [*others, base]) == base
    assert baseline_of(case(max_age=60), others) is None


def test_a_baseline_with_the_same_parameters_is_preferred() -> None:
    unchecked, checked = case(), case(checks=True)
    assert baseline_of(case(max_age=60, checks=True), [unchecked, checked]) == checked
    assert baseline_of(case(max_age=60, checks=True), [unchecked]) == unchecked


def test_another_strategy_is_compared_with_plain_closing() -> None:
    pool = replace(case(), strategy=Config(name="pool", parameters={"size": 4}))
    assert baseline_of(pool, [pool, case(checks=True), case()]) == case()


def test_a_replica_is_compared_with_its_twin_and_never_a_baseline() -> None:
    base, finite, unlimited = ages()
    pairs = declared_pairs([replica(base), base, finite, unlimited])
    assert [(pair.case, pair.baseline, pair.question) for pair in pairs] == [
        (replica(base), base, "noise"),
        (finite, base, "keep"),
        (unlimited, base, "keep"),
        (unlimited, finite, "unlimited"),
    ]


def test_unlimited_is_compared_with_every_finite_age_of_its_group() -> None:
    cases = [case(max_age=age) for age in (0, 5, 60, None)] + [case("gevent", 5)]
    found = [pair.baseline.max_age for pair in declared_pairs(cases) if pair.question == "unlimited"]
    assert found == [5, 60]


def test_labels_say_only_what_differs() -> None:
    plain = conditions([*ages("sync"), *ages("gevent")])
    assert [condition_label(one, varying(plain)) for one in plain] == ["sync", "gevent"]
    varied = conditions([case(), case(keep_alive=True), case(users=16)])
    assert [condition_label(one, varying(varied)) for one in varied] == [
        "sync with keep-alive off, 8 users",
        "sync with keep-alive on, 8 users",
        "sync with keep-alive off, 16 users",
    ]


def test_a_server_swept_over_its_parameters_is_named_with_them() -> None:
    swept = conditions([case(), case(workers=4), case("gevent")])
    assert [server_label(one, varying(swept)) for one in swept] == ["sync,workers=2", "sync,workers=4", "gevent"]


def conditions(cases: list[Case]) -> list[Condition]:
    """What one verdict each is given for."""
    return list(dict.fromkeys(one.group for one in cases))
