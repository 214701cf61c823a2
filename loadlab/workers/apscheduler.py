"""APScheduler: jobs in threads of a process that also does other things, such as a web worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.workers._closing import closing
from loadlab.workers.base import Count, Fix, Queue, Site, Worker, own_process


@dataclass(frozen=True, kw_only=True, slots=True)
class APScheduler(Worker):
    """A BackgroundScheduler whose jobs run in at most `threads`."""

    title: ClassVar[str] = "APScheduler"
    closes: ClassVar[str] = "never: it knows nothing of Django (apscheduler 3.11.3)"
    packages: ClassVar[tuple[str, ...]] = ("apscheduler",)

    threads: Count = 4

    def argv(self, site: Site, port: int) -> list[str]:  # noqa: ARG002  jobs are added in its own process
        return own_process(site, "apscheduler")

    def at_once(self) -> int:
        return self.threads

    def is_sender(self) -> bool:
        return True

    def settings(self, queue: Queue) -> dict[str, object]:  # noqa: ARG002
        return {"WORK_THREADS": self.threads}

    def fixes(self) -> tuple[Fix, ...]:
        return (closing("each job"),)
