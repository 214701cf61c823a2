#!/usr/bin/env bash
# Celery with CELERY_DB_REUSE_MAX, and Django's CONN_HEALTH_CHECKS.
#
# Expected: CONN_HEALTH_CHECKS = True checks a kept connection before its first use in each task, as in each request.
# Seen: it is never checked. Celery keeps the connection by not closing it, and calls nothing of Django's that arms the
#   check (close_if_unusable_or_obsolete). After a restart of the database each task fails until the count is reached.
# Who meets it: who follows the advice to set CELERY_DB_REUSE_MAX, and relies on health checks.
# Versions: celery 5.7.0, Django 5.2.19; CPython 3.11.7.
# Output seen: "checks in 20 requests: 19, in 20 tasks: 0".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check celery==5.7.0 Django==5.2.19
cat > site_settings.py <<'PY'
SECRET_KEY = "x"
ROOT_URLCONF = "site_urls"
ALLOWED_HOSTS = ["testserver"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "site.sqlite3",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
}
CELERY_BROKER_URL = "memory://"
CELERY_RESULT_BACKEND = "cache+memory://"
CELERY_DB_REUSE_MAX = 100
PY
cat > site_urls.py <<'PY'
from django.db import connection
from django.http import HttpResponse
from django.urls import path


def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def view(request):
    query()
    return HttpResponse()


urlpatterns = [path("", view)]
PY
cat > count.py <<'PY'
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
from celery import Celery
from celery.contrib.testing.worker import start_worker

app = Celery("site")
app.config_from_object("django.conf:settings", namespace="CELERY")

import django

django.setup()
from django.core.handlers.wsgi import WSGIHandler
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test import RequestFactory
from site_urls import query

checks = 0


def counted(self):
    global checks
    checks += 1
    return True


DatabaseWrapper.is_usable = counted
task = app.task(query, name="query")
handler = WSGIHandler()
for _ in range(20):
    handler(RequestFactory().get("/").environ, lambda *_: None).close()
in_requests, checks = checks, 0
with start_worker(app, pool="solo", perform_ping_check=False):
    for _ in range(20):
        task.delay().get(timeout=60)
print(f"checks in 20 requests: {in_requests}, in 20 tasks: {checks}")
PY
output=$(venv/bin/python count.py | tail -1)
echo "$output"
[ "$output" = "checks in 20 requests: 19, in 20 tasks: 0" ]
