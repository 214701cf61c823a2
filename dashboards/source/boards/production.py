"""Production watch: the connections of a project that runs, with no label of the lab's."""

from __future__ import annotations

from dashboards.source.holders import COLOURS, by_holder
from dashboards.source.panels import Board, Limits, Panel, Query, Row, Variable
from dashboards.source.promql import Scope, minus, or_zero, ratio
from loadlab.model.foreign_metrics import (
    PG_ACTIVITY,
    PG_MAX_CONNECTIONS,
    PGBOUNCER_CLIENTS_ACTIVE,
    PGBOUNCER_CLIENTS_WAITING,
    PGBOUNCER_LONGEST_WAIT,
    PGBOUNCER_SERVERS_ACTIVE,
    PGBOUNCER_SERVERS_IDLE,
    UP,
)
from loadlab.model.metrics import (
    COLLECTOR_ERRORS,
    CONNECT_DURATION,
    CONNECT_ERRORS,
    CONNECTIONS_CLOSED,
    CONNECTIONS_OPEN,
    CONNECTIONS_OPENED,
    HTTP_REQUEST_DURATION,
    POOL_AVAILABLE,
    POOL_SIZE,
    POOL_WAIT,
    POOL_WAITING,
    REQUESTS,
    ROLE_OPEN,
    ROLE_OPENED,
    UNITS,
)

GUIDE = """\
**Budget** comes first: how far PostgreSQL is from refusing connections. Then follow connection **churn** (opened per
request), **leaks** and **errors**. The site's metrics come from `loadlab.instrumentation`, PostgreSQL's from
postgres_exporter, PgBouncer's from its exporter. Panels without their exporter stay empty. Targets that share one
folder of counter files show the same: scrape one of them."""

TARGETS = ('job=~"$job"', 'instance=~"$instance"')
WHO = ("instance", "alias")
SITE = Scope(matchers=(*TARGETS, 'alias=~"$alias"'))
OF_JOB = Scope(matchers=TARGETS[:1])
# Not of one alias: answers, and whether a target is up.
SERVICE = Scope(matchers=TARGETS)
# Of exporters, which have their own jobs.
POSTGRES = Scope(matchers=('datname=~"$database"',))
SERVER = Scope(matchers=())

BUDGET = Row(
    title="Budget",
    panels=(
        Panel(
            title="Connections, of what PostgreSQL allows",
            shows=("All connections to PostgreSQL, from this site and others, as a share of max_connections."),
            good="below 70 %.",
            act="find who holds them in the panels beside this one. At 100 %, requests fail.",
            unit="percentunit",
            kind="stat",
            limits=Limits(doubtful=0.7, bad=0.9),
            width=4,
            queries=(
                Query(
                    expr=ratio(SERVER.now(PG_ACTIVITY), f"max({SERVER.select(PG_MAX_CONNECTIONS)})"),
                    name="used",
                ),
            ),
        ),
        Panel(
            title="Open connections of the site",
            shows="Connections that the site's processes hold, each target summed over its workers.",
            good="flat, at the number of threads or processes.",
            act=(
                "if it climbs under steady traffic, it is a leak. Set CONN_MAX_AGE = 0, and see "
                "docs/reference/runbooks.md."
            ),
            unit="short",
            width=10,
            queries=(Query(expr=SITE.now(CONNECTIONS_OPEN, *WHO), name="{{instance}} {{alias}}"),),
        ),
        Panel(
            title="PostgreSQL's connections, by state",
            shows="Rows of pg_stat_activity for the chosen databases.",
            good="only as many idle ones as the site keeps on purpose.",
            act=("idle in transaction means that code holds a transaction open while it does something else."),
            unit="short",
            stacked=True,
            width=10,
            queries=(Query(expr=POSTGRES.now(PG_ACTIVITY, "state"), name="{{state}}"),),
        ),
    ),
)

CHURN = Row(
    title="Churn",
    panels=(
        Panel(
            title="Opened per request",
            shows="Connections opened per request that used the database.",
            good="near 0 where connections are kept; 1 with CONN_MAX_AGE = 0.",
            act="near 1 although an age is set, nothing is reused. Use a pool, or set the age to 0.",
            unit="short",
            queries=(
                Query(
                    expr=ratio(SITE.per_second(CONNECTIONS_OPENED, *WHO), SITE.per_second(REQUESTS, *WHO)),
                    name="{{instance}} {{alias}}",
                ),
            ),
        ),
        Panel(
            title="Requests: reused or opened",
            shows=("Requests per second that used the database, by whether their connection was reused or opened."),
            good="reused, where connections are kept.",
            act="each opened one pays for a connect. The panel beside this one shows how long it takes.",
            unit="reqps",
            stacked=True,
            queries=(Query(expr=SITE.per_second(REQUESTS, "connection"), name="{{connection}}"),),
        ),
        Panel(
            title="Time to connect",
            shows="Quantiles of the time to open a connection.",
            good="a few milliseconds.",
            act=("if it rises, PostgreSQL or the network is busy. A pool removes connecting from requests."),
            unit="s",
            queries=(
                Query(expr=SITE.quantile(0.5, CONNECT_DURATION, "alias"), name="{{alias}} p50"),
                Query(expr=SITE.quantile(0.99, CONNECT_DURATION, "alias"), name="{{alias}} p99"),
            ),
        ),
    ),
)

