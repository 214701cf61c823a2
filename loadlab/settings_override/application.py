"""Loads a project's WSGI or ASGI application whole, before the first request."""

from __future__ import annotations

import logging
from typing import Any, Final

import django
from django.urls import get_resolver
from django.utils.module_loading import import_string

from loadlab.settings_override.configuration import SettingsOverride
from loadlab.settings_override.first_error import say_first_error

OVERRIDE: Final = SettingsOverride.from_environment()


def loaded(own: str, otherwise: str) -> Any:  # noqa: ANN401  a WSGI or an ASGI application
    """The application that `own` names as "module:attribute", or the result of Django's function `otherwise`."""
    # First: a project's module may point DJANGO_SETTINGS_MODULE elsewhere, which has no effect any more.
    django.setup()
    # URLs are imported at the first request otherwise, of every worker, while it is measured.
    _ = get_resolver().url_patterns
    application = import_string(own.replace(":", ".")) if own else import_string(otherwise)()
    # Now, for it may have set up logging once more. runserver logs each request, which no other mode does: that would
    # be measured too.
    logging.getLogger("django.server").setLevel(logging.ERROR)
    say_first_error()
    return application
