"""The site's routes, one per scenario's need."""

from django.urls import path

from loadlab.instrumentation.views import metrics
from loadlab.sample_app import async_views, views

urlpatterns = [
    path("", views.index, name="index"),
    path("health/", views.health, name="health"),
    path("metrics", metrics, name="metrics"),
    path("entries/<int:number>/", views.read_one, name="read_one"),
    path("entries/<int:number>/visit/", views.read_write, name="read_write"),
    path("entries/<int:number>/twice/", views.multi_database, name="multi_database"),
    path("slow/", views.slow_query, name="slow_query"),
    path("helper-thread/", views.helper_thread, name="helper_thread"),
    path("no-database/", views.no_database, name="no_database"),
    path("stream/entries/<int:number>/", async_views.stream, name="stream"),
    path("async/entries/<int:number>/", async_views.read_one, name="async_read_one"),
    path("async/entries/<int:number>/gather/", async_views.gather, name="async_gather"),
    path("async/entries/<int:number>/stream/", async_views.async_stream, name="async_stream"),
    path("async/gather/", async_views.gather_in_threads, name="async_gather_in_threads"),
    path("async/connection/", async_views.own_connection, name="async_connection"),
    path("async/sensitive/", async_views.thread_sensitive, name="async_sensitive"),
    path("async/insensitive/", async_views.thread_insensitive, name="async_insensitive"),
    path("async/unsafe/", async_views.unsafe, name="async_unsafe"),
]