WORKERS = Row(
    title="Web and background workers",
    panels=(
        Panel(
            title="Open connections, by role",
            shows=(
                "Connections that the site's processes hold, by what the process is for: web, worker, or other "
                "(commands, shells)."
            ),
            good="flat lines that add up to less than the budget.",
            act="look at the role that climbs. Workers need connections in the budget too.",
            unit="short",
            stacked=True,
            queries=(Query(expr=SITE.now(ROLE_OPEN, "role"), name="{{role}}"),),
        ),
        Panel(
            title="Opened per second, by role",
            shows="Connections opened per second, by what the process is for.",
            good="near 0 where connections are kept.",
            act="Celery closes its connection before and after each task, at any CONN_MAX_AGE.",
            unit="cps",
            stacked=True,
            queries=(Query(expr=SITE.per_second(ROLE_OPENED, "role"), name="{{role}}"),),
        ),
        Panel(
            title="Units of work, by kind",
            shows=(
                "Requests, tasks and messages per second that used the database, by whether their connection was "
                "opened or reused. other: work outside of these."
            ),
            good="reused, where connections are kept.",
            act="many of kind other: a worker's idle looks at the database, a command, or threads of views.",
            unit="cps",
            stacked=True,
            queries=(Query(expr=SITE.per_second(UNITS, "kind", "connection"), name="{{kind}} {{connection}}"),),
        ),
    ),
)

LEAKS = Row(
    title="Leaks",
    panels=(
        Panel(
            title="Open connections, by holder",
            width=6,
            shows=(
                "Connections that the site's processes hold, by who has them. leaked: their thread or greenlet has "
                "ended. outside: used last outside of any request or task."
            ),
            good="none leaked, and as many idle as threads keep one.",
            act="`loadlab connections` lists each with what opened it, and names the cause.",
            unit="short",
            stacked=True,
            colours=COLOURS,
            queries=by_holder(SITE),
        ),
        Panel(
            title="Closed per second, by reason",
            width=6,
            shows="Why connections end.",
            good="request_end or max_age, and process_exit when workers restart.",
            act=(
                "garbage_collected means that their threads ended without closing them. This server mode "
                "cannot keep connections."
            ),
            unit="cps",
            stacked=True,
            queries=(Query(expr=SITE.per_second(CONNECTIONS_CLOSED, "reason"), name="{{reason}}"),),
        ),
        Panel(
            title="Closed by garbage collection, share",
            width=6,
            shows="Share of closed connections that only the garbage collector closed.",
            good="0 %.",
            act="above 10 % the server mode leaks. Set CONN_MAX_AGE = 0, or use a fix.",
            unit="percentunit",
            limits=Limits(doubtful=0.01, bad=0.1),
            queries=(
                Query(
                    expr=ratio(
                        SITE.per_second(CONNECTIONS_CLOSED, *WHO, reason="garbage_collected"),
                        SITE.per_second(CONNECTIONS_CLOSED, *WHO),
                    ),
                    name="{{instance}} {{alias}}",
                ),
            ),
        ),
        Panel(
            title="PostgreSQL's connections minus the site's",
            width=6,
            shows=(
                "Rows of pg_stat_activity for the chosen databases minus the open connections of the site's processes."
            ),
            good=("a few, from consoles, migrations and monitoring. Behind PgBouncer the two cannot be compared."),
            act=("if it grows, connections have outlived their processes, or something else uses the database."),
            unit="short",
            queries=(Query(expr=minus(POSTGRES.now(PG_ACTIVITY), SITE.now(CONNECTIONS_OPEN)), name="not the site's"),),
        ),
    ),
)

