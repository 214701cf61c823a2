"""uvicorn with `--interface wsgi`: Django's WSGI handler in threads that each process keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from loadlab.servers._uvicorn import UvicornServer
from loadlab.servers.base import Site

THREADS: Final = 10  # of each process: uvicorn/middleware/wsgi.py has it, and a2wsgi in its place has it too
IN_ITS_PLACE: Final = "a2wsgi"  # where it is installed, uvicorn takes it


@dataclass(frozen=True, kw_only=True, slots=True)
class UvicornWsgi(UvicornServer):
    """A pool of 10 threads per process, which no option changes; a thread is added when no other is idle."""

    title: ClassVar[str] = "uvicorn (WSGI)"
    remarks: ClassVar[tuple[str, ...]] = (
        *UvicornServer.remarks,
        (
            "Each thread keeps the connection of its last request until its next one, also at CONN_MAX_AGE = 0: uvicorn"
            " closes no WSGI response, so Django never sends request_finished. With a2wsgi installed, it uses that,"
            " which closes them (uvicorn 0.54.0, a2wsgi 1.10.10)."
        ),
        (
            "A streamed response whose client has left keeps its database connection until the stream ends, also at"
            " CONN_MAX_AGE = 0 (uvicorn 0.54.0)."
        ),
    )
    packages: ClassVar[tuple[str, ...]] = ("uvicorn", IN_ITS_PLACE)
    closes_responses: ClassVar[bool] = False  # a2wsgi does

    def application(self, site: Site) -> list[str]:
        return [site.wsgi, "--interface", "wsgi"]

    def needs(self, driver: str) -> tuple[str, ...]:  # noqa: ARG002
        return ("uvicorn",)

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  idle threads keep theirs for the next request
        return self.workers * THREADS
