"""The site's views: each one use of a database connection, as plain as that use allows."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.http import Http404, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.utils.html import format_html, format_html_join
from django.views.decorators.csrf import csrf_exempt

from loadlab.sample_app import ALIASES
from loadlab.sample_app.models import Entry, Visit

if TYPE_CHECKING:
    from django.http import HttpRequest

LINKS = (
    ("entries/1/", "reads one row"),
    ("slow/?seconds=0.02", "holds a connection in the database for so long"),
    ("entries/1/twice/", "reads one row by each of two aliases"),
    ("no-database/", "uses no connection"),
    ("health/", "names the process that answers"),
    ("metrics", "what the instrumentation has counted"),
)
SHOWN_SETTINGS = ("ENGINE", "CONN_MAX_AGE", "CONN_HEALTH_CHECKS")  # never a password
LONGEST_SLEEP_SECONDS = 10.0


def index(request: HttpRequest) -> HttpResponse:
    """Links to the pages, and how the site is served; touches no database."""
    default = settings.DATABASES["default"]
    served = request.META.get("SERVER_SOFTWARE") or "an ASGI server"
    facts = [("served by", served), *((name, default.get(name)) for name in SHOWN_SETTINGS)]
    page = format_html(
        "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>loadlab's site</title><h1>loadlab's site</h1>"
        "<ul>{}</ul><table>{}</table></html>\n",
        format_html_join("", "<li><a href='/{}'>/{}</a>: {}", ((path, path, words) for path, words in LINKS)),
        format_html_join("", "<tr><th align=left>{}<td>{}", facts),
    )
    return HttpResponse(page)


def health(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Say who answers; touches no database, so that asking changes no count."""
    return JsonResponse({"status": "ok", "pid": os.getpid()})


def read_one(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001
    """Read one row by its primary key."""
    entry = Entry.objects.filter(pk=number).first()
    if entry is None:
        raise Http404
    return JsonResponse({"id": entry.pk, "title": entry.title, "body": entry.body, "visits": entry.visits})


def multi_database(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001
    """Read one row by each alias, as of a primary and a replica: two connections for one request."""
    entries = [Entry.objects.using(alias).filter(pk=number).first() for alias in ALIASES]
    if None in entries:
        raise Http404
    return JsonResponse({"titles": [entry.title for entry in entries if entry is not None]})


@csrf_exempt
def read_write(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001
    """Read, update and insert in one transaction."""
    with transaction.atomic():
        entry = Entry.objects.select_for_update().filter(pk=number).first()
        if entry is None:
            raise Http404
        Entry.objects.filter(pk=number).update(visits=F("visits") + 1)
        visit = Visit.objects.create(entry=entry)
    return JsonResponse({"id": entry.pk, "visit": visit.pk})


def slow_query(request: HttpRequest) -> HttpResponse:
    """Hold the connection in the database for `?seconds=`."""
    try:
        seconds = float(request.GET.get("seconds", "0.02"))
    except ValueError:
        return HttpResponseBadRequest("seconds must be a number")
    if not 0 <= seconds <= LONGEST_SLEEP_SECONDS:
        return HttpResponseBadRequest(f"seconds must be between 0 and {LONGEST_SLEEP_SECONDS:g}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
    return JsonResponse({"seconds": seconds})


def helper_thread(request: HttpRequest) -> HttpResponse:
    """The same query in a thread of the view's own, which ends without closing its connection."""
    responses: list[HttpResponse] = []
    thread = threading.Thread(target=lambda: responses.append(slow_query(request)))
    thread.start()
    thread.join()
    if not responses:
        raise RuntimeError("the thread has failed; the log says above why")
    return responses[0]


def no_database(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Answer without the database: what the server mode costs by itself."""
    return JsonResponse({"answer": 42})
