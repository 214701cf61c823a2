"""Lays the lab's settings over a project's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.overlay.configuration import Overlay

INSTRUMENTATION: Final = "loadlab.instrumentation"
ANY_HOST: Final = "*"
LOOPBACK: Final = ("127.0.0.1", "localhost")


def overlaid(settings: Mapping[str, Any], overlay: Overlay) -> dict[str, Any]:
    """The settings of a project as its processes are to have them."""
    changed = {
        **settings,
        **overlay.values,
        "DATABASES": _databases(settings.get("DATABASES", {}), overlay),
        "INSTALLED_APPS": _apps(settings.get("INSTALLED_APPS", ()), overlay),
        "ALLOWED_HOSTS": _hosts(settings.get("ALLOWED_HOSTS", ())),
        "WSGI_APPLICATION": "loadlab.overlay.wsgi.application",  # runserver's way in
    }
    if settings.get("ASGI_APPLICATION"):
        changed["ASGI_APPLICATION"] = "loadlab.overlay.asgi.application"
    if overlay.middleware is not None:
        changed["MIDDLEWARE"] = list(overlay.middleware)
    return changed


def _databases(own: Mapping[str, Any], overlay: Overlay) -> dict[str, dict[str, Any]]:
    entries = {alias: dict(entry) for alias, entry in {**own, **overlay.databases}.items()}
    for alias in overlay.aliases:
        entry = entries[alias]
        options = {**(entry.get("OPTIONS") or {}), **overlay.database.get("OPTIONS", {})}  # type: ignore[dict-item]
        entries[alias] = {**entry, **overlay.database, "OPTIONS": options}
    return entries


def _apps(own: Any, overlay: Overlay) -> list[str]:  # noqa: ANN401  a list or a tuple
    ours = [INSTRUMENTATION] if overlay.instrumented else []
    theirs = [app for app in own if app != INSTRUMENTATION and not app.startswith(f"{INSTRUMENTATION}.")]
    # First, so that no query of another app's start is missed.
    return [*ours, *overlay.apps, *theirs]


def _hosts(own: Any) -> list[str]:  # noqa: ANN401  a list or a tuple
    return [*own] if ANY_HOST in own else [*own, *LOOPBACK]
