"""A run goes on after what befalls its database: the trial is invalid, the connection made anew."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import psycopg2

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.observer import cut_off
from loadlab.lab.record import TrialMeta, interrupted
from loadlab.lab.sampler import brief
from loadlab.lab.validity import Disturbance
from loadlab.model.causes import Cause
from loadlab.services.pgbouncer import PoolerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case

    from loadlab.lab.lab import Lab
    from loadlab.lab.target import Target
    from loadlab.model.case import Case
    from loadlab.model.samples import Trial
    from loadlab.model.schedule import Step

PATIENCE_SECONDS: Final = 180.0  # beyond the load itself: to boot, to be at rest, and to read what was counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Survival:
    """Measures trials one after another, also when the database or the pooler fails in between."""

    lab: Lab
    target: Target
    measure: Callable[[Case, Step, tuple[Case, Step] | None], Trial]

    def trial(self, case: Case, step: Step, following: tuple[Case, Step] | None = None) -> Trial:
        """One trial; an invalid one, with the reason, if the database or the pooler went away.

        The target is prepared for the `following` one.

        Raises:
            EnvironmentFaultError: something else is missing.
            IncompleteError: the database was away before the trial began, and stays so.
        """
        try:
            self.target.restore()
        except psycopg2.Error:  # it went away at that very moment
            self.target.restore()
        started, load_average = datetime.now(UTC).isoformat(timespec="seconds"), os.getloadavg()[0]
        begun = time.monotonic()
        try:
            return self._bounded(case, step, following)
        except (psycopg2.Error, EnvironmentFaultError) as error:
            if not self._befell(error):
                raise
            self.lab.generator.abandon()
            meta = TrialMeta(
                started=started, overhead_seconds={"lost": time.monotonic() - begun}, load_average=load_average
            )
            return interrupted(case, step, self.lab.plan, _lost(error), meta)

    def _bounded(self, case: Case, step: Step, following: tuple[Case, Step] | None) -> Trial:
        if self.target.cursor is None:
            return self.measure(case, step, following)
        with cut_off(self._connection, self.lab.plan.window.end + PATIENCE_SECONDS):
            return self.measure(case, step, following)

    def _connection(self) -> Connection:
        """The lab's own, as it is now."""
        return self.lab.cursor.connection

    def _befell(self, error: Exception) -> bool:
        """Whether it was the database or the pooler that went away; a server may have failed because of it."""
        return isinstance(error, (PoolerGoneError, psycopg2.OperationalError, psycopg2.InterfaceError)) or (
            not self.target.alive()
        )


def _lost(error: Exception) -> Disturbance:
    cause, who = (
        (Cause.POOLER_LOST, "PgBouncer")
        if isinstance(error, PoolerGoneError)
        else (Cause.DATABASE_LOST, "PostgreSQL, or the connection that observes it,")
    )
    return Disturbance(cause, f"{who} went away during the trial: {brief(error)}")
