"""Load and latency: how fast the answers come, and what they cost."""

from __future__ import annotations

from dashboards.source.lab import ARM, LAB, NAMED_AS_ARM, VARIABLES
from dashboards.source.panels import Board, Limits, Panel, Query, Row
from dashboards.source.promql import or_zero, ratio
from loadlab.model.metrics import CONNECT_DURATION, CPU_SECONDS, HTTP_REQUEST_DURATION, LOAD_REQUESTS, LOAD_RESPONSE

GUIDE = """\
**Response times** are those of the generator: what a client waits. **Time in Django** is what the site itself takes;
the difference is waiting for a free worker. Quantiles are read from buckets whose bounds are at most 1.3 apart, and
so are off by that at most; a report's are exact. Warm-up is in these figures, a report leaves it out."""

IN_SHORT = Row(
    title="In short",
    panels=(
        Panel(
            title="Requests",
            shows="Requests that the generator has made in the chosen trials, exact.",
            good="as many as the plan offers.",
            act="few: look at response times and at the CPU below.",
            unit="short",
            kind="stat",
            queries=(Query(expr=LAB.total(LOAD_REQUESTS), name="requests"),),
            width=4,
            height=5,
        ),
        Panel(
            title="Failed",
            shows="Share of the requests that failed.",
            good="0 %.",
            act="see connect errors on the dashboard of connections: refused connections are answered with a 500.",
            unit="percentunit",
            kind="stat",
            limits=Limits(doubtful=0.0001, bad=0.01),
            queries=(
                Query(expr=ratio(LAB.total(LOAD_REQUESTS, outcome="failed"), LAB.total(LOAD_REQUESTS)), name="failed"),
            ),
            width=4,
            height=5,
        ),
        *(
            Panel(
                title=f"Response time, p{share * 100:.0f}",
                shows=f"{share:.0%} of the responses were faster, over the time range.",
                good="what your users accept; compare arms, not machines.",
                act="look at the table below for the arm, and at the time in Django for the cause.",
                unit="s",
                kind="stat",
                queries=(Query(expr=LAB.total_quantile(share, LOAD_RESPONSE), name=f"p{share * 100:.0f}"),),
                width=4,
                height=5,
            )
            for share in (0.5, 0.99)
        ),
        Panel(
            title="Response time, mean",
            shows="All response times, divided by their number: exact.",
            good="close to the median.",
            act="far above the median: a few responses take very long. See the heatmap.",
            unit="s",
            kind="stat",
            queries=(
                Query(
                    expr=ratio(LAB.total(LOAD_RESPONSE, of="sum"), LAB.total(LOAD_RESPONSE, of="count")),
                    name="mean",
                ),
            ),
            width=4,
            height=5,
        ),
        Panel(
            title="CPU per request",
            shows="CPU time of application and database for each request, while there is load.",
            good="low; what connecting costs is in it.",
            act="compare arms with and without reuse: the difference is what connecting costs.",
            unit="s",
            kind="stat",
            queries=(
                Query(expr=ratio(LAB.grown(CPU_SECONDS, part="app|database"), LAB.grown(LOAD_REQUESTS)), name="CPU"),
            ),
            width=4,
            height=5,
        ),
    ),
)

