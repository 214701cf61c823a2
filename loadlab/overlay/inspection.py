"""Says what a project is like, in the project's own Python: its databases, its routes, what is installed there.

Opens no database connection and writes nothing but the file that it was told.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.utils import DEFAULT_DB_ALIAS
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from loadlab.overlay.configuration import Overlay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What libpq takes; Django's own parameters to the driver are none of these.
LIBPQ: Final = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "channel_binding", "gssencmode"),
    *("connect_timeout", "target_session_attrs"),
)
DISTRIBUTIONS: Final = (
    *("django", "gunicorn", "gevent", "packaging", "uvicorn", "psycogreen", "asgiref"),
    *("psycopg2", "psycopg2-binary", "psycopg", "psycopg-pool", "django-db-geventpool"),
)


def facts() -> dict[str, Any]:
    """All that the lab wants to know, as `loadlab.runner.project` reads it."""
    own = sys.modules[Overlay.from_environment().settings]
    return {
        "python": platform.python_version(),
        "installed": _installed(),
        "wsgi": getattr(own, "WSGI_APPLICATION", None) or "",
        "asgi": getattr(own, "ASGI_APPLICATION", None) or "",
        "apps": list(getattr(own, "INSTALLED_APPS", ())),
        "debug": settings.DEBUG,
        "ssl_redirect": settings.SECURE_SSL_REDIRECT,
        "aliases": {alias: _alias(alias) for alias in connections},
        "routes": sorted({*_routes(get_resolver().url_patterns, "/"), *_home()}),
    }


def _installed() -> dict[str, str]:
    versions = {}
    for name in DISTRIBUTIONS:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    versions["django"] = django.get_version()
    return versions


def _alias(alias: str) -> dict[str, Any]:
    """One entry of DATABASES; `parameters` is what libpq needs to get in, password included."""
    wrapper = connections[alias]
    entry = wrapper.settings_dict
    known = {
        "engine": entry["ENGINE"],
        "vendor": wrapper.vendor,
        "pool": bool(entry["OPTIONS"].get("pool")),
        "atomic_requests": entry["ATOMIC_REQUESTS"],
        "driver": "",
        "parameters": {},
    }
    if wrapper.vendor == "postgresql":
        from django.db.backends.postgresql.psycopg_any import is_psycopg3  # noqa: PLC0415  needs a driver

        known["driver"] = "psycopg" if is_psycopg3 else "psycopg2"
        parameters = wrapper.get_connection_params()
        known["parameters"] = {key: str(parameters[key]) for key in LIBPQ if parameters.get(key) not in (None, "")}
    return known


def _routes(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    """The paths that take no arguments, of views that do not refuse GET."""
    for pattern in patterns:
        with suppress(ImproperlyConfigured):
            path = _plain(pattern, prefix)
            if path is None:
                continue
            if isinstance(pattern, URLResolver):
                yield from _routes(pattern.url_patterns, path)
            elif _answers_get(pattern.callback):
                yield path


def _home() -> Iterator[str]:
    """The site's front page, which a catch-all pattern may serve (a CMS has no other way to its pages)."""
    with suppress(Resolver404, ImproperlyConfigured):
        if _answers_get(resolve("/").func):
            yield "/"


def _plain(pattern: URLPattern | URLResolver, prefix: str) -> str | None:
    """The path of a pattern that is a plain text; None for those with arguments in them."""
    text = str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
    text = text.replace(r"\.", ".").replace(r"\-", "-").replace(r"\/", "/")
    return None if any(sign in text for sign in "<>()[]\\*+?|{}^$") else prefix + text


def _answers_get(view: Any) -> bool:  # noqa: ANN401  any callable
    kind = getattr(view, "view_class", None)
    return kind is None or any(hasattr(kind, method) for method in ("get", "template_name"))


def _require_urls() -> None:
    """A package of several settings modules is itself a module that loads, with nothing in it."""
    if not getattr(settings, "ROOT_URLCONF", None):
        name = Overlay.from_environment().settings
        raise ImproperlyConfigured(f"{name} has no ROOT_URLCONF: it loads, and is not the settings of a project")


def main(path: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loadlab.overlay.settings")
    django.setup()
    _require_urls()
    if DEFAULT_DB_ALIAS not in connections:
        raise ImproperlyConfigured("DATABASES has no entry 'default'")
    Path(path).write_text(json.dumps(facts()))


if __name__ == "__main__":
    main(sys.argv[1])
