"""Says what a project is like, in the project's own Python: its databases, its routes, what is installed there.

Opens no database connection, unless it is told that the project cannot start without one. Writes nothing but the file
that it was told: a line for the facts, and, once the applications have been loaded, one for what keeps them from it.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import os
import platform
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import django
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DEFAULT_DB_ALIAS, OperationalError, ProgrammingError

from loadlab.instrumentation.driver_options import libpq, unknown_options
from loadlab.settings_override.configuration import LIBPQ, NEEDS_DATABASE, UNKNOWN_HOST, SettingsOverride
from loadlab.settings_override.merge import app_name
from loadlab.settings_override.routes import routes

if TYPE_CHECKING:
    from collections.abc import Sequence


def facts(packages: Sequence[str]) -> dict[str, Any]:
    """All that the lab wants to know, as `loadlab.lab.inspection` reads it; the versions are of these distributions."""
    own = sys.modules[SettingsOverride.from_environment().settings]
    return {
        "python": platform.python_version(),
        "gc_threshold": ", ".join(map(str, gc.get_threshold())),
        "installed": _installed(packages),
        "wsgi": getattr(own, "WSGI_APPLICATION", None) or "",
        "asgi": getattr(own, "ASGI_APPLICATION", None) or "",
        "apps": [app_name(app) for app in getattr(own, "INSTALLED_APPS", ())],
        "debug": bool(settings.DEBUG),
        "ssl_redirect": bool(settings.SECURE_SSL_REDIRECT),
        "aliases": {alias: _alias(alias) for alias in connections},
        "routes": routes(),
        "code_folders": _code_folders(),
    }


def _code_folders() -> list[str]:
    """Where modules came from that are neither Python's nor installed; asked once the routes have been loaded."""
    installed = [Path(one).resolve() for one in (sys.prefix, sys.base_prefix)]
    files = [Path(file).resolve() for one in list(sys.modules.values()) if (file := getattr(one, "__file__", None))]
    return sorted({str(file.parent) for file in files if not any(map(file.is_relative_to, installed))})


def _installed(packages: Sequence[str]) -> dict[str, str]:
    versions = {}
    for name in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    versions["django"] = django.get_version()
    return versions


def _alias(alias: str) -> dict[str, Any]:
    """One entry of DATABASES; `parameters` is what libpq needs to get in, password included."""
    wrapper = connections[alias]
    entry = wrapper.settings_dict
    known: dict[str, Any] = {
        "engine": entry["ENGINE"],
        "vendor": wrapper.vendor,
        "pool": bool((entry.get("OPTIONS") or {}).get("pool")),
        "atomic_requests": bool(entry.get("ATOMIC_REQUESTS")),
        "driver": "",
        "libpq": "",
        "unknown_options": [],
        "parameters": {},
        "mirror": (entry.get("TEST") or {}).get("MIRROR") or "",
        "models": sum(router.allow_migrate_model(alias, model) for model in apps.get_models(include_auto_created=True)),
    }
    if wrapper.vendor != "postgresql":
        return {**known, **_elsewhere(wrapper)}
    from django.db.backends.postgresql.psycopg_any import is_psycopg3  # noqa: PLC0415  needs a driver

    known["driver"] = "psycopg" if is_psycopg3 else "psycopg2"
    parameters = wrapper.get_connection_params()
    known |= {"libpq": libpq(wrapper), "unknown_options": unknown_options(wrapper, parameters)}
    known["parameters"] = {key: str(parameters[key]) for key in LIBPQ if parameters.get(key) not in (None, "")}
    return known


def _elsewhere(wrapper: BaseDatabaseWrapper) -> dict[str, str]:
    """Where a database is that is not PostgreSQL."""
    entry = wrapper.settings_dict
    name, host, port = (str(entry.get(key) or "") for key in ("NAME", "HOST", "PORT"))
    if wrapper.vendor == "sqlite":
        is_file = name and name != ":memory:" and not name.startswith("file:")
        return {"name": str(Path(name).resolve()) if is_file else name}
    options = entry.get("OPTIONS") or {}
    host = host or str(options.get("host") or "")
    # Files of the driver's own may name a host, and so may what Oracle calls the name.
    if not host and (wrapper.vendor != "mysql" or any(key.startswith("read_default") for key in options)):
        host = UNKNOWN_HOST
    return {"name": name, "host": "" if wrapper.vendor == "unknown" else host, "port": port}


class NoDatabaseError(OperationalError, ProgrammingError):
    """Raised in place of connecting: what a project expects of a database that is away, or has no tables yet."""


def refuse_to_connect() -> list[str]:
    """From now on; returns the aliases that were asked for a connection all the same."""
    asked: list[str] = []

    def refuse(wrapper: BaseDatabaseWrapper) -> None:
        asked.append(wrapper.alias)
        raise NoDatabaseError("loadlab looks into the project without its databases")

    BaseDatabaseWrapper.connect = refuse  # type: ignore[assignment,method-assign]
    return asked


def load_errors(kinds: Sequence[str]) -> dict[str, str]:
    """Load the applications of these kinds, "wsgi" or "asgi", as servers do; the tracebacks of those that fail.

    One that needs a database as it loads cannot be judged before there is one.
    """
    errors = {}
    for kind in kinds:
        asked = refuse_to_connect()
        try:
            _load(kind)
        except BaseException:  # noqa: BLE001  a module may well call sys.exit
            if not asked:
                errors[kind] = traceback.format_exc()
    return errors


def _load(kind: str) -> None:
    from loadlab.settings_override.application import loaded  # noqa: PLC0415  only now can it be loaded

    override = SettingsOverride.from_environment()
    own = sys.modules[override.settings]
    name = getattr(override, kind) or getattr(own, f"{kind.upper()}_APPLICATION", None) or ""
    loaded(name, f"django.core.{kind}.get_{kind}_application")


def _require_urls() -> None:
    """A package of several settings modules is itself a module that loads, with nothing in it."""
    if not getattr(settings, "ROOT_URLCONF", None):
        name = SettingsOverride.from_environment().settings
        raise ImproperlyConfigured(f"{name} has no ROOT_URLCONF: it loads, and is not the settings of a project")


def look(path: str, packages: Sequence[str], kinds: Sequence[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loadlab.settings_override.settings")
    django.setup()
    _require_urls()
    if DEFAULT_DB_ALIAS not in connections:
        raise ImproperlyConfigured("DATABASES has no entry 'default'")
    with Path(path).open("w", encoding="utf-8") as answer:
        print(json.dumps(facts(packages)), file=answer, flush=True)
        print(json.dumps(load_errors(kinds)), file=answer, flush=True)


def main(path: str, connecting: str, packages: str, *kinds: str) -> NoReturn:
    """Look, and end with NEEDS_DATABASE where a project cannot start without `connecting`."""
    asked = refuse_to_connect() if connecting == "off" else []
    code = 0
    try:
        look(path, packages.split(","), kinds)
    except BaseException:  # noqa: BLE001  settings may well call sys.exit
        traceback.print_exc()
        code = NEEDS_DATABASE if asked else 1
    sys.stderr.flush()
    os._exit(code)  # threads that the project has started would go on


if __name__ == "__main__":
    main(*sys.argv[1:])
