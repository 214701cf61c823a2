"""What it costs to count one request: all of it, its parts, and prometheus-client's way."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from rich.table import Table

if TYPE_CHECKING:
    from workbench import Watch

ROUNDS: Final = 40
REPOSITORY: Final = Path(__file__).resolve().parent.parent
GOAL_US: Final = 3.0

# All arms in one process, one after the other in each round: what else the machine does meets all of them alike.
PROGRAM: Final = """
import json, os, sys, time
from pathlib import Path
from statistics import median
folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
import django
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, MIDDLEWARE=[], LOADLAB={"LEDGER_DIR": str(folder)})
django.setup()
from django.core.handlers.base import BaseHandler
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from prometheus_client import Histogram
from loadlab.instrumentation import timing
from loadlab.instrumentation.request_times import RequestTimes
from loadlab.model.metrics import HTTP_REQUEST_DURATION as metric

urlpatterns = [path("entries/<int:pk>/", lambda request, pk: response)]
response = HttpResponse()
handler = BaseHandler()
handler.load_middleware()
request_times = RequestTimes(folder)
histogram = Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets)
series = ("entries/<int:pk>/", "GET", "2xx")
requests = [RequestFactory().get("/entries/7/") for _ in range(2000)]

def matched(_, request):
    return response

def each(get_response):
    for request in requests:
        get_response(handler, request)

def in_turn(*both):
    taken = [[], []]
    for request in requests:
        for get_response, times in zip(both, taken):
            begun = time.thread_time_ns()
            get_response(handler, request)
            times.append(time.thread_time_ns() - begun)
    return [median(times) / 1000 for times in taken]

def fresh():
    for request in requests:
        request.__dict__.pop(timing.COUNTS, None)

django_s, timed = BaseHandler.get_response, timing._timed(matched)
ours = timing._timed(django_s)
each(django_s)  # so that every request has its match
arms = {
    "nothing": lambda: each(matched),
    "nothing, timed": lambda: each(timed),
    "request_times": lambda: [request_times.add(*series, 3_000_000) for _ in requests],
    "prometheus-client": lambda: [histogram.labels(*series).observe(0.003) for _ in requests],
}
for _ in range(rounds):
    taken = {}
    for name, arm in arms.items():
        fresh()
        begun = time.perf_counter_ns()
        arm()
        taken[name] = (time.perf_counter_ns() - begun) / len(requests) / 1000
    fresh()
    taken["handler"], taken["handler, timed"] = in_turn(django_s, ours)
    print(json.dumps(taken))
"""
SAYS: Final = {
    "whole": "loadlab, in a loop of nothing else: from the handler's call to the count in the file",
    "request_times": "of that: the count in the file",
    "within": "loadlab, within Django's handler: timed and not timed in turn, CPU time",
    "prometheus-client": "prometheus-client, multiprocess: the same histogram observed",
    "handler": "Django's handler without middleware, an empty view, not timed",
}


def run(watch: Watch, blocks: int | None) -> Table:
    watch.preparing("requests to a handler in one process")
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-c", PROGRAM, folder, str(blocks or ROUNDS)]
        done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    return table([_with_differences(one) for one in rounds])


def _with_differences(one: dict[str, float]) -> dict[str, float]:
    return {
        **one,
        "whole": one["nothing, timed"] - one["nothing"],
        "within": one["handler, timed"] - one["handler"],
    }


def table(rounds: list[dict[str, float]]) -> Table:
    made = Table(
        title="Cost of counting one request, in µs",
        caption=f"{len(rounds)} rounds of 2,000 requests; quickest: the round that the machine disturbed least.\n"
        f"Goal: at most {GOAL_US:g} µs within Django's handler: {_against_goal(rounds)}.",
    )
    for heading in ("", "median", "quickest"):
        made.add_column(heading, justify="left" if not heading else "right")
    for name, words in SAYS.items():
        taken = [one[name] for one in rounds]
        made.add_row(words, f"{median(taken):.2f}", f"{min(taken):.2f}")
    return made


def _against_goal(rounds: list[dict[str, float]]) -> str:
    return "met" if median(one["within"] for one in rounds) <= GOAL_US else "missed"
