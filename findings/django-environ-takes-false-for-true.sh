#!/usr/bin/env bash
# django-environ's env.db(), and a DATABASE_URL that sets an option of Django to false.
#
# Expected: `?atomic_requests=false` in DATABASE_URL turns ATOMIC_REQUESTS off, as env.bool() reads "false", "off", "no" and "0".
# Seen: it turns it on. The setting is the string "false", and Django asks whether it is true. CONN_HEALTH_CHECKS and
#   DISABLE_SERVER_SIDE_CURSORS are read by the same code. "False" and "0" are read as meant.
# Why: _cast() reads the value as a literal of Python, and hands on the text where it is none.
# Who meets it: who writes booleans in lower case, as in YAML, TOML and other variables of django-environ. Each request has a transaction,
#   or each kept connection a health check, that the settings seem to rule out.
# Versions: django-environ 0.14.0, Django 5.2.19, CPython 3.11.7.
# Output seen: "atomic_requests=False: in a transaction False; atomic_requests=false: in a transaction True; env.bool of false: False".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check django-environ==0.14.0 django==5.2.19
cat > site_settings.py <<'PY'
import environ

env = environ.Env()
ROOT_URLCONF = "site_urls"
ALLOWED_HOSTS = ["testserver"]
DATABASES = {"default": env.db()}
WORD = env.bool("WORD")
PY
cat > site_urls.py <<'PY'
from django.db import connection
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse(str(connection.in_atomic_block)))]
PY
cat > ask.py <<'PY'
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
from django.conf import settings
from django.test import Client

django.setup()
print(Client().get("/").content.decode(), settings.WORD)
PY
said() { WORD=$1 DATABASE_URL="sqlite:///shop.sqlite3?atomic_requests=$1" venv/bin/python ask.py; }
upper=$(said False)
lower=$(said false)
echo "atomic_requests=False: in a transaction ${upper% *}; atomic_requests=false: in a transaction ${lower% *}; env.bool of false: ${lower#* }"
[ "$upper / $lower" = "False False / True False" ]
