"""Connections: which server mode and age reuse, leak or refuse."""

from __future__ import annotations

from dashboards.source.holders import COLOURS, by_holder
from dashboards.source.lab import ARM, FAULTS, KEPT, LAB, NAMED_AS_ARM, VARIABLES
from dashboards.source.panels import Board, Limits, Panel, Query, Row
from dashboards.source.promql import minus, or_zero, ratio
from loadlab.model.metrics import (
    CONNECT_DURATION,
    CONNECT_ERRORS,
    CONNECTION_AGE,
    CONNECTION_REQUESTS,
    CONNECTIONS_CLOSED,
    CONNECTIONS_OPEN,
    CONNECTIONS_OPENED,
    DATABASE_BACKENDS,
    DATABASE_MAX_CONNECTIONS,
    DATABASE_PEAK,
    DATABASE_SESSIONS,
    POOLER_SERVERS,
    REQUESTS,
)

GUIDE = """\
**Reuse** shows what a kept connection gains, **leak** what it costs. Connections that no later request can find stay
open until the garbage collector finds them, or until PostgreSQL refuses the next one. Numbers and tables are totals
over the time range, exact for each trial. Curves are rates, and too low for the first and last seconds of a trial."""

MISCOUNTED = minus(LAB.total(CONNECTIONS_OPENED, "instance"), LAB.total(DATABASE_SESSIONS, "instance"))
BEHIND_POOLER = LAB.total(POOLER_SERVERS, "instance")

IN_SHORT = Row(
    title="Summary",
    panels=(
        Panel(
            title="Opened",
            shows="Connections that all chosen trials have opened.",
            good="few: the number of the server mode's threads or processes.",
            act="look at the reuse rate. With CONN_MAX_AGE = 0, one per request is normal.",
            unit="short",
            kind="stat",
            queries=(Query(expr=LAB.total(CONNECTIONS_OPENED), name="opened"),),
            width=4,
            height=5,
        ),
        Panel(
            title="Reuse rate, where kept",
            shows="Share of requests that found a connection open, where CONN_MAX_AGE is not 0.",
            good="near 100 %.",
            act=("if nothing is reused, each request has its own thread: set CONN_MAX_AGE = 0, or use a pool."),
            unit="percentunit",
            kind="stat",
            limits=Limits(doubtful=0.9, bad=0.5),
            queries=(
                Query(expr=ratio(KEPT.total(REQUESTS, connection="reused"), KEPT.total(REQUESTS)), name="reused"),
            ),
            width=4,
            height=5,
        ),
        Panel(
            title="Closed by garbage collection",
            shows=(
                "Share of closed connections that only the garbage collector closed: their thread or "
                "greenlet had ended."
            ),
            good="0 %.",
            act="this is the leak. Set CONN_MAX_AGE = 0 in this server mode, or use a fix.",
            unit="percentunit",
            kind="stat",
            limits=Limits(doubtful=0.01, bad=0.1),
            queries=(
                Query(
                    expr=ratio(
                        LAB.total(CONNECTIONS_CLOSED, reason="garbage_collected"), LAB.total(CONNECTIONS_CLOSED)
                    ),
                    name="garbage collected",
                ),
            ),
            width=4,
            height=5,
        ),
        Panel(
            title="Refused",
            shows="Failed attempts to connect, of every kind.",
            good="0.",
            act=("too_many_connections: keep fewer, or let PostgreSQL allow more. See connect errors below."),
            unit="short",
            kind="stat",
            limits=Limits(doubtful=1, bad=10),
            queries=(Query(expr=or_zero(LAB.total(CONNECT_ERRORS)), name="refused"),),
            width=4,
            height=5,
        ),
        Panel(
            title="Peak open, of what PostgreSQL allows",
            shows=(
                "The most connections open at once in one trial, sampled ten times a second, as a share of "
                "max_connections."
            ),
            good="below 70 %.",
            act="near 100 %, PostgreSQL refuses the next connection. Find the arm in the table below.",
            unit="percentunit",
            kind="stat",
            limits=Limits(doubtful=0.7, bad=0.9),
            queries=(Query(expr=ratio(LAB.peak(DATABASE_PEAK), LAB.peak(DATABASE_MAX_CONNECTIONS)), name="peak"),),
            width=4,
            height=5,
        ),
        Panel(
            title="Opened minus PostgreSQL's sessions",
            shows=(
                "How far two independent counts differ: the target's and PostgreSQL's. Trials with "
                "PgBouncer are left out, because PostgreSQL then counts PgBouncer's connections."
            ),
            good="0 after a trial has ended. During a trial, the two are read at different instants.",
            act="do not trust the figures of that trial. Its record says which counts do not reconcile.",
            unit="short",
            kind="stat",
            limits=Limits(doubtful=1, bad=2),
            queries=(Query(expr=f"sum(abs({MISCOUNTED}) unless on(instance) {BEHIND_POOLER})", name="difference"),),
            width=4,
            height=5,
        ),
    ),
)

