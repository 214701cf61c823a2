"""The URLs that are counted, and /metrics where there are any."""

from django.apps import apps
from django.urls import path

from loadlab.sample_app import views

urlpatterns = [
    path("entries/<int:number>/", views.read_one),
    path("health/", views.health),
]
if apps.is_installed("loadlab.instrumentation"):
    from loadlab.instrumentation.views import metrics

    urlpatterns.append(path("metrics", metrics))
if apps.is_installed("django_prometheus"):
    from django_prometheus.exports import ExportToDjangoView

    urlpatterns.append(path("metrics", ExportToDjangoView))
