"""Metrics that other programs expose, where dashboards and rules for production may use them."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.model.metrics import Metric


@dataclass(frozen=True, slots=True)
class ForeignMetric(Metric):
    """A metric that another program exposes: `source` says which."""

    source: str = ""


POSTGRES_EXPORTER = "postgres_exporter 0.11 (prometheus-community)"
PGBOUNCER_EXPORTER = "pgbouncer_exporter (prometheus-community)"
_BY_POOL = ("database", "user")
UP = ForeignMetric("up", "gauge", "Whether the last scrape of a target succeeded (1 or 0).", (), source="Prometheus")
PG_ACTIVITY = ForeignMetric(
    "pg_stat_activity_count",
    "gauge",
    "Rows of pg_stat_activity (count), by database and state.",
    ("datname", "state"),
    source=POSTGRES_EXPORTER,
)
PG_MAX_CONNECTIONS = ForeignMetric(
    "pg_settings_max_connections",
    "gauge",
    "The setting max_connections (count), those reserved for superusers included.",
    (),
    source=POSTGRES_EXPORTER,
)
PGBOUNCER_CLIENTS_ACTIVE = ForeignMetric(
    "pgbouncer_pools_client_active_connections",
    "gauge",
    "Clients that have a server connection, or want none now (count).",
    _BY_POOL,
    source=PGBOUNCER_EXPORTER,
)
PGBOUNCER_CLIENTS_WAITING = ForeignMetric(
    "pgbouncer_pools_client_waiting_connections",
    "gauge",
    "Clients that wait for a server connection (count).",
    _BY_POOL,
    source=PGBOUNCER_EXPORTER,
)
PGBOUNCER_LONGEST_WAIT = ForeignMetric(
    "pgbouncer_pools_client_maxwait_seconds",
    "gauge",
    "How long the first of the waiting clients has waited (seconds).",
    _BY_POOL,
    source=PGBOUNCER_EXPORTER,
)
PGBOUNCER_SERVERS_ACTIVE = ForeignMetric(
    "pgbouncer_pools_server_active_connections",
    "gauge",
    "Server connections that a client has (count).",
    _BY_POOL,
    source=PGBOUNCER_EXPORTER,
)
PGBOUNCER_SERVERS_IDLE = ForeignMetric(
    "pgbouncer_pools_server_idle_connections",
    "gauge",
    "Server connections that a client could have at once (count).",
    _BY_POOL,
    source=PGBOUNCER_EXPORTER,
)

# Of other exporters, where dashboards and rules for production may use them.
FOREIGN = (
    UP,
    PG_ACTIVITY,
    PG_MAX_CONNECTIONS,
    PGBOUNCER_CLIENTS_ACTIVE,
    PGBOUNCER_CLIENTS_WAITING,
    PGBOUNCER_LONGEST_WAIT,
    PGBOUNCER_SERVERS_ACTIVE,
    PGBOUNCER_SERVERS_IDLE,
)
