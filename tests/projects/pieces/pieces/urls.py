"""Views that are all a request needs to fool a rule on leaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import close_old_connections, connection, connections
from django.http import HttpResponse
from django.urls import path

from loadlab.sample_app.models import Entry

if TYPE_CHECKING:
    from django.http import HttpRequest


def old_ones_closed(request: HttpRequest) -> HttpResponse:
    """A loop over pieces of work, each of which begins as a request would."""
    for number in range(1, 4):
        Entry.objects.filter(pk=number).first()
        close_old_connections()
    Entry.objects.filter(pk=4).first()
    return HttpResponse("done")


def own_one_closed(request: HttpRequest) -> HttpResponse:
    """A view that lets go of its connection while it waits for something else."""
    Entry.objects.filter(pk=1).first()
    connection.close()
    Entry.objects.filter(pk=2).first()
    return HttpResponse("done")


def all_aliases(request: HttpRequest) -> HttpResponse:
    """As with a primary and its replicas."""
    for alias in connections:
        Entry.objects.using(alias).filter(pk=1).first()
    return HttpResponse("done")


urlpatterns = [
    path("old-ones-closed/", old_ones_closed),
    path("own-one-closed/", own_one_closed),
    path("all-aliases/", all_aliases),
]
