"""Merges the override into a project's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadlab.settings_override.configuration import LIBPQ

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.apps import AppConfig

    from loadlab.settings_override.configuration import SettingsOverride

INSTRUMENTATION: Final = "loadlab.instrumentation"
ANY_HOST: Final = "*"
LOOPBACK: Final = ("127.0.0.1", "localhost")
THE_WAY: Final = ("NAME", "HOST", "PORT", "USER", "PASSWORD", "OPTIONS", "TEST")
OF_ANY_ENGINE: Final = ("ATOMIC_REQUESTS", "AUTOCOMMIT")
ROLE: Final = "assume_role"  # Django's own option: another server does not have it


def overridden_settings(settings: Mapping[str, Any], override: SettingsOverride) -> dict[str, Any]:
    """The project's settings with the override applied."""
    changed = {
        **settings,
        **override.values,
        "DATABASES": _databases(settings.get("DATABASES", {}), override),
        "INSTALLED_APPS": _apps(settings.get("INSTALLED_APPS", ()), override),
        "ALLOWED_HOSTS": _hosts(settings.get("ALLOWED_HOSTS", ())),
        "WSGI_APPLICATION": "loadlab.settings_override.wsgi.application",  # runserver's way in
    }
    if settings.get("ASGI_APPLICATION"):
        changed["ASGI_APPLICATION"] = "loadlab.settings_override.asgi.application"
    if override.middleware is not None:
        changed["MIDDLEWARE"] = list(override.middleware)
    return changed


def _databases(own: Mapping[str, Any], override: SettingsOverride) -> dict[str, dict[str, Any]]:
    entries = {alias: dict(entry) for alias, entry in own.items()}
    for alias, entry in override.databases.items():
        entries[alias] = _moved(entries.get(alias, {}), entry)
    for alias in override.aliases:
        entry = entries[alias]
        options = {**(entry.get("OPTIONS") or {}), **override.database.get("OPTIONS", {})}  # type: ignore[dict-item]
        entries[alias] = {**entry, **override.database, "OPTIONS": options}
    return entries


def _moved(own: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """The project's entry for another database: its address is replaced, and all else stays."""
    if own.get("ENGINE") != entry["ENGINE"]:  # what else it says is meant for another kind of database
        return {**{key: own[key] for key in OF_ANY_ENGINE if key in own}, **entry}
    ours = {key: value for key, value in own.items() if key not in THE_WAY}
    options = {key: value for key, value in (own.get("OPTIONS") or {}).items() if key not in (*LIBPQ, ROLE)}
    return {**ours, **entry, "OPTIONS": {**options, **entry.get("OPTIONS", {})}}


def _apps(own: Iterable[str | AppConfig], override: SettingsOverride) -> list[str | AppConfig]:
    ours = [INSTRUMENTATION] if override.instrumented else []
    theirs = [app for app in own if not f"{app_name(app)}.".startswith(f"{INSTRUMENTATION}.")]
    # First, so that no query of another app's start is missed.
    return [*ours, *override.apps, *theirs]


def app_name(app: str | AppConfig) -> str:
    """What an entry of INSTALLED_APPS names; it may be an AppConfig itself."""
    return app if isinstance(app, str) else str(app.name)


def _hosts(own: Any) -> list[str]:  # noqa: ANN401  a list or a tuple
    return [*own] if ANY_HOST in own else [*own, *LOOPBACK]
