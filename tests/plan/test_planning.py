"""Plans: every fault is named, together; cases and their order follow from the text and the seed alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tomli_w
from every import every

from loadlab.analysis.pairs import declared_pairs
from loadlab.errors import UsageError
from loadlab.model.plan import DEFAULT_PLAN
from loadlab.plan.experiment import read_plan
from loadlab.plan.members import connections_wanted
from loadlab.plan.schedule import schedule
from loadlab.servers import SERVERS
from loadlab.stats.power import detectable_ratio
from loadlab.system.packaged import packaged

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL = "[servers.sync]\n[strategies.max_age]\nmax_age = {age}\n"


def faults_of(text: str) -> list[str]:
    with pytest.raises(UsageError) as raised:
        read_plan(text, "my.toml")
    return str(raised.value).splitlines()


def test_limits_that_leave_no_connection_are_a_problem() -> None:
    text = MINIMAL.format(age=0) + "[limits]\nmax_connections = 5\nreserved = 5\n"
    (_, said) = faults_of(text)
    assert said.strip() == (
        "limits.reserved: 5 leave no connection of 5 to the project (lower it, or raise limits.max_connections)"
    )


def test_the_default_plan_covers_three_modes_three_ages_and_a_control() -> None:
    experiment = read_plan(DEFAULT_PLAN, "default")
    ids = [case.id for case in experiment.cases]
    assert len(ids) == len(set(ids)) == 10
    for server in ("threaded", "sync", "gevent"):
        for age in ("0", "60", "none"):
            assert sum(name.startswith(server) and f"/max_age={age}," in name for name in ids) >= 1
    assert sum(case.replica for case in experiment.cases) == 1
    assert not any(case.keep_alive for case in experiment.cases)
    assert experiment.plan.blocks >= 6
    assert experiment.expected_seconds < 7 * 60


def test_the_full_plan_covers_five_modes_every_age_and_kind_of_client() -> None:
    with open("plans/full.toml", encoding="utf-8") as file:  # noqa: PTH123
        experiment = read_plan(file.read(), "full.toml")
    assert {case.server.name for case in experiment.cases} == {"asgi", "gevent", "gthread", "sync", "threaded"}
    assert {case.keep_alive for case in experiment.cases} == {True, False}
    assert {case.max_age for case in experiment.cases} >= {0, 60, 600, None}


def test_the_servers_plan_covers_every_mode_and_quiet_spells() -> None:
    text = (packaged("plans") / "servers.toml").read_text()
    experiment = read_plan(text, "servers.toml")
    compiled = {"mod_wsgi"}  # a comment, for those who have Apache
    assert {case.server.name for case in experiment.cases} == set(SERVERS) - compiled
    assert all(f"\n# [servers.{name}]" in text for name in compiled)
    assert {case.max_age for case in experiment.cases} == {0, 60}
    assert experiment.plan.quiet_spells.count


def test_a_case_id_spells_out_every_parameter() -> None:
    text = MINIMAL.format(age='[0, 60, "none"]').replace("[servers.sync]", "[servers.gthread]\nworkers = 3")
    ids = [case.id for case in read_plan('control = "gthread"\nusers = [16]\n' + text, "x").cases]
    server = "gthread,workers=3,keep_alive_seconds=5,threads=4"
    load = "read_one/users=16,keep_alive=off"
    assert ids == [
        f"{server}/max_age=0,conn_health_checks=off/{load}",
        f"{server}/max_age=0,conn_health_checks=off/{load}/replica",
        f"{server}/max_age=60,conn_health_checks=off/{load}",
        f"{server}/max_age=none,conn_health_checks=off/{load}",
    ]


@every("age", ['"abc"', "-1", "true", "nan", "inf", '""', "[[0]]", "{}"])
def test_an_impossible_age_is_refused_with_what_it_should_be(age: str) -> None:
    assert any("strategies.max_age" in line for line in faults_of(MINIMAL.format(age=age))[1:])


@every(
    ("age", "seconds"), [("0", 0), ("0.5", 0.5), ("60", 60), ('"none"', None), ('"Unlimited"', None), ("1e12", 1e12)]
)
def test_a_possible_age_is_taken_as_it_is(age: str, seconds: float | None) -> None:
    assert read_plan(MINIMAL.format(age=age), "x").cases[0].max_age == seconds


def test_all_faults_of_a_plan_are_reported_together_with_remedies() -> None:
    lines = faults_of(
        'blocks = 0\nwindo_seconds = 3\nscenarios = ["nope"]\ncontrol = "gthread"\n'
        "[servers.gevnt]\n[servers.sync]\nworkers = true\nthreads = 2\n"
        "[strategies.max_age]\nmax_age = [-1, 60]\nconn_health_checks = 3\n"
    )
    assert lines[0].startswith("my.toml has ")
    text = "\n".join(lines)
    for expected in (
        "blocks: should be greater than or equal to 1, not 0",
        "windo_seconds: unknown key (did you mean window_seconds?)",
        f"servers.gevnt: unknown server mode (did you mean gevent? one of {', '.join(SERVERS)})",
        "servers.sync.workers: should be a valid integer, not true",
        "servers.sync.threads: unknown key",
        "strategies.max_age.max_age: should be greater than or equal to 0, not -1 (seconds, a number of 0 or more;",
        "strategies.max_age.conn_health_checks: should be true or false, not 3",
    ):
        assert expected in text


def test_cross_checks_name_what_would_be_right() -> None:
    text = "\n".join(faults_of('scenarios = ["nope"]\ncontrol = "gevent"\n' + MINIMAL.format(age="0")))
    assert "scenarios: there is no 'nope' (one of async_connection, async_gather" in text
    assert (
        "control: 'gevent' is not one of the plan's servers (use one of the plan's servers: sync; or remove it)" in text
    )


def test_a_value_given_twice_is_refused() -> None:
    assert "names a case twice" in faults_of(MINIMAL.format(age="[60, 60]"))[0]


@every(
    "text",
    [
        f"a = {'[' * 100_000}",
        f"a = {'[' * 100}{']' * 100}",
        f"{'.'.join(['a'] * 3000)} = 1",
        "a = " + "{b = " * 60 + "1" + "}" * 60,
        f"blocks = {'9' * 5000}",
        f"seed = {'9' * 400}",
        f"users = [{'9' * 400}]",
    ],
)
def test_a_random_plan_is_refused_without_a_traceback(text: str) -> None:
    assert "my.toml is not valid TOML" in faults_of(text)[0]


@every("text", ["blocks = ", "[", "\x00"])
def test_invalid_toml_is_named_as_such(text: str) -> None:
    assert "my.toml is not valid TOML" in faults_of(text)[0]


@every("line", ["users = [0]", "window_seconds = 0", "warmup_seconds = -1", "users = []", "seed = -1"])
def test_a_load_that_is_none_is_refused(line: str) -> None:
    assert len(faults_of(f"{line}\n" + MINIMAL.format(age="0"))) == 2


def test_cases_are_selected_by_glob_on_their_id() -> None:
    cases = read_plan(DEFAULT_PLAN, "default", ["sync,*/max_age=60*", "gevent*max_age=none*"]).cases
    assert [case.server.name for case in cases] == ["sync", "gevent"]


def test_a_glob_that_matches_nothing_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"No case matches nothing\*"):
        read_plan(DEFAULT_PLAN, "default", ["nothing*"])


def test_every_block_is_one_pass_over_all_cases_in_a_fresh_order() -> None:
    cases = read_plan(DEFAULT_PLAN, "default").cases
    steps = schedule(cases, blocks=8, seed=1)
    orders = [[index for block, index in steps if block == number] for number in range(8)]
    assert all(sorted(order) == list(range(len(cases))) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert steps == schedule(cases, blocks=8, seed=1) != schedule(cases, blocks=8, seed=2)


def test_the_default_plan_finds_10_percent_where_trials_vary_by_5() -> None:
    experiment = read_plan(DEFAULT_PLAN, "default")
    comparisons = sum(pair.question == "keep" for pair in declared_pairs(experiment.cases))
    ratio = detectable_ratio(
        0.05 * 2**0.5, experiment.plan.blocks, comparisons, margin=experiment.plan.equivalence_margin
    )
    assert ratio is not None
    assert ratio <= 1.1


@every("seed", range(20))
def test_a_steady_drift_favours_no_case_at_any_seed(seed: int) -> None:
    cases = read_plan(DEFAULT_PLAN, "default").cases
    places = [index for _, index in schedule(cases, blocks=12, seed=seed)]
    mean_place = [np.mean([place for place, index in enumerate(places) if index == of]) for of in range(len(cases))]
    assert np.ptp(mean_place) < 1e-9


def swept(**changes: object) -> str:
    plan: dict[str, object] = {"blocks": 1, "servers": {"sync": {}, "gevent": {}}, "strategies": {"max_age": {}}}
    return tomli_w.dumps(plan | changes)


def test_a_strategy_is_left_out_of_incompatible_modes_with_the_reason() -> None:
    experiment = read_plan(swept(strategies={"geventpool": {}}), "plan")
    assert [case.server.name for case in experiment.cases] == ["gevent"]
    (left_out,) = experiment.left_out
    assert (left_out.server.name, left_out.strategy.name) == ("sync", "geventpool")
    assert left_out.why.startswith("its pool works with greenlets only; use ")


@every(
    ("strategies", "words"),
    [
        ({"leased_threads": {}}, "strategies.leased_threads: fits no server mode of the plan (only under ASGI"),
        ({"pool": {}}, "strategies.pool: fits no server mode of the plan (the pool needs psycopg 3; use driver ="),
        ({"pool": {"max_age": 60}}, "strategies.pool.max_age: cannot be set (Django refuses a pool together with"),
        ({"pool": {"min_size": 5, "max_size": 2}}, "strategies.pool: min_size 5 is more than max_size 2"),
        ({"pgbouncer": {"pool_mode": "statement"}}, "strategies.pgbouncer.pool_mode: should be 'session' or"),
        ({"reap_dead_threads": {"interval_seconds": -1}}, "strategies.reap_dead_threads.interval_seconds: should be"),
    ],
)
def test_what_cannot_be_is_refused_before_the_run_with_the_reason(strategies: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        read_plan(swept(strategies=strategies), "plan")


@every(
    ("changes", "words"),
    [
        (
            {"servers": {"tornado": {}}, "control": "tornado"},
            "servers.tornado.async_unsafe: is false, so every request that queries fails: Django refuses queries in",
        ),
        (
            {"scenarios": ["read_one", "async_orm", "async_stream"]},
            "servers.gevent: cannot run the async views of async_orm and async_stream beside each other: they fail",
        ),
    ],
)
def test_a_server_where_every_request_would_fail_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        read_plan(swept(**changes), "plan")


def test_modes_that_run_async_views_are_planned_with_them() -> None:
    servers = {"sync": {}, "asgi": {}, "tornado": {"async_unsafe": True}}
    assert len(read_plan(swept(servers=servers, scenarios=["stream"]), "plan").cases) == 4
    del servers["tornado"]
    assert len(read_plan(swept(servers=servers, scenarios=["async_threads"]), "plan").cases) == 3


@every(
    ("server", "fits"),
    [
        ({"sync": {}}, True),
        ({"hypercorn": {}}, True),
        ({"asgi": {"workers": 2}}, True),
        ({"asgi": {"workers": 1}}, False),
        ({"daphne": {}}, False),
    ],
)
def test_only_servers_that_replace_workers_are_planned_with_that(
    server: dict[str, object],
    fits: bool,  # noqa: FBT001
) -> None:
    text = swept(servers=server, strategies={"recycle_workers": {}}, control=next(iter(server)))
    if fits:
        assert read_plan(text, "plan").cases
    else:
        with pytest.raises(UsageError, match="the server replaces no worker by itself; use close_on_thread_exit"):
            read_plan(text, "plan")


def test_a_pool_is_accepted_while_the_projects_driver_is_unknown(tmp_path: Path) -> None:
    scenario = tmp_path / "own.py"
    scenario.touch()
    project = {"settings": "mysite.settings"}
    experiment = read_plan(swept(strategies={"pool": {}}, project=project, scenarios=[str(scenario)]), "plan")
    assert experiment.left_out == []


def test_a_pool_holds_what_it_may_and_a_pgbouncer_no_more_than_its_size() -> None:
    text = swept(
        driver="psycopg", servers={"sync": {"workers": 2}}, strategies={"pool": {"max_size": 3}, "pgbouncer": {}}
    )
    pool, bouncer = read_plan(text, "plan").cases
    assert (pool.usable_connections, connections_wanted(pool)) == (6, 6)
    assert (bouncer.usable_connections, connections_wanted(bouncer)) == (2, 2)


def test_every_added_latency_is_a_case_and_says_so() -> None:
    cases = read_plan(swept(round_trip_ms=[0, 0.5], control="gevent", servers={"sync": {}, "gevent": {}}), "plan").cases
    assert [case.round_trip_ms for case in cases if case.server.name == "sync"] == [0, 0.5]
    ids = [case.id for case in cases if not case.replica]
    assert [case_id for case_id in ids if case_id.endswith(",round_trip_ms=0.5")] == ids[1::2]


@every(
    ("text", "fault"),
    [
        ("users = []\n" + MINIMAL.format(age="0"), "users: is empty (give at least one value, or leave it out)"),
        ("keep_alive = []\n" + MINIMAL.format(age="0"), "keep_alive: is empty"),
        ("scenarios = []\n" + MINIMAL.format(age="0"), "scenarios: is empty"),
        (MINIMAL.format(age="[]"), "strategies.max_age.max_age: is empty (give at least one value, or leave it out)"),
        ("[servers]\n[strategies.max_age]\n", "servers: is empty (name one, such as [servers.sync])"),
        ("[strategies]\n[servers.sync]\n", "strategies: is empty (name one, such as [strategies.max_age])"),
        ("servers = []\n[strategies.max_age]\n", "servers: should be a table, not []"),
        ("[load]\nrate = []\n" + MINIMAL.format(age="0"), "load.rate: is empty"),
    ],
)
def test_an_empty_list_or_table_is_refused_with_a_sentence(text: str, fault: str) -> None:
    assert fault in "\n".join(faults_of(text))


@every(
    ("text", "guess"),
    [
        ("usres = [8]\n" + MINIMAL.format(age="0"), "usres: unknown key (did you mean users?)"),
        (MINIMAL.format(age="0") + "conn_health_check = true\n", "(did you mean conn_health_checks?)"),
        ("[database]\ntlss = true\n" + MINIMAL.format(age="0"), "database.tlss: unknown key (did you mean tls?)"),
        ("[target]\nurl = 'http://127.0.0.1:1'\nnmae = 'a'\n", "target.nmae: unknown key (did you mean name?)"),
        ("[servers.sync]\n[strategies.pgbuoncer]\n", "strategies.pgbuoncer: unknown strategy (did you mean pgbouncer?"),
        ("[servers.gthraed]\n[strategies.max_age]\n", "servers.gthraed: unknown server mode (did you mean gthread?"),
        (
            'scenarios = ["raed_one"]\n' + MINIMAL.format(age="0"),
            "scenarios: there is no 'raed_one' (did you mean read_one?",
        ),
        ("[load]\nusers = [8]\n" + MINIMAL.format(age="0"), "load.users: unknown key (move it above the first [table]"),
    ],
)
def test_a_misspelt_name_in_a_plan_is_answered_with_the_likely_one(text: str, guess: str) -> None:
    assert guess in "\n".join(faults_of(text))


def test_faults_between_keys_are_told_beside_faults_of_single_keys() -> None:
    text = 'blocks = 0\nscenarios = ["nope"]\ncontrol = "asgi"\n[servers.sync]\nworkers = 0\n[strategies.max_age]\n'
    said = "\n".join(faults_of(text))
    for fault in (
        "blocks: should be",
        "scenarios: there is no 'nope'",
        "control: 'asgi'",
        "servers.sync.workers: should",
    ):
        assert fault in said


@every(("servers", "controlled"), [(("gthread",), "gthread"), (("gevent", "sync"), "sync")])
def test_the_control_is_sync_or_the_first_server_unless_named(servers: tuple[str, ...], controlled: str) -> None:
    cases = read_plan(swept(servers={name: {} for name in servers}), "plan").cases
    assert [case.server.name for case in cases if case.replica] == [controlled]


def test_a_short_name_selects_its_case_alone() -> None:
    cases = read_plan(DEFAULT_PLAN, "default", ["sync/max_age=60", "sync/max_age=0/replica"]).cases
    assert [(case.server.name, case.max_age, case.replica) for case in cases] == [
        ("sync", 0, True),
        ("sync", 60, False),
    ]
