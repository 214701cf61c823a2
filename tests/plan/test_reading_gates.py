"""Gates are read as they are written, and what is wrong with them is told before the run."""

from __future__ import annotations

import pytest

from loadlab.errors import UsageError
from loadlab.model.gates import MEASURES, Limit
from loadlab.plan.experiment import read_plan
from loadlab.plan.gates import read_gates

PLAN = """
blocks = 12
[servers.sync]
[servers.gevent]
[strategies.max_age]
max_age = [0, 60]
[gates]
"""


def problems(text: str) -> str:
    with pytest.raises(UsageError) as error:
        read_plan(text, "plan.toml")
    return str(error.value)


@pytest.mark.parametrize(
    ("said", "quantity", "operator", "limit"),
    [
        ("leaks == 0", "leaks", "==", Limit(value=0)),
        ("p95 < 50 ms", "p95", "<", Limit(value=0.05)),
        ("p95<0.05s", "p95", "<", Limit(value=0.05)),
        ("opens_per_request < 0.05", "opens_per_request", "<", Limit(value=0.05)),
        ("throughput >= 0.95 × baseline", "throughput", ">=", Limit(value=0.95, relative=True)),
        ("throughput >= 0.95x baseline", "throughput", ">=", Limit(value=0.95, relative=True)),
        ("throughput ≥ 95 % * baseline", "throughput", ">=", Limit(value=0.95, relative=True)),
        ("throughput >= baseline", "throughput", ">=", Limit(value=1.0, relative=True)),
        ("throughput > 100", "throughput", ">", Limit(value=100)),
        ("throughput > 100 /s", "throughput", ">", Limit(value=100)),
        ("open ≤ 20", "open", "<=", Limit(value=20)),
        ("reuse >= 90 %", "reuse", ">=", Limit(value=0.9)),
        ("reuse >= .9", "reuse", ">=", Limit(value=0.9)),
        (
            "failed_after(database_restart) <= 1 per connection",
            "failed_after",
            "<=",
            Limit(value=1, per_connection=True),
        ),
        ("recovered_after(database_restart) < 2 s", "recovered_after", "<", Limit(value=2)),
    ],
)
def test_a_gate_is_read_as_it_is_written(said: str, quantity: str, operator: str, limit: Limit) -> None:
    (gate,) = read_gates([said])
    assert (gate.quantity, gate.operator) == (quantity, operator)
    assert gate.limit.value == pytest.approx(limit.value)
    assert (gate.limit.relative, gate.limit.per_connection) == (limit.relative, limit.per_connection)
    assert gate.cases == "*"


def test_a_glob_before_a_gate_says_for_which_cases_it_is() -> None:
    (gate,) = read_gates(["gevent*: leaks == 0"])
    assert (gate.cases, gate.text) == ("gevent*", "leaks == 0")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("leak == 0", "did you mean leaks?"),
        ("p95 < 50", "write 50 ms or 50 s"),
        ("p95 < 50 msec", "did you mean ms?"),
        ("leaks == 0 ms", "write a number without a unit"),
        ("reuse >= 90 ms", "write % or no unit"),
        ("leaks = 0", "write =="),
        ("p95 == 50 ms", "an estimate is never exactly equal"),
        ("throughput >= 0.95 × basline", "did you mean baseline?"),
        ("throughput >= fast × baseline", "write a positive number"),
        ("throughput >= -1 × baseline", "write a positive number"),
        ("leaks", "write QUANTITY OPERATOR LIMIT"),
        ("leaks(database_restart) == 0", "leaks is not about a fault"),
        ("failed <= 1 per connection", '"per connection" is for counts of what a fault does'),
        ("failed_after <= 1", "write failed_after(FAULT)"),
        ("failed_after(database_restart) <= 1 × baseline", "what a fault does has no baseline"),
        ("recovered_after(database_restart) <= 1 s per connection", "is for counts"),
    ],
)
def test_a_faulty_gate_is_answered_with_the_right_word(said: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        read_gates([said])
    assert told in str(error.value)


def test_all_problems_of_all_gates_are_told_at_once() -> None:
    with pytest.raises(UsageError) as error:
        read_gates(["leak ~ 0 sm", "p95 < 50"])
    for told in ("did you mean leaks?", "unknown operator '~'", "unknown unit 'sm'", "write 50 ms"):
        assert told in str(error.value)


def test_a_plan_names_gates_by_globs_of_cases() -> None:
    text = PLAN + '"*" = ["leaks == 0", "p95 < 50 ms"]\n"gevent*" = "open <= 20"\nundecided = "fail"\n'
    assert read_plan(text, "plan.toml").plan.gates["gevent*"] == "open <= 20"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('"*" = ["leak == 0"]', 'gates."*" (leak == 0): unknown quantity'),
        ('"gevnt*" = ["leaks == 0"]', "no case matches 'gevnt*' (did you mean gevent?)"),
        ('"*" = ["dropped == 0"]', "dropped needs an open load"),
        ('"*" = ["service_p95 < 1 s"]', "service_p95 needs an open load"),
        ('undecided = "ignore"', 'set "fail", or remove it'),
    ],
)
def test_a_gate_that_cannot_be_measured_is_a_fault_of_the_plan(line: str, told: str) -> None:
    assert told in problems(PLAN + line)


