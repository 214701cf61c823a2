"""Pools and PgBouncer: whether a pool is large enough, and who waits for it."""

from __future__ import annotations

from dashboards.source.lab import ARM, FAULTS, LAB, NAMED_AS_ARM, VARIABLES
from dashboards.source.panels import Board, Limits, Panel, Query, Row
from dashboards.source.promql import minus, or_zero, ratio
from loadlab.model.metrics import (
    CONNECT_ERRORS,
    CONNECTIONS_OPENED,
    DATABASE_BACKENDS,
    DATABASE_SESSIONS,
    LOAD_REQUESTS,
    POOL_AVAILABLE,
    POOL_SIZE,
    POOL_WAIT,
    POOL_WAITING,
    POOLER_CLIENTS,
    POOLER_CLIENTS_WAITING,
    POOLER_SERVERS,
    POOLER_WAITED,
)

GUIDE = """\
A pool is large enough when no request waits for it. **Inside Django** are Django's own pool and django-db-geventpool,
one in every process; sizes are sums over processes. **PgBouncer** stands between the site and PostgreSQL: its clients
are the site's connections, its servers are the connections that PostgreSQL sees."""

INSIDE_DJANGO = Row(
    title="Pools inside Django",
    panels=(
        Panel(
            title="Connections of the pools",
            shows="Connections that pools hold, and those that they can lend now, over all processes.",
            good="some are available at any time.",
            act=("if none is available for long, raise max_size. If all are available for long, lower min_size."),
            unit="short",
            queries=(
                Query(expr=LAB.now(POOL_SIZE, "server", "strategy"), name=f"{NAMED_AS_ARM} size"),
                Query(expr=LAB.now(POOL_AVAILABLE, "server", "strategy"), name=f"{NAMED_AS_ARM} available"),
            ),
        ),
        Panel(
            title="Waiting for a connection",
            shows="Threads or greenlets that now wait for a pool's connection.",
            good="0.",
            act=(
                "if they keep waiting, raise max_size as far as PostgreSQL's max_connections allows, or use "
                "fewer threads."
            ),
            unit="short",
            limits=Limits(doubtful=1, bad=10),
            queries=(Query(expr=LAB.now(POOL_WAITING, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Lent out",
            shows="Share of the pools' connections in use.",
            good="below 80 %.",
            act="at 100 %, the next request waits.",
            unit="percentunit",
            highest=1,
            limits=Limits(doubtful=0.8, bad=0.95),
            queries=(
                Query(
                    expr=minus(
                        "1",
                        ratio(LAB.now(POOL_AVAILABLE, "server", "strategy"), LAB.now(POOL_SIZE, "server", "strategy")),
                    ),
                    name=NAMED_AS_ARM,
                ),
            ),
        ),
        Panel(
            title="Time until a connection is lent",
            shows="Quantiles of the wait for a pool's connection.",
            good="far below a millisecond.",
            act=("if it takes as long as a connect, the pool does not help. If longer, the pool is too small."),
            unit="s",
            queries=(
                Query(expr=LAB.quantile(0.5, POOL_WAIT), name="half are faster"),
                Query(expr=LAB.quantile(0.99, POOL_WAIT), name="99 % are faster"),
            ),
        ),
        Panel(
            title="Wait per request, by arm",
            shows="Mean wait for a pool's connection, over the time range, exact.",
            good="a short bar.",
            act="compare pool sizes. More connections do not help if the database is the limit.",
            unit="s",
            kind="bargauge",
            queries=(
                Query(
                    expr=ratio(
                        LAB.total(POOL_WAIT, "server", "strategy", of="sum"),
                        LAB.total(POOL_WAIT, "server", "strategy", of="count"),
                    ),
                    name=NAMED_AS_ARM,
                ),
            ),
        ),
        Panel(
            title="Timed out",
            shows="Requests for which a pool had no connection in time.",
            good="0.",
            act=(
                "raise the pool's timeout only if users would wait that long. Otherwise raise max_size, or shed load."
            ),
            unit="short",
            kind="stat",
            limits=Limits(doubtful=1, bad=10),
            queries=(Query(expr=or_zero(LAB.total(CONNECT_ERRORS, kind="pool_timeout")), name="gave up"),),
        ),
    ),
)

PGBOUNCER = Row(
    title="PgBouncer",
    panels=(
        Panel(
            title="Clients and servers",
            width=6,
            shows="The site's connections to PgBouncer, and PgBouncer's connections to PostgreSQL.",
            good="many clients on few servers.",
            act="if clients keep climbing, the leak has moved from PostgreSQL to PgBouncer.",
            unit="short",
            queries=(
                Query(expr=LAB.now(POOLER_CLIENTS, "server", "strategy"), name=f"{NAMED_AS_ARM} clients"),
                Query(expr=LAB.now(POOLER_SERVERS, "server", "strategy"), name=f"{NAMED_AS_ARM} servers"),
            ),
        ),
        Panel(
            title="Clients that wait",
            width=6,
            shows="Clients of PgBouncer that now wait for a server connection.",
            good="0.",
            act=(
                "in session mode, kept connections hold their server connection. Set CONN_MAX_AGE = 0, or "
                "use transaction mode."
            ),
            unit="short",
            limits=Limits(doubtful=1, bad=10),
            queries=(Query(expr=LAB.now(POOLER_CLIENTS_WAITING, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Waiting, in seconds per second",
            width=6,
            shows=(
                "Time that clients wait for a server connection, per second. It equals the mean number of "
                "waiting clients."
            ),
            good="near 0.",
            act="raise pool_size, as far as PostgreSQL allows.",
            unit="short",
            queries=(Query(expr=LAB.per_second(POOLER_WAITED, "server", "strategy"), name=NAMED_AS_ARM),),
        ),
        Panel(
            title="Waited per request, by arm",
            width=6,
            shows="Mean wait for PgBouncer per request, over the time range, exact.",
            good="a short bar.",
            act="compare pool sizes.",
            unit="s",
            kind="bargauge",
            queries=(
                Query(
                    expr=ratio(
                        LAB.total(POOLER_WAITED, "server", "strategy"), LAB.total(LOAD_REQUESTS, "server", "strategy")
                    ),
                    name=NAMED_AS_ARM,
                ),
            ),
        ),
        Panel(
            title="What PostgreSQL sees",
            width=8,
            shows="Rows of pg_stat_activity for the target's database, by state.",
            good="at most the pool's size.",
            act="if there are more, something connects without the pool.",
            unit="short",
            stacked=True,
            queries=(Query(expr=LAB.now(DATABASE_BACKENDS, "state"), name="{{state}}"),),
        ),
        Panel(
            title="Opened by the site, and in PostgreSQL",
            width=16,
            shows=(
                "Connections that the site opened, and sessions that PostgreSQL counted, over the time range, exact."
            ),
            good="with a pool, few in PostgreSQL.",
            act="if there are as many sessions as requests, the pool has no effect.",
            unit="short",
            kind="table",
            queries=(
                Query(expr=LAB.total(CONNECTIONS_OPENED, *ARM), name="opened by the site"),
                Query(expr=LAB.total(DATABASE_SESSIONS, *ARM), name="sessions in PostgreSQL"),
            ),
        ),
    ),
)

BOARD = Board(
    uid="loadlab-pools",
    title="loadlab: Pools and PgBouncer",
    question="Is the pool large enough, and who waits for it?",
    guide=GUIDE,
    variables=VARIABLES,
    marks=FAULTS,
    rows=(INSIDE_DJANGO, PGBOUNCER),
)