ERRORS = Row(
    title="Errors and responses",
    panels=(
        Panel(
            title="Connect errors per second, by kind",
            shows="Failed attempts to connect. Their requests failed too.",
            good="0.",
            act=("too_many_connections: keep fewer connections. docs/reference/runbooks.md explains each kind."),
            unit="cps",
            queries=(Query(expr=or_zero(SITE.per_second(CONNECT_ERRORS, "kind")), name="{{kind}}"),),
        ),
        Panel(
            title="Responses with 5xx, share",
            shows="Share of the site's responses that are server errors.",
            good="0 %.",
            act="look at connect errors first. A refused connection becomes a response 500.",
            unit="percentunit",
            limits=Limits(doubtful=0.001, bad=0.01),
            queries=(
                Query(
                    expr=or_zero(
                        ratio(
                            SERVICE.per_second(HTTP_REQUEST_DURATION, of="count", status_class="5xx"),
                            SERVICE.per_second(HTTP_REQUEST_DURATION, of="count"),
                        )
                    ),
                    name="5xx",
                ),
            ),
        ),
        Panel(
            title="Time in Django, p99 by route",
            shows="99 % of the requests to a route were faster.",
            good="flat lines.",
            act="if all routes rise, look at connecting or the database. If one rises, look at its view.",
            unit="s",
            queries=(Query(expr=SERVICE.quantile(0.99, HTTP_REQUEST_DURATION, "route"), name="{{route}}"),),
        ),
        Panel(
            title="Targets that are up",
            shows="Targets of the chosen job that Prometheus could scrape.",
            good="all of them.",
            act="a target that is down shows nothing here, not even leaks or errors.",
            unit="short",
            kind="stat",
            width=12,
            height=5,
            queries=(
                Query(expr=SERVICE.now(UP), name="up"),
                Query(expr=f"count({SERVICE.select(UP)})", name="of"),
            ),
        ),
        Panel(
            title="Counter files set aside",
            shows="Counter files that could not be read.",
            good="0.",
            act=(
                "their counts are missing here. Look for a full disk, or a foreign file in the folder of counter files."
            ),
            unit="short",
            kind="stat",
            width=12,
            height=5,
            limits=Limits(doubtful=1, bad=2),
            queries=(Query(expr=SERVICE.total(COLLECTOR_ERRORS), name="set aside"),),
        ),
    ),
)

POOLS = Row(
    title="Pools, if there are any",
    panels=(
        Panel(
            title="Pools inside Django",
            width=6,
            shows=("Connections of Django's pools, over all processes: held, available, and requests that wait."),
            good="some available, none waiting.",
            act="if requests wait, raise max_size as far as the budget allows.",
            unit="short",
            queries=(
                Query(expr=SITE.now(POOL_SIZE), name="size"),
                Query(expr=SITE.now(POOL_AVAILABLE), name="available"),
                Query(expr=SITE.now(POOL_WAITING), name="waiting"),
            ),
        ),
        Panel(
            title="Time until a pool lends, p99",
            width=6,
            shows="99 % of the waits for a pool's connection were shorter.",
            good="below a millisecond.",
            act="if it is longer, the pool is too small, or requests hold connections for long.",
            unit="s",
            queries=(Query(expr=SITE.quantile(0.99, POOL_WAIT, "alias"), name="{{alias}}"),),
        ),
        Panel(
            title="PgBouncer",
            width=6,
            shows="Clients that use a server connection, clients that wait for one, and server connections.",
            good="no client waits.",
            act=(
                "if clients wait while servers are idle, kept connections hold them in session mode. "
                "Otherwise raise default_pool_size."
            ),
            unit="short",
            queries=(
                Query(expr=SERVER.now(PGBOUNCER_CLIENTS_ACTIVE), name="clients active"),
                Query(expr=SERVER.now(PGBOUNCER_CLIENTS_WAITING), name="clients waiting"),
                Query(expr=SERVER.now(PGBOUNCER_SERVERS_ACTIVE), name="servers active"),
                Query(expr=SERVER.now(PGBOUNCER_SERVERS_IDLE), name="servers idle"),
            ),
        ),
        Panel(
            title="Longest wait for PgBouncer",
            width=6,
            shows="How long the first client in PgBouncer's queue has waited.",
            good="0 s.",
            act="if it reaches seconds, the pool is stuck. See SHOW POOLS for the database.",
            unit="s",
            limits=Limits(doubtful=0.5, bad=5),
            queries=(Query(expr=f"max({SERVER.select(PGBOUNCER_LONGEST_WAIT)})", name="longest"),),
        ),
    ),
)


BOARD = Board(
    uid="loadlab-production",
    title="loadlab: Production watch",
    question=("Are the connections of a running project within budget, reused, and free of leaks and errors?"),
    guide=GUIDE,
    variables=(
        Variable(name="job", title="Job", source=CONNECTIONS_OPENED.name, label="job"),
        Variable(name="instance", title="Instance", source=OF_JOB.select(CONNECTIONS_OPENED), label="instance"),
        Variable(name="alias", title="Alias", source=SERVICE.select(CONNECTIONS_OPENED), label="alias"),
        Variable(name="database", title="Database in PostgreSQL", source=PG_ACTIVITY.name, label="datname"),
    ),
    rows=(BUDGET, CHURN, WORKERS, LEAKS, ERRORS, POOLS),
    since="now-3h",
    refresh="30s",
)
