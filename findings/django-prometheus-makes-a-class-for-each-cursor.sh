#!/usr/bin/env bash
# django-prometheus's database backends.
#
# Expected: a class of cursors is made once for each alias.
# Seen: each cursor gets a Python class made for it (ExportingCursorWrapper in db/common.py). A class is a cycle, so it
#   stays until the garbage collector comes, and the collector comes more often.
# Who meets it: who takes an ENGINE of django_prometheus.db.backends.
# Versions: django-prometheus 2.5.0, Django 5.2.19, prometheus-client 0.26.0; CPython 3.11.7.
# Output seen: "classes after 1000 queries: 1000".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    django-prometheus==2.5.0 Django==5.2.19 prometheus-client==0.26.0
cat > count.py <<'PY'
import gc

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django_prometheus.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django_prometheus"],
)
django.setup()
from django.db import connection


def classes():
    return sum(isinstance(one, type) and one.__module__ == "django_prometheus.db.common" for one in gc.get_objects())


def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


query()
gc.collect()
gc.disable()
before = classes()
for _ in range(1000):
    query()
print(f"classes after 1000 queries: {classes() - before}")
PY
output=$(venv/bin/python count.py)
echo "$output"
[ "$output" = "classes after 1000 queries: 1000" ]
