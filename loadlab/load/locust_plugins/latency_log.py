"""Switched on in a locustfile, keeps every response time of a Locust run in an .hlog file, over all its workers.

    from loadlab.load.locust_plugins.latency_log import keep_latency

    keep_latency("latency.hlog")

Locust's own percentiles are of rounded times; these are exact to a thousandth. Under an open load (`Open` of
`loadlab.load.locust_plugins.pacing`) a response counts from the instant at which its request was due.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from locust import events
from locust.runners import MasterRunner, WorkerRunner

from loadlab.load.locust_plugins.final_reports import FinalReports, ReportProgress
from loadlab.load.locust_plugins.histograms import MOST_TAGS, OTHERS, HistogramLog, Seconds, TimeSlice, tag_of
from loadlab.load.locust_plugins.pacing import response_seconds

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.event import Events

MS_PER_SECOND: Final = 1000.0
REPORTED: Final = "loadlab_latency"  # the key of ours in what Locust's workers report

_log = logging.getLogger(__name__)


def keep_latency(path: str | Path) -> None:
    """Keep the response times of this process's Locust in `path`; the master's file has those of all workers.

    Raises:
        OSError: the file cannot be written; not before Locust starts.
    """

    def begin(environment: Environment, **_: object) -> None:
        LatencyLog(Path(path)).follow(environment)

    events.init.add_listener(begin)  # type: ignore[no-untyped-call]


class LatencyLog:
    """Listens to one Locust; whether it requests, reports or collects depends on its runner."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds = Seconds()
        self._log: HistogramLog | None = None
        self._reports: FinalReports | None = None
        self._warned = False

    def follow(self, environment: Environment) -> None:
        """Keep what `environment` requests, until its Locust quits."""
        heard: Events = environment.events
        if isinstance(environment.runner, WorkerRunner):
            heard.request.add_listener(self._request)  # type: ignore[no-untyped-call]
            heard.report_to_master.add_listener(self._report)  # type: ignore[no-untyped-call]
            ReportProgress(environment.runner)
            return
        self._file = self._path.open("w", encoding="ascii")
        self._log = HistogramLog(self._file, time.time())
        if isinstance(environment.runner, MasterRunner):
            heard.worker_report.add_listener(self._collect)  # type: ignore[no-untyped-call]
            self._reports = FinalReports(environment.runner)
        else:
            heard.request.add_listener(self._request)  # type: ignore[no-untyped-call]
        heard.quit.add_listener(self.finish)  # type: ignore[no-untyped-call]

    def _request(
        self,
        request_type: str,
        name: str,
        response_time: float,
        exception: BaseException | None = None,
        start_time: float | None = None,
        **_: object,
    ) -> None:
        tag = tag_of(request_type, name, failed=exception is not None)
        seconds = response_seconds((response_time or 0.0) / MS_PER_SECOND, start_time)
        self._seconds.add(int(time.time()), tag, seconds)
        if self._log is not None and (done := self._seconds.take_done()):
            self._log.add(done)
        if self._seconds.filed_under_others and not self._warned:
            self._warned = True
            _log.warning(
                "More than %d names of requests: further ones are filed under %r. Give requests a name=, with"
                " what differs left out.",
                MOST_TAGS,
                OTHERS,
            )

    def _report(self, data: dict[str, Any], **_: object) -> None:
        # The last report of a worker is sent after its users have stopped, so nothing comes after it.
        data[REPORTED] = [list(interval) for interval in self._seconds.take_all()]

    def _collect(self, data: dict[str, Any], **_: object) -> None:
        if self._log is not None:
            self._log.add(TimeSlice(*fields) for fields in data.get(REPORTED, ()))

    def finish(self, **_: object) -> None:
        """Write what is held and close the file; once is enough."""
        if self._log is not None:
            self._log.add(self._seconds.take_all())
            for missing in self._reports.missing if self._reports else ():
                self._log.remark(f"Incomplete: {missing}")
                _log.warning("%s is incomplete: %s", self._path, missing)
            self._log.finish()
            self._file.close()
            self._log = None
