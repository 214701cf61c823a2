"""What connections do under one server mode and strategy: counted, with no clock in it."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.model.case import Choice


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """One experiment: `clients` send `requests` altogether, a fixed number each, then the server is provoked.

    Of the load: `opened`, `reused`, the `peak` of open connections, `left_open` when all is answered, and
    `left_after_collection` when each process has collected its garbage; with a pooler in between, all of these are the
    target's connections to it, and `backends` its most to PostgreSQL. Of a second load of `flood` requests without
    garbage collection, with `free` slots left in PostgreSQL: `flood_failed` requests, with the words of `flood_error`.
    `abandoned` are the sessions that PostgreSQL saw end without a word when the server was asked to stop, of
    `open_at_stop`. Of a first round of requests after a restart of the database, as many as had connections open:
    `failed_after_restart` without and `failed_after_restart_checked` with health checks; `failed_later` of the round
    after it, without. What was not tried is None.
    """

    server: Choice
    strategy: Choice
    keep_alive: bool
    clients: int
    requests: int
    opened: int
    reused: int
    peak: int
    left_open: int
    left_after_collection: int
    backends: int
    flood: int
    free: int
    flood_failed: int
    flood_error: str
    open_at_stop: int
    abandoned: int
    warm: int
    failed_after_restart: int
    failed_later: int
    failed_after_restart_checked: int | None
