"""gunicorn configuration that makes psycopg2 cooperate with gevent."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker


def post_worker_init(worker: Worker) -> None:  # noqa: ARG001  gunicorn's signature
    """Runs in each worker after monkey-patching and before its first request."""
    if find_spec("psycopg2") is None:
        return  # psycopg 3 cooperates by itself
    from psycogreen.gevent import patch_psycopg  # noqa: PLC0415  imports gevent, which only this worker may

    patch_psycopg()
