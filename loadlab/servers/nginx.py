"""gunicorn behind nginx: the client connections that gunicorn sees are always those of nginx."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from loadlab.model.bounds import Bounds
from loadlab.model.config import Scalar
from loadlab.model.plan import Several
from loadlab.servers._gevent import blocking, cooperation, needed, uncooperative
from loadlab.servers._gunicorn import WITH_GEVENT, KeepAliveGunicornServer
from loadlab.servers.base import KEPT, Count, Flag, Seconds, Site
from loadlab.system.programs import NGINX, SystemProgram

MOST_KEPT: Final = 32  # nginx's `keepalive`, as its documentation has it
SOONER: Final = 0.8  # nginx lets go first: of 75 s this makes its own default, 60 s


@dataclass(frozen=True, kw_only=True, slots=True)
class Nginx(KeepAliveGunicornServer):
    """nginx with one worker; `worker_class` is gunicorn's, whose modes have the other parameters too.

    With `upstream_keep_alive` nginx keeps up to 32 idle connections to gunicorn, each a little shorter than gunicorn's
    `keep_alive_seconds`. Without it nginx connects for each request: in nginx 1.22, that is the default.
    """

    title: ClassVar[str] = "nginx + gunicorn"
    remarks: ClassVar[tuple[str, ...]] = (
        *KeepAliveGunicornServer.remarks,
        (
            "Counted with gunicorn's gevent workers, where nginx makes a difference. With sync and gthread workers"
            " requests reuse connections as without nginx: see gunicorn sync and gunicorn gthread."
        ),
    )
    packages: ClassVar[tuple[str, ...]] = WITH_GEVENT
    programs: ClassVar[tuple[SystemProgram, ...]] = (NGINX,)
    counted: ClassVar[Mapping[str, Several]] = {
        "worker_class": "gevent",
        "upstream_keep_alive": [False, True],
        **KEPT,
    }
    quiet: ClassVar[Mapping[str, Scalar]] = {"keep_alive_seconds": 2}

    worker_class: Annotated[
        Literal["sync", "gthread", "gevent"], Bounds(description='"sync", "gthread" or "gevent"')
    ] = "gthread"
    upstream_keep_alive: Flag = False
    keep_alive_seconds: Seconds = 75
    threads: Count = 4
    worker_connections: Count = 1000
    cooperative: Flag = True

    def argv(self, site: Site, port: int) -> list[str]:
        kept = MOST_KEPT if self.upstream_keep_alive else 0
        front = [site.python, "-m", "loadlab.settings_override.behind_nginx", f"127.0.0.1:{port}"]
        return [*front, site.scratch, str(kept), str(self._kept_seconds()), *self.command(site)]

    def worker_arguments(self) -> list[str]:
        limits = {
            "sync": [],
            "gthread": ["--threads", str(self.threads)],
            "gevent": ["--worker-connections", str(self.worker_connections)],
        }
        return ["--worker-class", self.worker_class, *limits[self.worker_class], *self.keep_alive_arguments()]

    def _kept_seconds(self) -> int:
        return int(self.keep_alive_seconds * SOONER)

    def idle_end_seconds(self) -> float | None:
        """A greenlet ends with its connection to nginx, which ends when it has been idle for so long."""
        return self._kept_seconds() if self.runs_greenlets() and self.upstream_keep_alive else None

    def runs_greenlets(self) -> bool:
        return self.worker_class == "gevent"

    def needs(self, driver: str) -> tuple[str, ...]:
        if self.worker_class != "gevent":
            return ("gunicorn",)
        return needed(self.packages, driver, cooperative=self.cooperative)

    def incompatible(self, driver: str) -> tuple[str, str, str] | None:
        return uncooperative(driver, cooperative=self.cooperative) if self.runs_greenlets() else None

    def unmodelled(self) -> str | None:
        if not self.runs_greenlets():
            return None
        if self.upstream_keep_alive:
            return (
                "nginx's own connections decide which requests share a greenlet, and they are not modelled; set"
                " upstream_keep_alive = false, or ask for gthread"
            )
        return blocking(cooperative=self.cooperative)

    def environment(self) -> dict[str, str]:
        return cooperation(wanted=self.cooperative and self.runs_greenlets())

    def usable_connections(self, users: int) -> int:
        usable = {
            "sync": min(users, self.workers),
            "gthread": self.workers * self.threads,
            "gevent": min(users, self.workers * self.worker_connections),
        }
        return usable[self.worker_class]

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  gunicorn never sees a client
        """A greenlet serves one connection of nginx's, and lasts as long as that."""
        kept = min(self.usable_connections(users), MOST_KEPT) if self.upstream_keep_alive else 0
        return {"sync": self.workers, "gthread": self.workers * self.threads, "gevent": kept}[self.worker_class]
