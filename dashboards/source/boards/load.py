"""Load and latency: how fast the answers come, and what they cost."""

from __future__ import annotations

from dashboards.source.lab import ARM, FAULTS, LAB, NAMED_AS_ARM, VARIABLES
from dashboards.source.panels import Board, Limits, Panel, Query, Row
from dashboards.source.promql import or_zero, ratio
from loadlab.model.metrics import CONNECT_DURATION, CPU_SECONDS, HTTP_REQUEST_DURATION, LOAD_REQUESTS, LOAD_RESPONSE

GUIDE = """\
**Response times** are measured by the load generator: how long a client waits. **Time in Django** is what the site
itself takes; the difference is the wait for a free worker. Quantiles come from buckets whose bounds differ by a factor
of at most 1.3; a report's are exact. These figures include the warm-up; a report's do not."""

IN_SHORT = Row(
    title="Summary",
    panels=(
        Panel(
            title="Requests",
            shows="Requests that the load generator sent in the chosen trials, exact.",
            good="the number that the plan offers.",
            act="if there are few, look at response times and at the CPU below.",
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
            act=("see connect errors on the dashboard Connections. A refused connection becomes a response 500."),
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
                good="what your users accept. Compare arms, not machines.",
                act="find the arm in the table below, and the cause in the time in Django.",
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
            shows="Sum of all response times divided by their number, exact.",
            good="close to the median.",
            act="if it is far above the median, a few responses take very long. See the heatmap.",
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
            shows="CPU time of application and database per request, during the load.",
            good="low. It includes the cost of connecting.",
            act="compare arms with and without reuse. The difference is the cost of connecting.",
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
            shows="One row per server mode, strategy and kind of client, over all its trials.",
            good="many requests per trial, none failed, and a p99 near the median.",
            act=(
                "choose the best row. Trials of a plan last equally long, so requests per trial compare "
                "like throughput."
            ),
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
            shows="Requests per second of the load generator, by outcome.",
            good="a flat line of ok.",
            act=("if the line falls with the same users, the site gets slower. Failed requests are red below."),
            unit="reqps",
            stacked=True,
            queries=(Query(expr=LAB.per_second(LOAD_REQUESTS, "outcome"), name="{{outcome}}"),),
        ),
        Panel(
            title="Response time over time",
            width=12,
            shows="Quantiles of the response time that clients see.",
            good="lines that stay close together.",
            act="if p99 is far from p50, some requests wait for a worker, a connection or a lock.",
            unit="s",
            queries=tuple(
                Query(expr=LAB.quantile(share, LOAD_RESPONSE), name=f"p{share * 100:.0f}") for share in (0.5, 0.9, 0.99)
            ),
        ),
        Panel(
            title="Response times",
            width=12,
            shows="Distribution of response times, per second.",
            good="one narrow band.",
            act=("two bands show two kinds of requests: those that find a connection open, and those that open one."),
            unit="cps",
            kind="heatmap",
            queries=(Query(expr=LAB.per_second(LOAD_RESPONSE, "le", of="bucket"), name="{{le}}"),),
        ),
        Panel(
            title="Failed requests",
            width=12,
            shows="Share of the requests that fail, over time.",
            good="0 %.",
            act="failures that start after a while are typical of a leak: connections run out.",
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
            shows="99 % of the requests to a route were faster, measured inside the site.",
            good="close to the response time of clients.",
            act=(
                "if it is much lower, requests wait for a worker. If it is as high, the view or connecting "
                "takes the time."
            ),
            unit="s",
            queries=(Query(expr=LAB.quantile(0.99, HTTP_REQUEST_DURATION, "route"), name="{{route}}"),),
        ),
        Panel(
            title="Responses per second, by status class",
            shows="Responses of the site per second.",
            good="2xx only.",
            act="for 5xx, first see connect errors on the dashboard Connections.",
            unit="reqps",
            stacked=True,
            queries=(
                Query(expr=LAB.per_second(HTTP_REQUEST_DURATION, "status_class", of="count"), name="{{status_class}}"),
            ),
        ),
        Panel(
            title="Share of connecting in the time in Django",
            shows="Share of the time in Django that is spent on connecting, over the time range.",
            good="near 0 %, where connections are kept.",
            act="a kept connection saves at most this share. If it is small, CONN_MAX_AGE will not help.",
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
            shows="CPU time of each part per second, over its whole process tree.",
            good=(
                "the load generator uses less than one core for each of its processes. The site and the "
                "database have the rest."
            ),
            act=("a load generator at its limit measures itself. Raise --load-workers, or use fewer users."),
            unit="short",
            stacked=True,
            width=12,
            queries=(Query(expr=LAB.per_second(CPU_SECONDS, "part"), name="{{part}}"),),
        ),
        Panel(
            title="CPU per request, by arm and part",
            shows="CPU time of each part per request, during the load.",
            good="short bars for the database: a reused connection costs it nothing.",
            act="a long bar for the database with cheap queries is the cost of connecting.",
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
    question="How fast are responses, and what do they cost?",
    guide=GUIDE,
    variables=VARIABLES,
    marks=FAULTS,
    rows=(IN_SHORT, BY_ARM, OVER_TIME, IN_DJANGO),
)
