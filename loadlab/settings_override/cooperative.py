"""Makes psycopg2 cooperate with gevent, where a server mode asks for it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final

VARIABLE: Final = "LOADLAB_COOPERATIVE"


def cooperate() -> None:
    """Call it in each worker after monkey-patching and before its first request."""
    if os.environ.get(VARIABLE) != "on" or find_spec("psycopg2") is None:
        return  # psycopg 3 cooperates by itself
    from psycogreen.gevent import patch_psycopg  # noqa: PLC0415  imports gevent, which only this worker may

    patch_psycopg()
