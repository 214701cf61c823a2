"""Compare CONN_MAX_AGE: server modes and ages side by side, and any two cases against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dashboards.source.lab import KEPT, LAB, NAMED_AS_ARM, VARIABLES
from dashboards.source.panels import Board, Limits, Panel, Query, Row, Unit, Variable
from dashboards.source.promql import EVERY_TARGET, TRIAL, Scope, or_zero, ratio
from loadlab.model.metrics import (
    CONNECT_ERRORS,
    CONNECTIONS_CLOSED,
    CONNECTIONS_OPENED,
    CPU_SECONDS,
    DATABASE_MAX_CONNECTIONS,
    DATABASE_PEAK,
    LOAD_REQUESTS,
    LOAD_RESPONSE,
    REQUESTS,
)

GUIDE = """\
**Tables**: one row per server mode, one column per CONN_MAX_AGE. **A against B**: choose two cases above; a ratio is
B's figure divided by A's. Trials of a plan last equally long, so requests per trial compare like throughput. These are
means and totals without a test. `loadlab report` says whether a difference is more than noise."""

# Ages only: pools and PgBouncer have their own dashboard.
AGED = Scope(matchers=(*LAB.matchers, 'max_age!=""'), labels=LAB.labels)
CELL = ("server", "max_age")


def of_case(variable: str) -> Scope:
    matchers = (f'{label}=~"${label}"' for label in ("job", "instance"))
    return Scope(matchers=(*matchers, f'case="${variable}"'), labels=(*EVERY_TARGET, *TRIAL))


A, B = of_case("case_a"), of_case("case_b")
Figure = Callable[..., str]  # of a scope, by labels


def requests_per_trial(scope: Scope, *by: str) -> str:
    return scope.per_trial(LOAD_REQUESTS, *by)


def p99(scope: Scope, *by: str) -> str:
    return scope.total_quantile(0.99, LOAD_RESPONSE, *by)


def peak_open(scope: Scope, *by: str) -> str:
    return scope.peak(DATABASE_PEAK, *by)


def cpu_per_request(scope: Scope, *by: str) -> str:
    return ratio(scope.grown(CPU_SECONDS, *by, part="app|database"), scope.grown(LOAD_REQUESTS, *by))


def opened_per_request(scope: Scope, *by: str) -> str:
    return ratio(scope.total(CONNECTIONS_OPENED, *by), scope.total(REQUESTS, *by))


SIDE_BY_SIDE = Row(
    title="Server modes × ages",
    panels=(
        Panel(
            title="Requests per trial",
            shows="Mean number of requests of a trial, over its blocks.",
            good="the number grows to the right: keeping connections pays in this mode.",
            act="if it is about the same or smaller, use CONN_MAX_AGE = 0 in this mode.",
            unit="short",
            kind="matrix",
            height=6,
            queries=(Query(expr=requests_per_trial(AGED, *CELL), name="requests per trial"),),
        ),
        Panel(
            title="Connections opened per request",
            shows=(
                "Connections opened per request that used the database. CONN_MAX_AGE = 0 is left out: it is always 1."
            ),
            good="near 0.",
            act="at 1, nothing is reused, and the age only leaks.",
            unit="short",
            kind="matrix",
            height=6,
            limits=Limits(doubtful=0.1, bad=0.9),
            queries=(Query(expr=opened_per_request(KEPT, *CELL), name="opened per request"),),
        ),
        Panel(
            title="Peak open, of what PostgreSQL allows",
            shows=(
                "The most connections open at once in one trial, sampled ten times a second, as a share of "
                "max_connections."
            ),
            good="low: at most the number of the mode's threads or processes.",
            act="near 100 % it is a leak, even if it is faster.",
            unit="percentunit",
            kind="matrix",
            height=6,
            limits=Limits(doubtful=0.5, bad=0.8),
            queries=(
                Query(expr=ratio(peak_open(AGED, *CELL), AGED.peak(DATABASE_MAX_CONNECTIONS, *CELL)), name="peak open"),
            ),
        ),
        Panel(
            title="Response time, p99",
            shows="99 % of the responses were faster, over all trials of a cell.",
            good="the number falls to the right.",
            act="if it grows, requests wait for something. See the dashboard Load and latency.",
            unit="s",
            kind="matrix",
            height=6,
            queries=(Query(expr=p99(AGED, *CELL), name="p99"),),
        ),
        Panel(
            title="CPU per request",
            shows="CPU time of application and database per request, during the load.",
            good="the number falls to the right: less connecting saves CPU time.",
            act="if it does not fall, nothing is reused.",
            unit="s",
            kind="matrix",
            height=6,
            queries=(Query(expr=cpu_per_request(AGED, *CELL), name="CPU per request"),),
        ),
        Panel(
            title="Closed by garbage collection",
            shows=("Connections that only the garbage collector closed, because their thread or greenlet had ended."),
            good="0.",
            act="above 0, this age leaks in this mode.",
            unit="short",
            kind="matrix",
            height=6,
            limits=Limits(doubtful=1, bad=10),
            queries=(
                Query(
                    expr=AGED.total(CONNECTIONS_CLOSED, *CELL, reason="garbage_collected"),
                    name="garbage collected",
                ),
            ),
        ),
    ),
)


def quotient(title: str, figure: Figure, good: str, limits: Limits) -> Panel:
    return Panel(
        title=title,
        shows=f"{title} is B's figure by A's: 2 is twice as much.",
        good=good,
        act="look at the figures of both cases below, and at how much trials of one case differ.",
        unit="none",
        kind="stat",
        limits=limits,
        queries=(Query(expr=ratio(figure(B), figure(A)), name="B by A"),),
        width=6,
        height=5,
    )


MORE_IS_BETTER, LESS_IS_BETTER = Limits(doubtful=1.05, bad=0.95), Limits(doubtful=0.95, bad=1.05)

FIGURES: tuple[tuple[str, Unit, Figure], ...] = (
    ("requests per trial", "short", requests_per_trial),
    ("p50", "s", lambda scope: scope.total_quantile(0.5, LOAD_RESPONSE)),
    ("p99", "s", p99),
    ("opened per request", "short", opened_per_request),
    ("peak open", "short", peak_open),
    ("CPU per request", "s", cpu_per_request),
    ("refused", "short", lambda scope: or_zero(scope.total(CONNECT_ERRORS))),
)

A_AGAINST_B = Row(
    title="A against B",
    panels=(
        quotient("Requests: B by A", requests_per_trial, "above 1, if you would like to use B.", MORE_IS_BETTER),
        quotient("p99: B by A", p99, "below 1.", LESS_IS_BETTER),
        quotient("CPU per request: B by A", cpu_per_request, "below 1.", LESS_IS_BETTER),
        quotient("Peak open: B by A", peak_open, "about 1: many more are a leak.", Limits(doubtful=1.5, bad=3)),
        *(
            Panel(
                title=f"{letter}: its figures",
                shows=f"What was measured of {letter}, over all its trials in the time range.",
                good="figures that hold over several blocks. One trial says little.",
                act="if it is empty, choose another case above.",
                unit="none",
                kind="stat",
                queries=tuple(Query(expr=figure(scope), name=name, unit=unit) for name, unit, figure in FIGURES),
                width=24,
                height=4,
            )
            for letter, scope in (("A", A), ("B", B))
        ),
    ),
)

ALL_ARMS = Row(
    title="All arms, including pools and PgBouncer",
    panels=(
        Panel(
            title="Requests per trial, by arm",
            shows="Mean number of requests of a trial, over its blocks, for each server mode and strategy.",
            good="a long bar.",
            act="compare bars of one server mode.",
            unit="short",
            kind="bargauge",
            width=12,
            height=10,
            queries=(Query(expr=requests_per_trial(LAB, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Connections opened per request, by arm",
            shows="Connections opened per request that used the database.",
            good="a short bar.",
            act="at 1, nothing is reused.",
            unit="short",
            kind="bargauge",
            width=12,
            height=10,
            queries=(Query(expr=opened_per_request(LAB, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
    ),
)


CASES = Variable(name="case_a", title="A", source=LAB.select(CONNECTIONS_OPENED), label="case", several=False)

BOARD = Board(
    uid="loadlab-compare",
    title="loadlab: Compare CONN_MAX_AGE",
    question="Which CONN_MAX_AGE is best in which server mode?",
    guide=GUIDE,
    variables=(
        *VARIABLES,
        CASES,
        replace(CASES, name="case_b", title="B", from_the_end=True),
    ),
    rows=(SIDE_BY_SIDE, A_AGAINST_B, ALL_ARMS),
)
