"""The settings module of a target process: the project's settings with the override applied."""

import importlib
import os
import sys

from loadlab.settings_override.configuration import SettingsOverride
from loadlab.settings_override.merge import overridden_settings
from loadlab.settings_override.pinned_databases import pin_databases

_VARIABLE = "DJANGO_SETTINGS_MODULE"
_override = SettingsOverride.from_environment()
if not _override.psycopg3:
    # Django takes psycopg 3 whenever it can import it, and no setting says otherwise.
    sys.modules["psycopg"] = None  # type: ignore[assignment]
_ours = os.environ[_VARIABLE]
# As without the lab while they load: they may read it, or ask django.conf.settings for what they have said so far.
os.environ[_VARIABLE] = _override.settings
try:
    _own = importlib.import_module(_override.settings)
finally:
    os.environ[_VARIABLE] = _ours
globals().update(overridden_settings({name: getattr(_own, name) for name in dir(_own) if name.isupper()}, _override))
if _override.pinned:
    pin_databases(_override, globals()["DATABASES"])
# What django.conf.settings.SETTINGS_MODULE says.
SETTINGS_MODULE = _override.settings
