"""What the lab passes to a target process: one JSON text in the environment, which both sides can read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE = "LOADLAB_OVERLAY"  # as first released: a process of an earlier release may be restarted
# The lab's requests to a target process; they never reach Django, in any server mode.
READY_PATH = "/.loadlab/ready"
COLLECT_PATH = "/.loadlab/collect"  # control requests need the token, in TOKEN_HEADER
KEEP_GARBAGE_PATH = "/.loadlab/keep-garbage"
UNKNOWN_HOST = "?"  # of a database whose address is in files of its driver
NEEDS_DATABASE = 75  # the exit code of an inspection whose project ends without its database
# Marks the first error of a process in the server's log, before and after it.
FIRST_ERROR = "loadlab: the first request of this process that failed said:"
# libpq's parameters to find a database and to log in; Django passes others to the driver as well.
LIBPQ = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "channel_binding", "gssencmode"),
    *("connect_timeout", "target_session_attrs"),
)
TOKEN_HEADER = "X-Loadlab-Token"  # noqa: S105  where it is, not what it is


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingsOverride:
    """What overrides a project's settings. It holds no password: libpq reads its own password file.

    `settings`, `wsgi` and `asgi` are the project's own; without `wsgi` or `asgi`, Django's handler is used.
    `databases` replaces entries of DATABASES, `database` overrides those that `aliases` names. `pinned` keeps them
    if the project changes DATABASES later; with `addable`, the project can add no other aliases.
    """

    settings: str
    wsgi: str = ""
    asgi: str = ""
    databases: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    database: Mapping[str, object] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    pinned: bool = False
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
    def from_environment(cls) -> SettingsOverride:
        return cls(**json.loads(os.environ[VARIABLE]))
