"""Synthetic runs: cases and trials that say what a server mode would have said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from loadlab.analysis import analyse
from loadlab.model.case import Case
from loadlab.model.config import Config
from loadlab.model.counts import ConnectionCounts, PoolerCounts
from loadlab.model.findings import Findings, RunSummary
from loadlab.model.samples import Connections, CpuSeconds, Failure, PoolerRecord, Requests, Series, State, Trial
from loadlab.plan.members import config_of, usable_connections
from loadlab.report.prose.caveats import said
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.model.causes import Cause
    from loadlab.report.prose.caveats import Said

WARMUP = 0.5


def case(
    server: str = "sync",
    max_age: float | None = 0,
    *,
    usable: int = 2,
    checks: bool = False,
    workers: int = 2,
    **changes: object,
) -> Case:
    made = Case(
        server=Config(name=server, parameters={} if server == "threaded" else {"workers": workers}),
        strategy=Config(name="max_age", parameters={"max_age": max_age, "conn_health_checks": checks}),
        scenario="read_one",
        users=8,
        keep_alive=False,
        usable_connections=usable,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def strategy_case(server: str, strategy: str, **parameters: object) -> Case:
    """As a plan would spell it out: every other parameter at its default."""
    where = config_of(SERVERS, server, {}, "server")
    how = config_of(STRATEGIES, strategy, parameters, "strategy")  # type: ignore[arg-type]
    return Case(
        server=where,
        strategy=how,
        scenario="read_one",
        users=8,
        keep_alive=False,
        usable_connections=usable_connections(where, how, 8),
    )


def ages(server: str = "sync", *, usable: int = 2) -> list[Case]:
    """The three cases of the default plan for one server mode."""
    return [case(server, max_age, usable=usable) for max_age in (0, 60, None)]


def replica(of: Case) -> Case:
    return replace(of, replica=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """What a trial is to look like; `response` is each request's, `held` the connections open all along."""

    requests: int = 400
    failed: int = 0
    seconds: float = 2.0
    response: float = 0.01
    opened: int = 2
    reused: int = 398
    held: int = 2
    refused: int = 0
    sessions: int | None = None
    generator_cpu: float = 0.5
    state: State = "complete"
    reason: str = ""
    causes: tuple[Cause, ...] = ()


def trial(of: Case, block: int = 1, behaviour: Behaviour | None = None) -> Trial:
    """Requests end evenly over the window, after as many again in the warm-up that must not be counted."""
    like = behaviour or Behaviour()
    end = WARMUP + like.seconds
    return Trial(
        case=of,
        block=block,
        order=1,
        state=like.state,
        reason=like.reason,
        causes=like.causes,
        by_target=any(cause.by_target for cause in like.causes),
        started="2013-03-18T12:00:00Z",
        window_start=WARMUP,
        window_end=end,
        requests=_requests(like, end),
        failures=(Failure(kind="500", count=like.failed, example="too many"),) if like.failed else (),
        connections=_connections(like),
        series=series(like.held, end),
        cpu_seconds=CpuSeconds(app=1.0, database=0.5, generator=like.generator_cpu),
        overhead_seconds={},
        load_average=0.5,
    )


def _requests(like: Behaviour, end: float) -> Requests:
    before = np.full(20, WARMUP - 0.1)
    inside = np.linspace(WARMUP, end, like.requests, endpoint=False)
    failed = np.arange(like.requests) < like.failed
    return Requests(
        ended=np.concatenate([before, inside]).tolist(),
        response=[9.0] * before.size + [like.response] * like.requests,
        failed=[0.0] * before.size + failed.astype(float).tolist(),
    )


def _connections(like: Behaviour) -> Connections:
    errors = {"too_many_connections": like.refused} if like.refused else {}
    closed = like.opened - like.held
    rest = ConnectionCounts(
        opened=like.opened,
        reused=like.reused,
        closed={"request_end": closed} if closed > 0 else {},
        open=like.held,
        connect_errors=errors,
        connect_seconds_sum=like.opened * 0.005,
    )
    after = replace(rest, open=0, closed={**rest.closed, "process_exit": like.held})
    return Connections(
        window_start=ConnectionCounts(),
        window_end=rest,
        at_rest=rest,
        after_stop=after,
        left_open=like.held,
        sessions=like.opened if like.sessions is None else like.sessions,
    )


def series(held: int, end: float, *, step: float = 0.05) -> Series:
    at = np.arange(0, end, step)
    flat = [float(held)] * at.size
    return Series(at=at.tolist(), values={"backends": flat, "open": flat})


