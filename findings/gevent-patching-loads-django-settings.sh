#!/usr/bin/env bash
# gevent.monkey.patch_all() where django.conf has been imported and settings have not been used yet.
#
# Expected: patching replaces modules of the standard library and runs no code of the application.
# Seen: patch_all() loads the project's settings module, in the middle of patching: `threading` is patched by then and
#   `socket` is not, so what settings import from `socket` stays unpatched for good. Where no settings module is named,
#   patch_all() raises ImproperlyConfigured and leaves the process half patched.
# Why: to exchange locks that exist already, gevent asks isinstance() of every object that the garbage collector knows.
#   django.conf.settings is a lazy object whose __class__ is a property, and reading it loads the settings.
# Who meets it: a gunicorn configuration that imports django.conf for a setting and is served by gevent workers; a script
#   that imports Django before Locust.
# Versions: Django 5.2.19; gevent 23.9.1, 24.11.1, 25.9.1 and 26.9.0; CPython 3.11.7, 3.12.1 and 3.13.0, all alike.
# Output seen: for each gevent "named: loaded while patching, threading True, socket False; unnamed: ImproperlyConfigured,
#   threading True, socket False".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
cat > project_settings.py <<'PY'
from gevent import monkey

PATCHED = {name: monkey.is_module_patched(name) for name in ("threading", "socket")}
SECRET_KEY = "x"
PY
cat > patch.py <<'PY'
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from gevent import monkey

assert not settings.configured
try:
    monkey.patch_all()
except ImproperlyConfigured:
    patched = {name: monkey.is_module_patched(name) for name in ("threading", "socket")}
    print("ImproperlyConfigured", patched["threading"], patched["socket"])
else:
    loaded = settings.configured
    print("loaded while patching" if loaded else "not loaded", settings.PATCHED["threading"], settings.PATCHED["socket"])
PY
for version in 23.9.1 24.11.1 25.9.1 26.9.0; do
  venv/bin/pip install --quiet --disable-pip-version-check django==5.2.19 "gevent==$version"
  named=$(DJANGO_SETTINGS_MODULE=project_settings venv/bin/python patch.py)
  unnamed=$(env -u DJANGO_SETTINGS_MODULE venv/bin/python patch.py)
  echo "gevent $version: named: $named; unnamed: $unnamed"
  [ "$named" = "loaded while patching True False" ]
  [ "$unnamed" = "ImproperlyConfigured True False" ]
done