BY_ARM = Row(
    title="By server mode and strategy",
    panels=(
        Panel(
            title="Load and latency of each arm",
            shows="One row for each server mode, strategy and kind of client, over all its trials.",
            good="many requests per trial, none failed, a p99 near the median.",
            act="trials of a plan last equally long, so requests per trial compare like throughput: take the best row.",
            unit="short",
            kind="table",
            queries=(
                Query(expr=LAB.per_trial(LOAD_REQUESTS, *ARM), name="requests per trial"),
                Query(expr=LAB.total(LOAD_REQUESTS, *ARM, outcome="failed"), name="failed"),
                Query(expr=LAB.total_quantile(0.5, LOAD_RESPONSE, *ARM), name="p50", unit="s"),
                Query(expr=LAB.total_quantile(0.9, LOAD_RESPONSE, *ARM), name="p90", unit="s"),
                Query(expr=LAB.total_quantile(0.99, LOAD_RESPONSE, *ARM), name="p99", unit="s"),
                Query(
                    expr=ratio(LAB.grown(CPU_SECONDS, *ARM, part="app"), LAB.grown(LOAD_REQUESTS, *ARM)),
                    name="CPU of the application, per request",
                    unit="s",
                ),
                Query(
                    expr=ratio(LAB.grown(CPU_SECONDS, *ARM, part="database"), LAB.grown(LOAD_REQUESTS, *ARM)),
                    name="CPU of the database, per request",
                    unit="s",
                ),
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
            title="Requests per second",
            width=12,
            shows="Requests that the generator makes each second, by outcome.",
            good="a level line of ok.",
            act="a line that falls while users stay the same: the site gets slower. Failed ones show in red below.",
            unit="reqps",
            stacked=True,
            queries=(Query(expr=LAB.per_second(LOAD_REQUESTS, "outcome"), name="{{outcome}}"),),
        ),
        Panel(
            title="Response time over time",
            width=12,
            shows="Quantiles of the response time, as clients see it.",
            good="lines that stay close together.",
            act="p99 far from p50: some requests wait, for a worker, for a connection, or for a lock.",
            unit="s",
            queries=tuple(
                Query(expr=LAB.quantile(share, LOAD_RESPONSE), name=f"p{share * 100:.0f}") for share in (0.5, 0.9, 0.99)
            ),
        ),
        Panel(
            title="Response times",
            width=12,
            shows="How many responses took how long, each second.",
            good="one narrow band.",
            act="two bands are two kinds of requests: those that find a connection, and those that open one.",
            unit="cps",
            kind="heatmap",
            queries=(Query(expr=LAB.per_second(LOAD_RESPONSE, "le", of="bucket"), name="{{le}}"),),
        ),
        Panel(
            title="Failed requests",
            width=12,
            shows="Share of the requests that fail, at each instant.",
            good="0 %.",
            act="a share that sets in after a while is typical of a leak: connections run out.",
            unit="percentunit",
            limits=Limits(doubtful=0.0001, bad=0.01),
            queries=(
                Query(
                    expr=or_zero(ratio(LAB.per_second(LOAD_REQUESTS, outcome="failed"), LAB.per_second(LOAD_REQUESTS))),
                    name="failed",
                ),
            ),
        ),
    ),
)

IN_DJANGO = Row(
    title="Where the time goes",
    panels=(
        Panel(
            title="Time in Django, by route",
            shows="99 % of the requests to a route were answered faster, counted inside the site.",
            good="close to the response time of clients.",
            act="much below it: requests wait for a worker. As high: the view, or connecting, takes the time.",
            unit="s",
            queries=(Query(expr=LAB.quantile(0.99, HTTP_REQUEST_DURATION, "route"), name="{{route}}"),),
        ),
        Panel(
            title="Answers per second, by class of status",
            shows="Answers of the site each second.",
            good="2xx only.",
            act="5xx: see connect errors on the dashboard of connections first.",
            unit="reqps",
            stacked=True,
            queries=(
                Query(expr=LAB.per_second(HTTP_REQUEST_DURATION, "status_class", of="count"), name="{{status_class}}"),
            ),
        ),
        Panel(
            title="Share of connecting in the time in Django",
            shows="Seconds spent on connecting, of all seconds spent in requests, over the time range.",
            good="near 0 %, where connections are kept.",
            act="this much a kept connection can save at most: if it is little, CONN_MAX_AGE will not help.",
            unit="percentunit",
            kind="bargauge",
            highest=1,
            queries=(
                Query(
                    expr=ratio(
                        LAB.total(CONNECT_DURATION, "server", "strategy", of="sum"),
                        LAB.total(HTTP_REQUEST_DURATION, "server", "strategy", of="sum"),
                    ),
                    name=NAMED_AS_ARM,
                ),
            ),
        ),
        Panel(
            title="CPU, in cores",
            shows="CPU time that each part takes per second; a process tree counts whole.",
            good="the generator below one core for each of its processes; the rest is the site's and the database's.",
            act="a generator at its limit measures itself: raise --load-workers, or take fewer users.",
            unit="short",
            stacked=True,
            width=12,
            queries=(Query(expr=LAB.per_second(CPU_SECONDS, "part"), name="{{part}}"),),
        ),
        Panel(
            title="CPU per request, by arm and part",
            shows="CPU time of each part for each request, while there is load.",
            good="short bars for database: a connection that is reused costs it nothing.",
            act="a long bar for database with little work in the queries is the cost of connecting.",
            unit="s",
            kind="bargauge",
            width=12,
            queries=(
                Query(
                    expr=f"{LAB.grown(CPU_SECONDS, 'server', 'strategy', 'part')} / on(server, strategy) group_left() "
                    f"({LAB.grown(LOAD_REQUESTS, 'server', 'strategy')} > 0)",
                    name=f"{NAMED_AS_ARM} {{{{part}}}}",
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="loadlab-load",
    title="loadlab: Load and latency",
    question="How fast do answers come, and what do they cost?",
    guide=GUIDE,
    variables=VARIABLES,
    rows=(IN_SHORT, BY_ARM, OVER_TIME, IN_DJANGO),
)
