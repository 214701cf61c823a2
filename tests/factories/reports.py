"""Synthetic findings that look like a real run's: three server modes × three ages and an A/A arm."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from math import exp, inf, sin
from typing import NamedTuple

from factories import trials as made
from loadlab.model.answers import Answer, AsDeployed, DefaultAge, UnlimitedAge, UnlimitedHere
from loadlab.model.case import Case
from loadlab.model.caveats import Caveat, CaveatKind, Several
from loadlab.model.config import Config
from loadlab.model.counts import ConnectionCounts
from loadlab.model.findings import (
    Arm,
    Comparison,
    Estimate,
    FailureRow,
    Findings,
    LeftOut,
    OverTime,
    Percentiles,
    Recommendation,
    RunSummary,
    Snippet,
    TrialSummary,
    Verdict,
)
from loadlab.model.gates import Doubt, GateOutcome, GateResult, Gates
from loadlab.model.plan import Limits
from loadlab.model.reasons import BesideUnlimited, Gain, Ground, Harm, Held, Leaks, NoRequests, Speed, TooFewBlocks
from loadlab.model.samples import Connections, CpuSeconds, Trial
from loadlab.plan.gates import read_gates
from loadlab.report import REPORTS

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">|`'\"*_[x](javascript:alert(1))\u2028&amp;\x1b[31m"
GATES = ("leaks == 0", "p95 < 50 ms", "throughput >= 0.95 × baseline", "reuse >= 90 %")
UNDECIDED = GateOutcome.UNDECIDED
AGES = (0, 60, None)
SERVERS = ("threaded", "sync", "gevent")
USERS = 8
WINDOW = 2.0


class Behaviour(NamedTuple):
    """What one server mode does at one age: requests/s, seconds, opens per request, connections."""

    throughput: float
    p50: float
    opens: float
    peak: int
    left: int


BEHAVIOUR = {
    ("threaded", 0): Behaviour(312.0, 0.0232, 1.0, 8, 0),
    ("threaded", 60): Behaviour(305.0, 0.0238, 1.0, 91, 63),
    ("threaded", None): Behaviour(303.0, 0.0239, 1.0, 93, 48),
    ("sync", 0): Behaviour(348.0, 0.0208, 1.0, 2, 0),
    ("sync", 60): Behaviour(861.0, 0.0084, 0.0012, 2, 2),
    ("sync", None): Behaviour(869.0, 0.0083, 0.0012, 2, 2),
    ("gevent", 0): Behaviour(331.0, 0.0219, 1.0, 7, 0),
    ("gevent", 60): Behaviour(289.0, 0.0251, 1.0, 96, 96),
    ("gevent", None): Behaviour(286.0, 0.0254, 1.0, 96, 55),
}
USABLE = {"threaded": USERS, "sync": 2, "gevent": USERS}


def case(server: str, age: float | None, *, replica: bool = False) -> Case:
    return Case(
        server=Config(name=server, parameters={} if server == "threaded" else {"workers": 2}),
        strategy=Config(name="max_age", parameters={"max_age": age, "conn_health_checks": False}),
        scenario="read_one",
        users=USERS,
        keep_alive=False,
        usable_connections=USABLE.get(server, USERS),
        replica=replica,
    )


CASES = (*(case(server, age) for server, age in product(SERVERS, AGES)), case("sync", 0, replica=True))


def behaviour(of: Case) -> Behaviour:
    return BEHAVIOUR[of.server.name, None if of.max_age is None else int(of.max_age)]


def wobble(*numbers: float) -> float:
    """A factor near 1 that is the same on every call with the same numbers."""
    return exp(0.03 * sin(12.9898 * sum((i + 1) * number for i, number in enumerate(numbers))))


def ledger(of: Case, requests: int, *, stopped: bool = False) -> ConnectionCounts:
    does = behaviour(of)
    opened = max(does.left, round(requests * does.opens))
    left = 0 if stopped else does.left
    gone = {"process_exit": does.left} if stopped and does.left else {}
    reason = "request_end" if of.max_age == 0 else "garbage_collected"
    closed = {reason: opened - does.left} if opened > does.left else {}
    return ConnectionCounts(opened=opened, reused=requests - opened, closed=closed | gone, open=left)


def trial(of: Case, block: int, order: int) -> TrialSummary:
    does = behaviour(of)
    factor = wobble(order, block)
    requests = round(does.throughput * WINDOW * factor)
    rest, stopped = ledger(of, requests), ledger(of, requests, stopped=True)
    return TrialSummary(
        case=of,
        block=block,
        order=order,
        state="complete",
        reason="",
        window_seconds=WINDOW,
        requests=requests,
        failures=3 if does.peak > 90 else 0,
        throughput=does.throughput * factor,
        latency_seconds=Percentiles(p50=does.p50 / factor, p95=does.p50 * 1.9 / factor, p99=does.p50 * 2.8),
        connections=Connections(
            window_start=ConnectionCounts(),
            window_end=rest,
            at_rest=rest,
            after_stop=stopped,
            left_open=does.left,
            sessions=stopped.opened,
        ),
        peak=does.peak,
        opens_per_request=does.opens,
        cpu_seconds_per_request=cpu(does),
    )


def cpu(does: Behaviour) -> CpuSeconds:
    return CpuSeconds(app=0.0008 + 0.0011 * does.opens, database=0.0003 + 0.0019 * does.opens, generator=0.0004)


def estimate(value: float, half_width: float = 0.03) -> Estimate:
    return Estimate(value=value, low=value * (1 - half_width), high=value * (1 + half_width))


def open_over_time(does: Behaviour) -> OverTime:
    """A leak climbs until something gives and is collected in steps; otherwise the line is flat."""
    at = tuple(i * 0.05 for i in range(50))
    climb = tuple(min(1.0, i / 18) * (1 - 0.3 * ((i // 7) % 2) * (does.peak > 20)) for i in range(50))
    median = tuple(round(does.peak * share) for share in climb)
    low = tuple(value * 0.8 for value in median)
    return OverTime(at=at, median=median, low=low, high=tuple(min(does.peak, v * 1.15) for v in median))


def arm(of: Case, trials: int) -> Arm:
    does = behaviour(of)
    refused = 4 * trials if does.peak > 90 else 0
    return Arm(
        case=of,
        trials=trials,
        requests=round(does.throughput * WINDOW) * trials,
        failures=refused,
        throughput=estimate(does.throughput),
        p50_seconds=estimate(does.p50),
        p95_seconds=estimate(does.p50 * 1.9),
        p99_seconds=estimate(does.p50 * 2.8, 0.12),
        opens_per_request=does.opens,
        reuse=1 - does.opens,
        connect_seconds=0.0118,
        peak=does.peak,
        left_open=does.left,
        leaks=does.peak > of.usable_connections,
        leak="yes" if does.peak > of.usable_connections else "no",
        usable=of.usable_connections,
        refused=refused,
        connect_errors={"too_many_connections": refused} if refused else {},
        cpu_seconds_per_request=cpu(does),
        exact_trials=trials,
        expiry_observed=None if not of.max_age else False,
        open_over_time=open_over_time(does),
    )


def comparison(of: Case, blocks: int) -> Comparison:
    baseline = case(of.server.name, 0)
    ratio = behaviour(of).throughput / behaviour(baseline).throughput * (1.004 if of.replica else 1)
    verdict = "better" if ratio > 1.05 else "worse" if ratio < 0.95 else "equivalent"
    return Comparison(
        case=of,
        baseline=baseline,
        metric="throughput",
        ratio=ratio,
        low=ratio * 0.98,
        high=ratio * 1.02,
        p=0.7266 if of.replica else 0.0078,
        p_holm=None if of.replica else 0.0469,
        blocks=blocks,
        mde_ratio=1.042,
        verdict="equivalent" if of.replica else verdict,
        question="noise" if of.replica else "keep",
    )


def settings(age: float | None) -> str:
    checks = "True" if age != 0 else "False"
    return (
        'DATABASES = {\n    "default": {\n        "ENGINE": "django.db.backends.postgresql",\n'
        f'        "CONN_MAX_AGE": {age},\n        "CONN_HEALTH_CHECKS": {checks},\n    }},\n}}\n'
    )


def verdict(server: str, blocks: int = 8) -> Verdict:
    """Keeping pays under sync, and leaks elsewhere."""
    pays = server == "sync"
    age = 60 if pays else 0
    kept = case(server, 60)
    snippet = Snippet(file="settings.py", language="python", text=settings(age))
    return Verdict(
        condition=kept.group,
        cases=tuple(case(server, of) for of in AGES),
        kind=Ground.FASTER if pays else Ground.ALL_REJECTED,
        figures=(gain(kept, blocks) if pays else harm(kept),),
        recommend=Recommendation(
            strategy="max_age",
            max_age=age,
            conn_health_checks=pays,
            case=case(server, age),
            snippets=(snippet,),
        ),
        reasons=tuple(reason for of in (kept, case(server, None)) for reason in (speed(of, blocks), held(of))),
    )


def gain(of: Case, blocks: int) -> Gain:
    return Gain(case=of, comparison=comparison(of, blocks), connections=behaviour(of).left, pooled=False)


def harm(of: Case) -> Harm:
    return Harm(
        case=of,
        effect="leak",
        leak=Leaks(held=behaviour(of).peak, usable=USABLE[of.server.name]),
        refused=32,
        silent_trials=0,
        failures=32,
        requests=600,
    )


def speed(of: Case, blocks: int) -> Speed:
    return Speed(case=of, comparison=comparison(of, blocks), silent=0, tried=blocks)


def held(of: Case) -> Held:
    does = behaviour(of)
    return Held(
        case=of,
        peak=does.peak,
        left_open=does.left,
        usable=of.usable_connections,
        leak="yes" if of.server.name != "sync" else "no",
        refused=0,
        clients_peak=None,
        clients_left=None,
    )


ENVIRONMENT = {
    "versions": {"loadlab": "0.1.0", "Django": "5.2.19", "Python": "3.11.7", "PostgreSQL": "18.6"},
    "machine": {"cores": 2, "memory_gib": 7.8, "kernel": "6.1.0", "generator": "same machine"},
    "postgresql": {"max_connections": 100, "fsync": True, "password_encryption": "scram-sha-256"},
}


def answer() -> tuple[Answer, ...]:
    """600 pays under sync and leaks elsewhere, and unlimited is no better."""
    sync, *leaking = (case(server, 60).group for server in ("sync", "threaded", "gevent"))
    beside = replace(comparison(case("sync", None), 8), baseline=case("sync", 60), ratio=1.01, low=0.99, high=1.03)
    return (
        DefaultAge(
            keeping=(sync,),
            leaking=tuple(leaking),
            idle=(),
            worst=leaking[1],
            harm=harm(case("gevent", 60)),
            measured=False,
            leak="no",
            enough_seconds=0.05,
            wanted=0.95,
        ),
        UnlimitedAge(
            compared=(
                UnlimitedHere(
                    condition=sync,
                    beside=BesideUnlimited(case=case("sync", 60), comparison=beside, outcome="equivalent"),
                ),
            ),
            leaks=True,
        ),
    )


def called(name: str) -> AsDeployed:
    """What an external target showed whose settings somebody gave this name."""
    of = replace(CASES[0], strategy=Config(name=name))
    return AsDeployed(case=of, throughput=312.0, p50_seconds=0.0232, reuse=None, peak=8, leak="no")


def run_summary(blocks: int, trials: int) -> RunSummary:
    return RunSummary(
        id="2026-11-22T21-00-00",
        started="2026-11-22 21:00 UTC",
        seed=2013,
        blocks=blocks,
        state="complete",
        trials_planned=trials,
        trials_done=trials,
        primary_metric="throughput",
        equivalence_margin=0.05,
        warmup_seconds=0.5,
        window_seconds=WINDOW,
    )


def findings(blocks: int = 8) -> Findings:
    """A complete run: ten arms, so `blocks=30` makes 300 trials."""
    runs = list(product(range(blocks), CASES))
    trials = tuple(trial(of, block, order) for order, (block, of) in enumerate(runs))
    compared = [of for of in CASES if of.max_age != 0 or of.replica]
    leaking = case("gevent", 60)
    return Findings(
        run=run_summary(blocks, len(trials)),
        environment={part: dict(values) for part, values in ENVIRONMENT.items()},
        answer=answer(),
        verdicts=tuple(verdict(server) for server in SERVERS),
        arms=tuple(arm(of, blocks) for of in CASES),
        comparisons=tuple(comparison(of, blocks) for of in compared),
        failures=(
            FailureRow(
                case=leaking,
                kind="HTTP 500",
                count=4 * blocks,
                share=0.007,
                example="FATAL: sorry, too many clients already",
            ),
        ),
        caveats=(
            Caveat(
                kind=CaveatKind.EXPIRY_UNSEEN,
                subject=Several(count=1, of="case"),
                figures={"max_age": 60, "ages": 3},
            ),
            Caveat(kind=CaveatKind.BUSY_MACHINE, subject="machine", figures={"load": 2.51, "cores": 2}),
        ),
        trials=trials,
    )


def inconclusive() -> Findings:
    """Four blocks: too few for any verdict, so intervals, p and recommendations are missing."""
    full = findings(blocks=4)
    unsure = tuple(
        replace(c, low=None, high=None, p=0.125, p_holm=0.75, mde_ratio=None, verdict="inconclusive")
        for c in full.comparisons
    )
    few = TooFewBlocks(blocks=4, needed=6, comparisons=6)
    undecided = tuple(replace(v, recommend=None, kind=Ground.TOO_FEW_BLOCKS, figures=(few,)) for v in full.verdicts)
    return replace(
        full, comparisons=unsure, verdicts=undecided, answer=(replace(full.answer[0], keeping=(), leaking=()),)
    )


def all_failed() -> Findings:
    """Every trial failed: arms without estimates, no comparison, no verdict."""
    full = findings(blocks=2)
    nothing = Percentiles(p50=None, p95=None, p99=None)
    trials = tuple(
        replace(
            t,
            state="failed",
            reason="the server did not answer within 10 s",
            requests=0,
            throughput=float("nan"),
            latency_seconds=nothing,
            opens_per_request=None,
            cpu_seconds_per_request=None,
        )
        for t in full.trials
    )
    run = replace(full.run, state="incomplete", trials_done=0)
    arms = tuple(_unmeasured(a) for a in full.arms)
    return replace(full, run=run, arms=arms, trials=trials, comparisons=(), verdicts=(), answer=(), failures=())


def _unmeasured(of: Arm) -> Arm:
    return replace(
        of,
        trials=0,
        requests=0,
        throughput=None,
        p50_seconds=None,
        p95_seconds=None,
        p99_seconds=None,
        opens_per_request=None,
        reuse=None,
        connect_seconds=None,
        peak=0,
        left_open=0,
        leaks=False,
        cpu_seconds_per_request=None,
        exact_trials=0,
        open_over_time=None,
    )


def gated() -> Findings:
    """A run with gates: of each outcome, and for each reason to doubt."""
    full = findings()
    slow, leaking = case("sync", 60), case("gevent", 60)
    asked = {one.text: one for one in read_gates(GATES)}
    results = (
        GateResult(gate=asked["leaks == 0"], case=slow, outcome=GateOutcome.PASS, value=0),
        GateResult(gate=asked["leaks == 0"], case=leaking, outcome=GateOutcome.FAIL, value=8),
        GateResult(gate=asked["leaks == 0"], case=case("threaded", 60), outcome=UNDECIDED, doubt=Doubt.LEAK_UNKNOWN),
        GateResult(
            gate=asked["throughput >= 0.95 × baseline"],
            case=slow,
            outcome=UNDECIDED,
            doubt=Doubt.INTERVAL,
            value=0.96,
            low=0.92,
            high=1.01,
            trials=8,
        ),
        GateResult(
            gate=asked["p95 < 50 ms"], case=leaking, outcome=GateOutcome.FAIL, value=0.06, low=0.055, high=inf, trials=8
        ),
        GateResult(gate=asked["reuse >= 90 %"], case=leaking, outcome=UNDECIDED, doubt=Doubt.NOT_MEASURED),
        GateResult(
            gate=asked["p95 < 50 ms"],
            case=slow,
            outcome=UNDECIDED,
            doubt=Doubt.TOO_FEW_TRIALS,
            value=0.04,
            low=-inf,
            high=inf,
            trials=2,
        ),
    )
    return replace(full, gates=Gates(results=results))


def empty() -> Findings:
    """No trial at all: stopped before the first one."""
    full = findings(blocks=0)
    run = replace(full.run, state="incomplete", trials_planned=90)
    return Findings(
        run=run,
        environment={},
        answer=(),
        verdicts=(),
        arms=(),
        comparisons=(),
        failures=(),
        caveats=(),
        trials=(),
    )


def hostile() -> Findings:
    """Every free text of a run is an attempt to break out of its format; one figure is infinite."""
    full = findings(blocks=2)
    names = {of: _hostile_case(of) for of in CASES}
    return replace(
        full,
        run=replace(full.run, id=HOSTILE, started=HOSTILE),
        environment={HOSTILE: {HOSTILE: HOSTILE}},
        answer=(called(HOSTILE),),
        verdicts=tuple(_hostile_verdict(v, names) for v in full.verdicts),
        arms=tuple(replace(a, case=names[a.case], connect_seconds=inf) for a in full.arms),
        comparisons=tuple(replace(c, case=names[c.case], baseline=names[c.baseline]) for c in full.comparisons),
        failures=tuple(replace(f, case=names[f.case], kind=HOSTILE, example=HOSTILE) for f in full.failures),
        caveats=(Caveat(kind=CaveatKind.DAMAGED, subject=HOSTILE, figures={"fault": HOSTILE, "remedy": HOSTILE}),),
        trials=tuple(replace(t, case=names[t.case], state="invalid", reason=HOSTILE) for t in full.trials),
    )


def _hostile_verdict(of: Verdict, names: dict[Case, Case]) -> Verdict:
    case = names[of.recommend.case]
    snippet = Snippet(file="settings.py", language="python", text=HOSTILE + "```\n")
    return replace(
        of,
        condition=case.group,
        cases=tuple(names[one] for one in of.cases),
        recommend=replace(of.recommend, case=case, snippets=(snippet,)),
        figures=tuple(replace(one, case=names[one.case]) for one in of.figures),
        reasons=(NoRequests(case=replace(case, strategy=Config(name=HOSTILE))),),
    )


def _hostile_case(of: Case) -> Case:
    server = replace(of.server, name=HOSTILE + of.server.name)
    return replace(of, server=server, scenario=HOSTILE)


def with_database_elsewhere() -> Findings:
    """PostgreSQL runs on another machine: its processor time is unknown."""
    full = findings(blocks=1)
    unknown = CpuSeconds(app=0.001, database=None, generator=0.0004)
    arms = tuple(replace(a, cpu_seconds_per_request=unknown) for a in full.arms)
    trials = tuple(replace(t, cpu_seconds_per_request=unknown) for t in full.trials)
    return replace(full, arms=arms, trials=trials)


def with_answer(name: str) -> Findings:
    """A run whose answer has a name in it that somebody else has given."""
    return replace(findings(blocks=1), answer=(called(name),))


THREE_MODES = ("sync", "gthread", "gevent")
SEVERAL = (
    *(("max_age", {"max_age": age}) for age in (0, 60, None)),
    ("max_age_if_not_debug", {}),
    *(("pool", {"max_size": size}) for size in (4, 16)),
    ("geventpool", {}),
    ("leased_threads", {}),
    *((name, {}) for name in ("close_on_thread_exit", "reap_dead_threads", "worker_exit_hook", "pgbouncer")),
)
LIMITS = Limits(max_connections=60, hosts=2, workers=4, overlap=2)


@cache
def strategies(
    servers: tuple[str, ...] = THREE_MODES, round_trips: tuple[float, ...] = (0.0, 1.0, 5.0), blocks: int = 12
) -> Findings:
    """What the analysis says of a dozen strategies with several added latencies, in production that has limits."""
    cases = [
        replace(made.strategy_case(server, name, **parameters), round_trip_ms=ms)
        for server in servers
        for name, parameters in SEVERAL
        for ms in round_trips
        if _fits(server, name)
    ]
    trials = [one for of in cases for one in _as_known(of, blocks)]
    left_out = tuple(
        LeftOut(server=server, strategy=name, why="it cannot work there")
        for name in ("geventpool", "leased_threads")
        for server in servers
        if not _fits(server, name)
    )
    return made.findings(
        cases,
        trials,
        blocks=blocks,
        limits=LIMITS,
        left_out=left_out,
        driver="psycopg",
        trials_planned=len(trials),
        trials_done=len(trials),
    )


def _fits(server: str, strategy: str) -> bool:
    return server == {"geventpool": "gevent", "leased_threads": "asgi"}.get(strategy, server)


def _as_known(of: Case, blocks: int) -> list[Trial]:
    """Opening costs 7 ms and five round trips; where each request has its own thread, ages and hooks leak."""
    name, far = of.strategy.name, of.round_trip_ms
    apart = of.server.name in ("threaded", "gevent", "asgi")
    pooled = name in ("pool", "geventpool", "leased_threads", "pgbouncer")
    closes = (name == "max_age" and of.max_age == 0) or (
        apart and name in ("close_on_thread_exit", "reap_dead_threads")
    )
    leaks = apart and not pooled and not closes
    rate = 1600 / ((2 + far * 1.2) + (0 if pooled or not (closes or leaks) else 7 + 5 * far))
    rate *= {"pgbouncer": 0.8, "pool": 0.95, "geventpool": 0.9}.get(name, 1.0)
    like = made.LEAKING if leaks else made.CLOSED if closes else made.KEPT
    brief = replace(like, requests=160, reused=160 if like is made.KEPT else 0, response=8 / rate)
    trials = made.noisy(of, rate, blocks=blocks, like=brief)
    if name == "pgbouncer":
        queue = made.Queue(waited=1.2, longest=0.08, waiting=3)
        return [made.through_pooler(one, clients=of.usable_connections, servers=5, queue=queue) for one in trials]
    if name == "pool":
        return [made.with_waits(one, waits=160, seconds=0.04) for one in trials]
    return trials


VARIANTS = {
    "complete": findings,
    "inconclusive": inconclusive,
    "all failed": all_failed,
    "empty": empty,
    "hostile": hostile,
    "database elsewhere": with_database_elsewhere,
    "strategies": strategies,
    "gated": gated,
}


@cache
def rendered(name: str, variant: str) -> str:
    """A variant in one format, rendered once for all tests that only read it."""
    return REPORTS[name]().render(VARIANTS[variant]())
