"""One query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def ask(wrapper: BaseDatabaseWrapper | None = None) -> None:
    with (wrapper or connection).cursor() as cursor:
        cursor.execute("SELECT 1")
