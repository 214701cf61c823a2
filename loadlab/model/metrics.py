"""The catalogue of metrics: every name, label and bucket that loadlab may expose or query."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class CloseReason(IntEnum):
    """Why a connection ended; the value is what the ledger stores."""

    REQUEST_END = 0  # CONN_MAX_AGE=0: Django closes it when the request finishes
    MAX_AGE = 1  # older than CONN_MAX_AGE at the start or the end of a request
    UNUSABLE = 2  # an error occurred and the connection no longer answered
    HEALTH_CHECK = 3  # CONN_HEALTH_CHECKS found it dead before use
    AUTOCOMMIT = 4  # the request left autocommit changed
    EXPLICIT = 5  # close() called by code, Django's own transaction handling included
    GARBAGE_COLLECTED = 6  # never closed: its thread or greenlet was gone
    PROCESS_EXIT = 7  # open when its process ended
    POOL = 8  # its pool closed it: too old, idle for too long, or not wanted back

    @property
    def label(self) -> str:
        return self.name.lower()


class ConnectError(IntEnum):
    """Why a connection could not be opened; the value is what the ledger stores."""

    TOO_MANY_CONNECTIONS = 0
    REFUSED = 1  # nothing listens there
    AUTHENTICATION = 2
    TIMEOUT = 3
    STARTING = 4  # the database is starting up, shutting down or in recovery
    POOL_TIMEOUT = 5  # a pool had none to spare in time, or too many were waiting already
    OTHER = 6

    @property
    def label(self) -> str:
        return self.name.lower()


class UnitKind(IntEnum):
    """What a unit of work is; the value says which cells of a ledger count it."""

    REQUEST = 0  # a request that Django answers
    TASK = 1  # a task or a job of a background worker
    MESSAGE = 2  # a message to a consumer of Channels
    OTHER = 3  # outside of those: a command, a shell, a thread; it ends when Django is told to close old connections

    @property
    def label(self) -> str:
        return self.name.lower()


CONNECTION = ("opened", "reused")  # how a unit of work got the connection of its first use


class ProcessRole(IntEnum):
    """What a process is for; the value is what the ledger stores."""

    OTHER = 0  # a command, a shell; and any process of an earlier loadlab
    WEB = 1
    WORKER = 2

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the catalogue: `help` names the unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ("alias",)
    buckets: tuple[float, ...] = ()


# A local connect takes 2 to 5 ms without authentication and 10 to 15 ms with SCRAM or TLS.
CONNECT_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
AGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0)
REQUESTS_PER_CONNECTION = (0.0, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0, 10000.0)
# What the generator sees, from 0.25 ms to 63 s. Neighbouring bounds are at most 1.3 apart, and so a percentile that is
# read from them is off by that factor at most.
_STEPS = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0)
_DECADES = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
RESPONSE_SECONDS = tuple(round(decade * step, 6) for decade in _DECADES for step in _STEPS)[4:-1]
# What Django takes for a request, from 0.5 ms to 30 s. Each bound is a time series for each route of a project, and so
# these are up to 1.5 apart, and not 1.3; the limits that people set themselves are among them.
_HTTP_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
HTTP_SECONDS = tuple(round(decade * step, 6) for decade in _DECADES for step in _HTTP_STEPS)[5:-3]
HTTP_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")  # others are OTHER
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")  # OTHER for a request without a response
OTHER = "other"
UNMATCHED = "unmatched"  # the route of requests that no URL pattern has matched
ROOT = "/"  # the route of the site's root, which is empty in Django

CONNECTIONS_OPEN = Metric(
    "loadlab_db_connections_open",
    "gauge",
    "Database connections open now (count), over all live processes, by who holds them: leaked (their thread or"
    " greenlet has ended), outside (of any request or task), in_use, idle, pool_idle; unknown: of an earlier loadlab.",
    labels=("alias", "holder"),
)
CONNECTIONS_OPENED = Metric(
    "loadlab_db_connections_opened_total",
    "counter",
    "Database connections opened (count).",
)
CONNECTIONS_CLOSED = Metric(
    "loadlab_db_connections_closed_total",
    "counter",
    "Database connections closed (count), by reason.",
    labels=("alias", "reason"),
)
REQUESTS = Metric(
    "loadlab_db_requests_total",
    "counter",
    "Requests that used the database (count), by whether the connection of their first use was opened or reused.",
    labels=("alias", "connection"),
)
UNITS = Metric(
    "loadlab_db_units_total",
    "counter",
    "Units of work that used the database (count), by kind, and by whether the connection of their first use was opened"
    " or reused.",
    labels=("alias", "kind", "connection"),
)
ROLE_OPEN = Metric(
    "loadlab_db_role_connections_open",
    "gauge",
    "Database connections open now (count), by what their process is for: web, worker, other.",
    labels=("alias", "role"),
)
ROLE_OPENED = Metric(
    "loadlab_db_role_connections_opened_total",
    "counter",
    "Database connections opened (count), by what their process is for: web, worker, other.",
    labels=("alias", "role"),
)
CONNECT_ERRORS = Metric(
    "loadlab_db_connect_errors_total",
    "counter",
    "Attempts to connect that failed (count), by kind.",
    labels=("alias", "kind"),
)
CONNECTS_UNSETTLED = Metric(
    "loadlab_db_connect_attempts_unsettled",
    "gauge",
    "Attempts to connect without an outcome (count): under way now, or cut off by the end of their process.",
)
CONNECT_DURATION = Metric(
    "loadlab_db_connect_duration_seconds",
    "histogram",
    "Time to open a database connection (seconds).",
    buckets=CONNECT_SECONDS,
)
CONNECTION_AGE = Metric(
    "loadlab_db_connection_age_seconds",
    "histogram",
    "Age of a connection when it closed (seconds); ends by process exit have no known age and are left out.",
    buckets=AGE_SECONDS,
)
CONNECTION_REQUESTS = Metric(
    "loadlab_db_connection_requests",
    "histogram",
    "Requests that a connection had served, whole or in part, when it closed (count).",
    buckets=REQUESTS_PER_CONNECTION,
)
POOL_SIZE = Metric(
    "loadlab_db_pool_size",
    "gauge",
    "Database connections that pools hold open now, lent out or not (count), over all live processes.",
)
POOL_AVAILABLE = Metric(
    "loadlab_db_pool_available",
    "gauge",
    "Database connections that pools hold and have not lent out now (count), over all live processes.",
)
POOL_WAITING = Metric(
    "loadlab_db_pool_waiting",
    "gauge",
    "Threads or greenlets that wait for a pool's connection now (count), over all live processes.",
)
POOL_WAIT = Metric(
    "loadlab_db_pool_wait_seconds",
    "histogram",
    "Time until a pool lent out a connection (seconds).",
    buckets=CONNECT_SECONDS,
)
HTTP_REQUEST_DURATION = Metric(
    "loadlab_http_request_duration_seconds",
    "histogram",
    "Time until Django had the response to a request ready, middleware included, its sending not (seconds).",
    labels=("route", "method", "status_class"),
    buckets=HTTP_SECONDS,
)
COLLECTOR_ERRORS = Metric(
    "loadlab_collector_errors_total",
    "counter",
    "Files of processes that could not be read and were set aside (count).",
    labels=(),
)
BUILD_INFO = Metric(
    "loadlab_build_info",
    "gauge",
    "Always 1; the labels carry the versions in use.",
    labels=("version", "django", "python"),
)

CATALOGUE = (
    CONNECTIONS_OPEN,
    CONNECTIONS_OPENED,
    CONNECTIONS_CLOSED,
    REQUESTS,
    UNITS,
    ROLE_OPEN,
    ROLE_OPENED,
    CONNECT_ERRORS,
    CONNECTS_UNSETTLED,
    CONNECT_DURATION,
    CONNECTION_AGE,
    CONNECTION_REQUESTS,
    POOL_SIZE,
    POOL_AVAILABLE,
    POOL_WAITING,
    POOL_WAIT,
    HTTP_REQUEST_DURATION,
    COLLECTOR_ERRORS,
    BUILD_INFO,
)

# What the lab sees of a trial from outside. The live page's process exposes it beside the target's own metrics.
LOAD_REQUESTS = Metric(
    "loadlab_load_requests_total",
    "counter",
    "Requests that the generator has made (count), by outcome: ok or failed.",
    labels=("outcome",),
)
LOAD_RESPONSE = Metric(
    "loadlab_load_response_seconds",
    "histogram",
    "Response times as the generator saw them (seconds), failed requests included.",
    labels=(),
    buckets=RESPONSE_SECONDS,
)
DATABASE_BACKENDS = Metric(
    "loadlab_database_backends",
    "gauge",
    "Rows of pg_stat_activity for the target's database now (count), by state.",
    labels=("state",),
)
DATABASE_SESSIONS = Metric(
    "loadlab_database_sessions_total",
    "counter",
    "Sessions that PostgreSQL has counted for the target's database since the trial began (count).",
    labels=(),
)
DATABASE_PEAK = Metric(
    "loadlab_database_connections_peak",
    "gauge",
    "Most connections of the target that the lab has seen at once since the trial began (count); "
    "behind a pooler, the most of the pooler's.",
    labels=(),
)
DATABASE_MAX_CONNECTIONS = Metric(
    "loadlab_database_max_connections",
    "gauge",
    "Connections that PostgreSQL allows, those reserved for its superuser included (count).",
    labels=(),
)
CPU_SECONDS = Metric(
    "loadlab_cpu_seconds_total",
    "counter",
    "CPU time of a whole process tree (seconds), by part: app, database, generator, pooler, proxy.",
    labels=("part",),
)
POOLER_CLIENTS = Metric(
    "loadlab_pooler_clients",
    "gauge",
    "The target's connections to an external pooler now (count).",
    labels=(),
)
POOLER_SERVERS = Metric(
    "loadlab_pooler_servers",
    "gauge",
    "An external pooler's own connections to PostgreSQL now (count).",
    labels=(),
)
POOLER_CLIENTS_WAITING = Metric(
    "loadlab_pooler_clients_waiting",
    "gauge",
    "Clients of an external pooler that wait for a connection to PostgreSQL now (count).",
    labels=(),
)
POOLER_WAITED = Metric(
    "loadlab_pooler_waited_seconds_total",
    "counter",
    "Time that clients of an external pooler have waited for a connection to PostgreSQL, all together (seconds).",
    labels=(),
)
FAULT_APPLIED = Metric(
    "loadlab_fault_applied_timestamp_seconds",
    "gauge",
    "When the fault of the trial was in place (seconds since 1970), by fault.",
    labels=("fault",),
)
FAULT_LIFTED = Metric(
    "loadlab_fault_lifted_timestamp_seconds",
    "gauge",
    "When the fault of the trial was over (seconds since 1970), by fault.",
    labels=("fault",),
)

LAB_CATALOGUE = (
    LOAD_REQUESTS,
    LOAD_RESPONSE,
    DATABASE_BACKENDS,
    DATABASE_SESSIONS,
    DATABASE_PEAK,
    DATABASE_MAX_CONNECTIONS,
    CPU_SECONDS,
    POOLER_CLIENTS,
    POOLER_SERVERS,
    POOLER_CLIENTS_WAITING,
    POOLER_WAITED,
    FAULT_APPLIED,
    FAULT_LIFTED,
)
