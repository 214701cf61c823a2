"""The settings of a project under test: its own, with the lab's over them."""

import importlib
import sys

from loadlab.overlay.configuration import Overlay
from loadlab.overlay.layers import overlaid

_overlay = Overlay.from_environment()
if not _overlay.psycopg3:
    # Django takes psycopg 3 whenever it can import it, and no setting says otherwise.
    sys.modules["psycopg"] = None  # type: ignore[assignment]
_own = importlib.import_module(_overlay.settings)
globals().update(overlaid({name: getattr(_own, name) for name in dir(_own) if name.isupper()}, _overlay))