BY_ARM = Row(
    title="By server mode and strategy",
    panels=(
        Panel(
            title="What became of connections",
            shows=(
                "One row per server mode, strategy and kind of client, with exact totals over its trials. "
                "The peak is the highest of all its trials. With PgBouncer, it is PgBouncer's own."
            ),
            good="a high reuse rate, a peak not above what the mode can use, and none refused.",
            act=(
                "compare the rows of one server mode. What leaks under one age closes properly under 0 or with a pool."
            ),
            unit="short",
            kind="table",
            queries=(
                Query(expr=LAB.total(CONNECTIONS_OPENED, *ARM), name="opened"),
                Query(
                    expr=ratio(LAB.total(REQUESTS, *ARM, connection="reused"), LAB.total(REQUESTS, *ARM)),
                    name="reuse rate",
                    unit="percentunit",
                ),
                Query(expr=LAB.peak(DATABASE_PEAK, *ARM), name="peak open"),
                Query(
                    expr=LAB.total(CONNECTIONS_CLOSED, *ARM, reason="garbage_collected"),
                    name="garbage collected",
                ),
                Query(expr=LAB.total(CONNECT_ERRORS, *ARM), name="refused"),
                Query(expr=LAB.total(DATABASE_SESSIONS, *ARM), name="sessions in PostgreSQL"),
            ),
            width=24,
            height=9,
        ),
    ),
)