KEPT = Behaviour(response=0.008, opened=2, reused=998, held=2, requests=1000)
CLOSED = Behaviour(response=0.04, opened=200, reused=0, held=0, requests=200)
LEAKING = Behaviour(response=0.05, opened=160, reused=0, held=60, requests=160, refused=4, failed=4)


def at_rate(throughput: float, behaviour: Behaviour = KEPT) -> Behaviour:
    """The same trial with exactly this throughput: its window is stretched to fit."""
    return replace(behaviour, seconds=(behaviour.requests - behaviour.failed) / throughput)


def noisy(of: Case, median: float, *, blocks: int = 8, seed: int = 1, like: Behaviour = KEPT) -> list[Trial]:
    """A trial per block, with log-normal noise on its throughput."""
    generator = np.random.default_rng([seed, *of.id.encode()])
    rates = median * np.exp(0.03 * generator.standard_normal(blocks))
    return [trial(of, block, at_rate(float(rate), like)) for block, rate in enumerate(rates, start=1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """What a pooler did not serve at once: clients refused, seconds waited in all, the longest, how many waiting."""

    refused: int = 0
    waited: float = 0.0
    longest: float = 0.0
    waiting: int = 0


def through_pooler(of: Trial, *, clients: int, servers: int, queue: Queue | None = None) -> Trial:
    """The same trial with a pooler in between, to which `clients` connections stay open, as `servers` behind it."""
    seen = queue or Queue()
    connections = of.connections
    rest = replace(connections.at_rest, opened=clients, open=clients, closed={})
    stopped = replace(connections.after_stop, opened=clients, open=0, closed={"process_exit": clients})
    counts = PoolerCounts(
        clients_opened=clients,
        clients_open=clients,
        servers_opened=servers,
        servers_open=servers,
        waited_seconds=seen.waited,
        refused=seen.refused,
    )
    instants = len(of.series.at)
    columns = {
        "backends": servers,
        "open": clients,
        "pooler_longest_wait_seconds": seen.longest,
        "pooler_clients_waiting": seen.waiting,
    }
    return replace(
        of,
        connections=replace(
            connections,
            window_end=rest,
            at_rest=rest,
            after_stop=stopped,
            left_open=servers,
            sessions=servers,
            pooler=PoolerRecord(at_rest=counts, after_stop=replace(counts, clients_open=0)),
        ),
        series=replace(of.series, values={name: [float(value)] * instants for name, value in columns.items()}),
    )


def with_waits(of: Trial, *, waits: int, seconds: float) -> Trial:
    """The same trial, whose pool was asked so often in the window, and as often in the warm-up."""
    connections = of.connections
    start = replace(connections.window_start, waits=waits, wait_seconds_sum=seconds)
    end = replace(connections.window_end, waits=2 * waits, wait_seconds_sum=2 * seconds)
    return replace(of, connections=replace(connections, window_start=start, window_end=end))


def run_summary(**changes: object) -> RunSummary:
    summary = RunSummary(
        id="a-run",
        started="2013-03-18T12:00:00Z",
        seed=2013,
        blocks=8,
        state="complete",
        trials_planned=0,
        trials_done=0,
        primary_metric="throughput",
        equivalence_margin=0.05,
        warmup_seconds=WARMUP,
        window_seconds=2.0,
    )
    return replace(summary, **changes)  # type: ignore[arg-type]


def findings(cases: Sequence[Case], trials: Iterable[Trial], **run: object) -> Findings:
    return analyse(run=run_summary(**run), environment={}, cases=cases, trials=list(trials))


def caveats_of(found: Findings) -> list[Said]:
    """In words, with the ids of cases."""
    return [said(one, lambda case: case.id) for one in found.caveats]


def default_plan(*, blocks: int = 8, seed: int = 1) -> Findings:
    """What the default plan finds on a machine where all goes as it is known to: sync reuses, others leak."""
    sync, threaded, gevent = ages("sync"), ages("threaded", usable=8), ages("gevent", usable=8)
    trials = [
        *noisy(sync[0], 100, blocks=blocks, seed=seed, like=CLOSED),
        *noisy(sync[1], 600, blocks=blocks, seed=seed),
        *noisy(sync[2], 600, blocks=blocks, seed=seed),
        *noisy(replica(sync[0]), 100, blocks=blocks, seed=seed, like=CLOSED),
    ]
    for closing, *keeping in (threaded, gevent):
        trials += noisy(closing, 100, blocks=blocks, seed=seed, like=CLOSED)
        for kept in keeping:
            trials += noisy(kept, 95, blocks=blocks, seed=seed, like=LEAKING)
    return findings([*sync, replica(sync[0]), *threaded, *gevent], trials, blocks=blocks)
