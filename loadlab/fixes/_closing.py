"""Closes a connection from a thread or greenlet that is not its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def close_from_outside(wrapper: BaseDatabaseWrapper) -> None:
    """Close the wrapper's connection, if it has one, on behalf of the thread that it belongs to."""
    wrapper.inc_thread_sharing()
    try:
        wrapper.close()
    finally:
        wrapper.dec_thread_sharing()


def close_or_log(wrapper: BaseDatabaseWrapper) -> None:
    """The same for one of many: a connection that does not close must not keep the others open."""
    try:
        close_from_outside(wrapper)
    except Exception:
        logging.getLogger("loadlab").exception("A connection of DATABASES[%r] did not close", wrapper.alias)
