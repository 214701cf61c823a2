"""The URLs that are counted, and /metrics where there are any."""

import gc

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.urls import path

from loadlab.sample_app import views


def collect(_: HttpRequest) -> HttpResponse:
    """Search for garbage, which writes into all objects: from now on a worker shares none of them with its master."""
    gc.collect()
    return HttpResponse()


urlpatterns = [
    path("collect/", collect),
    path("entries/<int:number>/", views.read_one),
    path("health/", views.health),
]
if apps.is_installed("loadlab.instrumentation"):
    from loadlab.instrumentation.views import metrics

    urlpatterns.append(path("metrics", metrics))
if apps.is_installed("django_prometheus"):
    from django_prometheus.exports import ExportToDjangoView

    urlpatterns.append(path("metrics", ExportToDjangoView))