def test_a_gate_of_an_open_load_cannot_limit_its_throughput() -> None:
    plan = PLAN.replace("[servers.sync]", "[load]\nrate = 50\n[servers.sync]")
    assert "throughput needs a closed load" in problems(plan + '"*" = ["throughput > 40"]')


def test_a_gate_on_a_baseline_needs_one_in_the_plan() -> None:
    lone = PLAN.replace("[0, 60]", "60") + '"*" = ["throughput >= 0.95 × baseline"]'
    assert "no case that it is for has a baseline" in problems(lone)
    beside = PLAN + '"*" = ["throughput >= 0.95 × baseline"]'
    assert read_plan(beside, "plan.toml").cases
    with pytest.raises(UsageError, match="has a baseline"):
        read_plan(beside, "plan.toml", ["*max_age=60*"])


def test_a_gate_that_only_so_few_blocks_decide_is_a_fault_of_the_plan() -> None:
    few = PLAN.replace("blocks = 12", "blocks = 4")
    assert "set blocks to 5 or more" in problems(few + '"*" = ["p95 < 50 ms"]')
    assert read_plan(few + '"*" = ["leaks == 0"]', "plan.toml").cases


@pytest.mark.parametrize(
    ("fault", "told"),
    [("database_restart", None), ("databse_restart", "did you mean database_restart?"), ("network_cut", "one of")],
)
def test_a_gate_on_a_fault_needs_it_in_the_plan(fault: str, told: str | None) -> None:
    gate = f'"*" = ["failed_after({fault}) <= 1 per connection"]\n'
    text = PLAN + gate + '[[faults]]\nkind = "database_restart"\nat_seconds = 0.5\n'
    if told is None:
        assert read_plan(text, "plan.toml").cases
    else:
        assert told in problems(text)
    assert f'add [[faults]] with kind = "{fault}"' in problems(PLAN + gate)


def test_a_gate_on_a_fault_needs_a_case_in_which_it_can_be_applied() -> None:
    fault = '[[faults]]\nkind = "worker_restart"\nat_seconds = 0.5\n'
    servers = PLAN.replace("[servers.gevent]", "[servers.waitress]")
    gate = '"waitress*" = ["failed_after(worker_restart) <= 1"]\n'
    assert "'waitress*' matches no case in which worker_restart can be applied" in problems(servers + gate + fault)
    assert read_plan(servers + gate.replace("waitress*", "*") + fault, "plan.toml").cases


def test_a_gate_for_the_replica_alone_is_a_fault_of_the_plan() -> None:
    assert "this gate is not about" in problems(PLAN + '"*replica" = ["leaks == 0"]')


def test_a_gate_whose_case_has_another_name_with_only_is_a_fault_of_the_plan() -> None:
    plan = "users = [2, 8]\n" + PLAN + '"sync/max_age=60/users=2" = ["leaks == 0"]\n'
    assert read_plan(plan, "plan.toml").cases
    with pytest.raises(UsageError, match="sync/max_age=60/users=2 is called sync/max_age=60, which it does not match"):
        read_plan(plan, "plan.toml", ["*users=2*"])
    assert read_plan(plan.replace("60/users=2", "60*"), "plan.toml", ["*users=2*"]).cases
    assert read_plan(plan, "plan.toml", ["gevent*"]).cases


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_share_that_is_just_its_limit_meets_it(percent: int) -> None:
    (least,) = read_gates([f"reuse >= {percent} %"])
    (most,) = read_gates([f"failed_share <= {percent / 10} %"])
    assert least.meets(percent / 100)
    assert most.meets(percent / 1000)


@pytest.mark.parametrize("number", ["1e400", "-1e999", "1e999999999", "1e99999999999999999999"])
def test_a_limit_is_a_finite_number(number: str) -> None:
    with pytest.raises(UsageError, match="too large a limit"):
        read_gates([f"leaks <= {number}"])
    with pytest.raises(UsageError, match="× baseline is not a limit"):
        read_gates([f"open <= {number} × baseline"])


def test_every_quantity_can_be_limited() -> None:
    for name, measure in MEASURES.items():
        unit = {"s": " ms", "share": " %"}.get(measure.unit, "")
        fault = "(database_restart)" if measure.needs == "fault" else ""
        (gate,) = read_gates([f"{name}{fault} <= 5{unit}"])
        assert gate.quantity == name
