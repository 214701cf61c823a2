"""Connections: which server mode and age reuse, leak or refuse."""

from __future__ import annotations

from dashboards.source.lab import ARM, KEPT, LAB, NAMED_AS_ARM, VARIABLES
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
**Reuse** says what a kept connection gains, **leak** what it costs: connections that nobody comes back for stay open
until garbage collection finds them, or until PostgreSQL refuses the next one. Numbers and tables are totals over the
time range, exact for each trial; curves are rates, and understate the first and the last seconds of a trial."""

MISCOUNTED = minus(LAB.total(CONNECTIONS_OPENED, "instance"), LAB.total(DATABASE_SESSIONS, "instance"))
BEHIND_POOLER = LAB.total(POOLER_SERVERS, "instance")

IN_SHORT = Row(
    title="In short",
    panels=(
        Panel(
            title="Opened",
            shows="Connections that the chosen trials have opened, all together.",
            good="few: as many as the server mode has threads or processes.",
            act="look at the reuse rate beside it; with CONN_MAX_AGE = 0 one per request is what to expect.",
            unit="short",
            kind="stat",
            queries=(Query(expr=LAB.total(CONNECTIONS_OPENED), name="opened"),),
            width=4,
            height=5,
        ),
        Panel(
            title="Reuse rate, where kept",
            shows="Share of the database's requests that found a connection open, where an age other than 0 is set.",
            good="near 100 %.",
            act="if an age is set and nothing is reused, each request has a thread of its own: set it to 0, or pool.",
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
            shows="Share of all closed connections that nobody closed: their thread or greenlet was gone.",
            good="0 %.",
            act="this is the leak: the mode loses its connections, so CONN_MAX_AGE has to be 0 there.",
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
            shows="Attempts to connect that failed, of every kind.",
            good="0.",
            act="too_many_connections: fewer may be kept, or PostgreSQL must allow more. See connect errors below.",
            unit="short",
            kind="stat",
            limits=Limits(doubtful=1, bad=10),
            queries=(Query(expr=or_zero(LAB.total(CONNECT_ERRORS)), name="refused"),),
            width=4,
            height=5,
        ),
        Panel(
            title="Peak open, of what PostgreSQL allows",
            shows="The most connections open at once in one trial, ten looks a second, as a share of max_connections.",
            good="below 70 %.",
            act="near 100 % the next connection is refused: find the arm in the table below.",
            unit="percentunit",
            kind="stat",
            limits=Limits(doubtful=0.7, bad=0.9),
            queries=(Query(expr=ratio(LAB.peak(DATABASE_PEAK), LAB.peak(DATABASE_MAX_CONNECTIONS)), name="peak"),),
            width=4,
            height=5,
        ),
        Panel(
            title="Opened, less PostgreSQL's sessions",
            shows="By how much two independent counts differ: the target's and PostgreSQL's. Left out are trials with "
            "PgBouncer, behind which PostgreSQL counts another's connections.",
            good="0, once a trial has ended; while one runs, the two are read at different instants.",
            act="do not trust the figures of that trial; its record says which identity is broken.",
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
            shows="One row for each server mode, strategy and kind of client: totals over its trials, exact. "
            "The peak is that of the trial with the most; with PgBouncer in between, it is PgBouncer's own.",
            good="a high reuse rate, a peak of as many as the mode can use, and none refused.",
            act="compare the rows of one server mode: what leaks under one age closes properly under 0 or a pool.",
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
            width=6,
            shows="Connections open now, by the target's own count, for each arm that runs.",
            good="a flat line at the number of threads or processes.",
            act="a line that climbs under a steady load is a leak; a saw tooth is one that the garbage collector "
            "finds now and then.",
            unit="short",
            queries=(Query(expr=LAB.now(CONNECTIONS_OPEN, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="PostgreSQL's backends, by state",
            width=6,
            shows="Rows of pg_stat_activity for the target's database.",
            good="most of them active while there is load.",
            act="many idle ones are kept for nobody; idle_in_transaction holds locks: a fault of the application.",
            unit="short",
            stacked=True,
            queries=(Query(expr=LAB.now(DATABASE_BACKENDS, "state"), name="{{state}}"),),
        ),
        Panel(
            title="Open, less PostgreSQL's backends",
            width=6,
            shows="The target's own count of open connections, less the rows of pg_stat_activity.",
            good="around 0: the two are read at slightly different instants.",
            act="lasting values above 0 are connections that the server has dropped and the target still holds; with "
            "PgBouncer in between they are clients without a server connection, and no fault.",
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
            width=6,
            shows="How many connections are opened each second.",
            good="nearly none after the start, where connections are kept.",
            act="as many as requests: nothing is reused.",
            unit="cps",
            queries=(Query(expr=LAB.per_second(CONNECTIONS_OPENED, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Reuse rate over time",
            shows="Share of database requests that found a connection open, at each instant.",
            good="near 100 % soon after the start, where connections are kept.",
            act="see the table above for the arm, and docs/explanation/results.md for what fits its server mode.",
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
            shows="Why connections end: request_end is CONN_MAX_AGE = 0 at work, process_exit the end of a trial.",
            good="no garbage_collected, no unusable.",
            act="garbage_collected is the leak; unusable and health_check: the database has dropped it.",
            unit="cps",
            stacked=True,
            queries=(Query(expr=LAB.per_second(CONNECTIONS_CLOSED, "reason"), name="{{reason}}"),),
        ),
        Panel(
            title="Connect errors per second, by kind",
            shows="Attempts to connect that failed, by what the database or the pool said.",
            good="0.",
            act="too_many_connections: keep fewer; pool_timeout: a larger pool or fewer threads; others: the database.",
            unit="cps",
            queries=(Query(expr=or_zero(LAB.per_second(CONNECT_ERRORS, "kind")), name="{{kind}}"),),
        ),
    ),
)

ONE_CONNECTION = Row(
    title="What one connection costs, and how it lives",
    panels=(
        Panel(
            title="Time to connect",
            shows="Quantiles of the time to open a connection.",
            good="a few milliseconds on the same machine; SCRAM and TLS cost ten.",
            act="this is what each request pays that finds none open: multiply it by opened per second.",
            unit="s",
            queries=(
                Query(expr=LAB.quantile(0.5, CONNECT_DURATION), name="half are faster"),
                Query(expr=LAB.quantile(0.99, CONNECT_DURATION), name="99 % are faster"),
            ),
        ),
        Panel(
            title="Age when closed, median",
            shows="How old connections were when they closed, for each arm, over the time range.",
            good="the length of a request with CONN_MAX_AGE = 0; the age that was set where they are kept.",
            act="much younger than the age that was set: something else closes them. See reasons above.",
            unit="s",
            kind="bargauge",
            queries=(Query(expr=LAB.total_quantile(0.5, CONNECTION_AGE, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Requests per closed connection",
            shows="How many requests a connection had served when it closed, on average, for each arm.",
            good="many, where connections are kept; 1 with CONN_MAX_AGE = 0.",
            act="1 although an age is set: kept for nobody.",
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
    rows=(IN_SHORT, BY_ARM, OVER_TIME, ONE_CONNECTION),
)
