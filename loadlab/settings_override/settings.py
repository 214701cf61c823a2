"""The settings of a project under test: its own, with the lab's over them."""

import importlib
import os
import sys

from loadlab.settings_override.configuration import Overlay
from loadlab.settings_override.held import hold
from loadlab.settings_override.layers import overlaid

_VARIABLE = "DJANGO_SETTINGS_MODULE"
_overlay = Overlay.from_environment()
if not _overlay.psycopg3:
    # Django takes psycopg 3 whenever it can import it, and no setting says otherwise.
    sys.modules["psycopg"] = None  # type: ignore[assignment]
_ours = os.environ[_VARIABLE]
# As without the lab while they load: they may read it, or ask django.conf.settings for what they have said so far.
os.environ[_VARIABLE] = _overlay.settings
try:
    _own = importlib.import_module(_overlay.settings)
finally:
    os.environ[_VARIABLE] = _ours
globals().update(overlaid({name: getattr(_own, name) for name in dir(_own) if name.isupper()}, _overlay))
if _overlay.held:
    hold(_overlay, globals()["DATABASES"])
# What django.conf.settings.SETTINGS_MODULE says.
SETTINGS_MODULE = _overlay.settings
