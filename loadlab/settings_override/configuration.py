"""How the lab tells a target process what to be: one JSON text in the environment, readable by both sides."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE = "LOADLAB_OVERLAY"
# Answered before Django, in every mode.
READY_PATH = "/.loadlab/ready"
COLLECT_PATH = "/.loadlab/collect"  # orders: they need the token, in TOKEN_HEADER
KEEP_GARBAGE_PATH = "/.loadlab/keep-garbage"
UNKNOWN_HOST = "?"  # of a database whose address is in files of its driver's
NEEDS_DATABASE = 75  # the exit code of a look into a project that asks for its database, and ends when it gets none
# Before and after what a process says of its first request that failed, in the server's log.
FIRST_ERROR = "loadlab: the first request of this process that failed said:"
# What libpq takes to find a database and to get in; Django's own parameters to the driver are none of these.
LIBPQ = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "channel_binding", "gssencmode"),
    *("connect_timeout", "target_session_attrs"),
)
TOKEN_HEADER = "X-Loadlab-Token"  # noqa: S105  where it is, not what it is


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """What goes over a project's settings. No password is in it: libpq reads its own password file.

    `settings`, `wsgi` and `asgi` are the project's own; without a `wsgi` or `asgi`, Django's handler for its settings.
    `databases` stands in place of entries of DATABASES, `database` goes over those that `aliases` names. `held`
    keeps them there, whatever the project does to DATABASES later; with `addable`, it may add no other aliases.
    """

    settings: str
    wsgi: str = ""
    asgi: str = ""
    databases: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    database: Mapping[str, object] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    held: bool = False
    addable: Sequence[str] | None = None
    psycopg3: bool = True  # False hides psycopg 3 from Django, which takes it whenever it can import it
    instrumented: bool = True
    token: str = ""  # READY_PATH repeats it, so that the lab knows its own process from a stranger on the port
    apps: Sequence[str] = ()  # besides the project's own
    middleware: Sequence[str] | None = None  # in place of the project's own
    values: Mapping[str, object] = field(default_factory=dict)  # over other settings
    gunicorn: Mapping[str, str] = field(default_factory=dict)  # its server hooks, each "module:function"
    asgi_wrapper: str = ""  # "module:function" that takes the ASGI application and gives another

    def to_environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Overlay:
        return cls(**json.loads(os.environ[VARIABLE]))