OVER_TIME = Row(
    title="Over time",
    panels=(
        Panel(
            title="Open connections",
            shows="Connections open now, by the target's own count, for each running arm.",
            good="a flat line at the number of threads or processes.",
            act=(
                "a line that climbs under a steady load is a leak. A sawtooth is a leak that the garbage "
                "collector clears from time to time."
            ),
            unit="short",
            queries=(Query(expr=LAB.now(CONNECTIONS_OPEN, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Open connections, by holder",
            shows=(
                "Connections open now, by who has them. leaked: their thread or greenlet has ended, and no request can "
                "find them. outside: used last outside of any request or task."
            ),
            good="none leaked, and as many idle as threads keep one.",
            act="choose one arm above to see whether it leaks. docs/reference/leak-causes.md has the causes.",
            unit="short",
            stacked=True,
            colours=COLOURS,
            queries=by_holder(LAB),
        ),
        Panel(
            title="PostgreSQL's backends, by state",
            shows="Rows of pg_stat_activity for the target's database.",
            good="most are active during the load.",
            act=(
                "many idle ones are never used again. idle_in_transaction holds locks; this is a fault of "
                "the application."
            ),
            unit="short",
            stacked=True,
            queries=(Query(expr=LAB.now(DATABASE_BACKENDS, "state"), name="{{state}}"),),
        ),
        Panel(
            title="Open minus PostgreSQL's backends",
            shows="The target's own count of open connections minus the rows of pg_stat_activity.",
            good="around 0. The two are read at slightly different instants.",
            act=(
                "if it stays above 0, the target holds connections that the server has dropped. With "
                "PgBouncer, these are clients without a server connection, which is normal."
            ),
            unit="short",
            queries=(
                Query(
                    expr=minus(
                        LAB.now(CONNECTIONS_OPEN, "server", "strategy"),
                        LAB.now(DATABASE_BACKENDS, "server", "strategy"),
                    ),
                    name=NAMED_AS_ARM,
                ),
            ),
        ),
        Panel(
            title="Opened per second",
            shows="Connections opened per second.",
            good="almost none after the start, where connections are kept.",
            act="if it equals the requests, nothing is reused.",
            unit="cps",
            queries=(Query(expr=LAB.per_second(CONNECTIONS_OPENED, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Reuse rate over time",
            shows="Share of requests that found a connection open, over time.",
            good="near 100 % soon after the start, where connections are kept.",
            act=("find the arm in the table above, and what fits its server mode in docs/explanation/results.md."),
            unit="percentunit",
            highest=1,
            queries=(
                Query(
                    expr=ratio(
                        LAB.per_second(REQUESTS, "server", "strategy", connection="reused"),
                        LAB.per_second(REQUESTS, "server", "strategy"),
                    ),
                    name=NAMED_AS_ARM,
                ),
            ),
        ),
        Panel(
            title="Closed per second, by reason",
            width=12,
            shows=("Why connections end. request_end means CONN_MAX_AGE = 0; process_exit is the end of a trial."),
            good="no garbage_collected and no unusable.",
            act=(
                "garbage_collected is the leak. unusable and health_check mean that the database dropped "
                "the connection."
            ),
            unit="cps",
            stacked=True,
            queries=(Query(expr=LAB.per_second(CONNECTIONS_CLOSED, "reason"), name="{{reason}}"),),
        ),
        Panel(
            title="Connect errors per second, by kind",
            width=12,
            shows="Failed attempts to connect, by the kind of error.",
            good="0.",
            act=(
                "too_many_connections: keep fewer. pool_timeout: use a larger pool or fewer threads. "
                "Others: check the database."
            ),
            unit="cps",
            queries=(Query(expr=or_zero(LAB.per_second(CONNECT_ERRORS, "kind")), name="{{kind}}"),),
        ),
    ),
)

ONE_CONNECTION = Row(
    title="Cost and lifetime of a connection",
    panels=(
        Panel(
            title="Time to connect",
            shows="Quantiles of the time to open a connection.",
            good="a few milliseconds on the same machine; about ten with SCRAM or TLS.",
            act=("each request that finds no connection open waits this long. Multiply it by opened per second."),
            unit="s",
            queries=(
                Query(expr=LAB.quantile(0.5, CONNECT_DURATION), name="half are faster"),
                Query(expr=LAB.quantile(0.99, CONNECT_DURATION), name="99 % are faster"),
            ),
        ),
        Panel(
            title="Age when closed, median",
            shows="Age of connections when they closed, for each arm, over the time range.",
            good="with CONN_MAX_AGE = 0, the length of a request. Otherwise, the age that was set.",
            act=(
                "if they are much younger than the age that was set, something else closes them. See the reasons above."
            ),
            unit="s",
            kind="bargauge",
            queries=(Query(expr=LAB.total_quantile(0.5, CONNECTION_AGE, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Requests per closed connection",
            shows="Mean number of requests that a connection had served when it closed, for each arm.",
            good="many, where connections are kept; 1 with CONN_MAX_AGE = 0.",
            act="at 1 although an age is set, no later request finds the connection.",
            unit="short",
            kind="bargauge",
            queries=(
                Query(
                    expr=ratio(
                        LAB.total(CONNECTION_REQUESTS, "server", "strategy", of="sum"),
                        LAB.total(CONNECTION_REQUESTS, "server", "strategy", of="count"),
                    ),
                    name=NAMED_AS_ARM,
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="loadlab-connections",
    title="loadlab: Connections",
    question="Which server mode and age reuse, leak or refuse connections?",
    guide=GUIDE,
    variables=VARIABLES,
    marks=FAULTS,
    rows=(IN_SHORT, BY_ARM, OVER_TIME, ONE_CONNECTION),
)
