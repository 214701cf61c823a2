"""The plan: what to measure, before it is spread out into cases."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from loadlab.model.bounds import STRICT, Before, Bounds
from loadlab.model.condition import OpenLoad
from loadlab.model.config import Scalar
from loadlab.model.paths import expanded
from loadlab.model.strategy import USUAL_SERVER
from loadlab.model.window import Window

# What the embedded server may be told for max_connections.
FEWEST_CONNECTIONS = 10
MOST_CONNECTIONS = 10_000
UNFIT_IN_NAMES: Final = re.compile(r"[^\w.+@~^-]+")
MOST_OF_NAME: Final = 40

Several = Scalar | list[Scalar]  # one value, or a list to sweep


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


Rates = Annotated[
    list[Annotated[float, Bounds(gt=0, le=1_000_000, finite=True)]],
    Bounds(min_length=1),
    Before(_as_list),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Who decides when a request is sent: users who wait for their responses, or a schedule.

    "closed": each of `users` sends its next request when it has the response to the last. "open": tasks start at a
    `rate` per second (a list is swept), whether or not earlier ones have ended, with random `arrivals` or at equal
    gaps. At most `outstanding` tasks are under way; what is due beyond that is dropped.

    With `expect_workers` so many load processes on other hosts share the load. They come to this host's
    `master_bind_port`, at the address `master_bind_host`.
    """

    __pydantic_config__ = STRICT

    model: Literal["closed", "open"] = "closed"
    rate: Rates | None = None
    arrivals: Literal["poisson", "uniform"] = "poisson"
    outstanding: Annotated[int, Bounds(ge=1, le=100_000)] = 64
    expect_workers: Annotated[int, Bounds(ge=0, le=256)] = 0
    master_bind_host: Annotated[str, Bounds(min_length=1)] = "127.0.0.1"
    master_bind_port: Annotated[int, Bounds(ge=1, le=65535)] = 5557


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietSpells:
    """What follows the window of each trial: `count` times a pause without any request, and then a burst.

    The users leave for `pause_seconds`, come back with new client connections, and stay for `burst_seconds`.
    """

    __pydantic_config__ = STRICT

    count: Annotated[int, Bounds(ge=0, le=100)] = 0
    pause_seconds: Annotated[float, Bounds(gt=0, le=3600, finite=True)] = 40.0
    burst_seconds: Annotated[float, Bounds(gt=0, le=3600, finite=True)] = 1.0

    @property
    def seconds(self) -> float:
        return self.count * (self.pause_seconds + self.burst_seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseOptions:
    """How the target reaches PostgreSQL; only the embedded server can be told these.

    With `tls`, it is the system's PostgreSQL that serves: the embedded one is built without.
    """

    __pydantic_config__ = STRICT

    auth: Literal["scram", "trust"] = "scram"
    tls: bool = False
    max_connections: Annotated[int, Bounds(ge=FEWEST_CONNECTIONS, le=MOST_CONNECTIONS)] = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What production allows: a recommendation must fit into it.

    `hosts` serve at once, with `workers` processes each (default: as measured); `overlap` is 2 where a deployment runs
    the old and the new side by side. `max_connections` is production's PostgreSQL, of which `reserved` are not for the
    project. Without `max_connections` nothing is rejected.
    """

    __pydantic_config__ = STRICT

    max_connections: Annotated[int, Bounds(ge=1, le=1_000_000)] | None = None
    reserved: Annotated[int, Bounds(ge=0, le=1_000_000)] = 3
    hosts: Annotated[int, Bounds(ge=1, le=100_000)] = 1
    workers: Annotated[int, Bounds(ge=1, le=10_000)] | None = None
    overlap: Annotated[int, Bounds(ge=1, le=10)] = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectOptions:
    """A Django project of the user's own, in place of loadlab's sample app.

    `folder` is where manage.py is; `wsgi` and `asgi` are "module:attribute" (default: as its settings say); `python` is
    the interpreter of its virtualenv (default: the lab's own). `database` is "own" as its settings say, or "embedded":
    an empty one for the run, made by the project's migrations; each other database of the project gets one too, but
    for the aliases that `keep_databases` names. Only with `migrate` are missing migrations applied to a database that
    is there already. `prepare` are management commands to fill it. `pythonpath` are folders with more modules of the
    project's, `boot_seconds` is how long its servers may take until they are ready.
    """

    __pydantic_config__ = STRICT

    settings: Annotated[str, Bounds(pattern=r"^[A-Za-z_][\w.]*$", description="a dotted path like mysite.settings")]
    folder: str = "."
    wsgi: str = ""
    asgi: str = ""
    python: str = ""
    pythonpath: list[str] = field(default_factory=list)
    database: Literal["own", "embedded"] = "own"
    keep_databases: list[str] = field(default_factory=list)
    migrate: bool = False
    prepare: list[str] = field(default_factory=list)
    boot_seconds: Annotated[float, Bounds(gt=0, le=3600, finite=True)] = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Against:
    """The other side of a run: what the project is measured against, case by case, in the same blocks.

    A `revision` of git's is checked out aside; or another `folder`, `python`, `settings` module or, for loadlab's
    sample app, `driver`. What is empty is as on this side. `name` is what reports call the other side. `take` are globs
    of files that git does not have, such as .env, and that a revision gets from this side's folder all the same.
    """

    __pydantic_config__ = STRICT

    name: str = ""
    revision: str = ""
    folder: str = ""
    python: str = ""
    settings: Annotated[str, Bounds(pattern=r"^([A-Za-z_][\w.]*)?$", description="a dotted path")] = ""
    driver: Literal["", "psycopg2", "psycopg"] = ""
    take: list[str] = field(
        default_factory=lambda: [".env", ".env.*", "**/.env", "**/local_settings.py", "**/settings_local.py"]
    )

    @property
    def called(self) -> str:
        """The name of the other side, without what would not do in the ids of cases.

        >>> Against(revision="feature/x").called, Against(python="/srv/venv-6/bin/python").called
        ('feature-x', 'venv-6')
        """
        of_python = Path(self.python).parent.parent.name or self.python
        of_folder = expanded(self.folder).resolve().name if self.folder else ""
        said = self.name or self.revision or of_folder or self.settings or self.driver or of_python
        return UNFIT_IN_NAMES.sub("-", said)[:MOST_OF_NAME]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """A target that others serve, as they have set it up: it is loaded and looked at, and nothing of it is changed.

    `name` is what its settings are called, e.g. "age 60". `metrics` is where it serves loadlab's metrics (default:
    /metrics of `url`), `token` the environment variable that holds their token, as "env:NAME". `alias` is the entry of
    DATABASES that is counted; `usable_connections` is workers × threads, connections beyond that serve no request.
    """

    __pydantic_config__ = STRICT

    url: str
    name: str = "as deployed"
    metrics: str = ""
    token: str = ""
    alias: str = "default"
    usable_connections: Annotated[int, Bounds(ge=1, le=1_000_000)] | None = None

    @property
    def metrics_url(self) -> str:
        return self.metrics or f"{self.url.rstrip('/')}/metrics"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A declared experiment. Durations are in seconds; every list is swept, the cross product gives the cases.

    `blocks`: how often each case is measured at most; from `min_blocks` on, a case leaves when its counts or its
    comparisons decide. `control` names the server mode whose baseline gets an A/A arm
    (default: sync, or the first where sync is not measured).
    `equivalence_margin`: a difference within ± this share counts as none. `round_trip_ms`: how far away the database
    is put, by a proxy that adds so much to each round trip; 0 leaves it where it is. `idle_percent`: what share of
    max_connections the lab holds with idle connections beside the target. `holding`: whether to measure after the
    trials what a kept connection costs. `restarts`: whether to count, once
    per server mode, strategy and kind of client, what a restart of the database does. `load_workers`: how many load
    processes share each trial's load. `quiet_spells`: pauses and bursts after the window. With a `target` that
    others serve, there are no servers and no strategies.
    `faults`: a table of what is done to the database or the network in every trial, with its parameters; or a list of
    faults that come at an instant of the window, each of which makes one more case of every case.
    `against`: the other side, of which each case is measured too.
    `gates`: what a build requires, lists of expressions by a glob of cases ("*": all). The key "undecided" may be
    "fail": then what cannot be decided fails too.
    """

    __pydantic_config__ = STRICT

    seed: Annotated[int, Bounds(ge=0)] = 2013
    blocks: Annotated[int, Bounds(ge=1, le=1000)] = 8
    min_blocks: Annotated[int, Bounds(ge=2, le=1000)] = 2
    warmup_seconds: Annotated[float, Bounds(ge=0, le=3600, finite=True)] = 0.5
    window_seconds: Annotated[float, Bounds(gt=0, le=86400, finite=True)] = 2.0
    users: Annotated[list[Annotated[int, Bounds(ge=1, le=100_000)]], Bounds(min_length=1)] = field(
        default_factory=lambda: [8]
    )
    keep_alive: Annotated[list[bool], Bounds(min_length=1)] = field(default_factory=lambda: [False])
    round_trip_ms: Annotated[list[Annotated[float, Bounds(ge=0, le=1000, finite=True)]], Bounds(min_length=1)] = field(
        default_factory=lambda: [0.0]
    )
    idle_percent: Annotated[list[Annotated[int, Bounds(ge=0, le=95)]], Bounds(min_length=1)] = field(
        default_factory=lambda: [0]
    )
    scenarios: Annotated[list[str], Bounds(min_length=1)] = field(default_factory=lambda: ["read_one"])
    driver: Literal["psycopg2", "psycopg"] = "psycopg2"
    control: str | None = None
    primary_metric: Literal["throughput", "p50", "p95"] = "throughput"
    equivalence_margin: Annotated[float, Bounds(gt=0, lt=1)] = 0.05
    restarts: bool = False
    holding: bool = False
    load_workers: Annotated[int, Bounds(ge=1, le=256)] = 1
    load: Load = field(default_factory=Load)
    quiet_spells: QuietSpells = field(default_factory=QuietSpells)
    database: DatabaseOptions = field(default_factory=DatabaseOptions)
    limits: Limits = field(default_factory=Limits)
    project: ProjectOptions | None = None
    target: Deployment | None = None
    against: Against | None = None
    servers: Annotated[dict[str, dict[str, Several]], Bounds(min_length=1)] = field(default_factory=dict)
    strategies: Annotated[dict[str, dict[str, Several]], Bounds(min_length=1)] = field(default_factory=dict)
    faults: dict[str, dict[str, Scalar]] | list[dict[str, Several]] = field(default_factory=dict)
    gates: dict[str, str | list[str]] = field(default_factory=dict)

    @property
    def controlled(self) -> str | None:
        """The server mode whose baseline gets an A/A arm: as said, else the usual one, else the first."""
        usual = USUAL_SERVER if USUAL_SERVER in self.servers else next(iter(self.servers), None)
        return self.control or usual

    @property
    def load_processes(self) -> int:
        """How many share the load, on this host or on others."""
        return self.load.expect_workers or self.load_workers

    @property
    def window(self) -> Window:
        """Of each trial."""
        return Window(self.warmup_seconds, self.warmup_seconds + self.window_seconds)

    def loads(self) -> list[tuple[int, OpenLoad | None]]:
        """Each load of the plan: how many users there are, and the schedule that they keep to, if there is one."""
        if self.load.model == "closed":
            return [(users, None) for users in self.users]
        return [
            (self.load.outstanding, OpenLoad(rate=rate, arrivals=self.load.arrivals)) for rate in self.load.rate or ()
        ]


DEFAULT_PLAN = """\
# The default plan: is a kept connection worth it, and does it leak, under the three ways of serving that
# the question was first asked for? Clients open a new TCP connection per request, as many proxies do.
seed = 2013
blocks = 12                # finds a difference of 10 % with 80 % power where trials vary by 5 %; see `loadlab plan`
warmup_seconds = 0.3
window_seconds = 1.0
users = [8]
keep_alive = [false]
scenarios = ["read_one"]
driver = "psycopg2"
control = "sync"           # its baseline is measured twice: the A/A arm shows the noise floor
primary_metric = "throughput"
equivalence_margin = 0.05

[database]
auth = "scram"             # as in production; trust would hide most of what connecting costs
max_connections = 100

[servers.threaded]

[servers.sync]
workers = 2

[servers.gevent]
workers = 2

[strategies.max_age]
max_age = [0, 60, "none"]
conn_health_checks = false
"""
