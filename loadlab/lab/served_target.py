"""A target that the lab serves: fresh processes for each trial, and connections counted at both ends."""

from __future__ import annotations

import shutil
from collections import deque
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadlab.faults import FAULTS
from loadlab.faults.added_latency import AddedLatency
from loadlab.instrumentation.uses_file import VARIABLE
from loadlab.lab.ahead import Ahead
from loadlab.lab.application import Extras
from loadlab.lab.disturbed import Disturbed
from loadlab.lab.faulting import acting
from loadlab.lab.happening import fault_of
from loadlab.lab.running_site import SETTLE_SECONDS, RunningSite
from loadlab.lab.served_site import boot_site
from loadlab.lab.session_count import sessions_by_log
from loadlab.lab.target import Sample
from loadlab.model.counts import ConnectionCounts
from loadlab.plan.faults import planned_faults
from loadlab.plan.members import build_server, faults_of
from loadlab.probes import ProbeContext
from loadlab.probes.sessions import Sessions
from loadlab.services.idle_connections import idle_connections
from loadlab.store.layout import trial_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.faults import Fault
    from loadlab.lab.lab import Lab
    from loadlab.lab.served_site import BootingSite
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.schedule import Step

KEPT_LEDGERS: Final = 4  # the last trial's and those of three before it: who reads metrics may come late


def proxied(case: Case, plan: Plan) -> list[Fault]:
    """The latency that a case adds throughout its trials: 0 where a fault of the plan needs the proxy for it.

    All cases of such a plan go through a proxy, so that they differ by their faults alone.
    """
    faults = [*planned_faults(plan), *([case.fault] if case.fault else [])]
    needed = any(FAULTS[fault.name].through_proxy for fault in faults)
    return [AddedLatency(round_trip_ms=case.round_trip_ms)] if case.round_trip_ms or needed else []


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedTarget:
    """The lab's own project, or the user's, in the server mode and under the strategy of each case."""

    lab: Lab
    _ahead: Ahead = field(default_factory=Ahead)
    _kept: deque[Path] = field(default_factory=deque)

    @property
    def cursor(self) -> Cursor:
        return self.lab.cursor

    def close(self) -> None:
        """End what was prepared for a trial that does not come."""
        self._ahead.close()

    def ledgers(self, step: Step) -> Path:
        return self.lab.scratch / f"ledgers-{step.order:04d}"

    def alive(self) -> bool:
        return self.lab.observing.alive()

    def restore(self) -> None:
        """Have a database that answers, and in which nothing of an earlier trial is left.

        Raises:
            IncompleteError: it stays away.
        """
        observer = self.lab.observing
        if not observer.alive():
            observer.restore()
        every = [self.lab, *map(self.lab.at, self.lab.others)]
        staying = [left for lab in every if (left := lab.judge.await_empty(SETTLE_SECONDS))]
        if staying and self.lab.database.embedded:  # a backend that was stopped never leaves
            observer.restore(anew=True)

    def prepare(self, case: Case, step: Step) -> None:
        """Boot the sample app for a later trial, if no session of that can be counted in the present one.

        A project may connect as it boots, and so does runserver, which looks for migrations. A fault may act until the
        end. PgBouncer opens nothing in the target's database before a client asks.
        """
        # No side of a run may have it easier than the other.
        quiet = build_server(case.server).quiet_boot and not self.lab.project.info and not self.lab.others
        if quiet and not faults_of(self.lab.plan) and not proxied(case, self.lab.plan) and case.fault is None:
            self._ahead.begin(step, self._boot(case, step))

    @contextmanager
    def serve(self, case: Case, step: Step) -> Iterator[RunningSite]:
        lab, ledgers = self.lab.at(case.side), self.ledgers(step)
        context = ProbeContext(
            cursor=lab.cursor,
            database=lab.database.name,
            ledgers=ledgers,
            trees={},
            aliases=lab.project.counted,
        )
        lab.judge.await_empty(SETTLE_SECONDS)
        before = Sample(counts=ConnectionCounts(), values=Sessions().read(context))
        by_log = sessions_by_log(lab) if case.fault else nullcontext()
        beside = idle_connections(lab.database, case.idle_percent)
        with beside, by_log as sessions, ExitStack() as resources:
            booting = self._ahead.handed_over(step, resources) or resources.enter_context(self._boot(case, step))
            yield RunningSite(lab, booting.ready(), context, before, resources, Disturbed(case.fault, sessions))
        self._retire(ledgers)

    @contextmanager
    def _boot(self, case: Case, step: Step) -> Iterator[BootingSite]:
        lab, ledgers = self.lab.at(case.side), self.ledgers(step)
        shutil.rmtree(ledgers, ignore_errors=True)  # of an earlier attempt
        with boot_site(
            lab,
            case.server,
            case.strategy,
            project=lab.project,
            ledgers=ledgers,
            log=lab.logs / trial_log(step.order, case.server.name),
            faults=[*proxied(case, lab.plan), *acting(lab.plan, "throughout"), *planned(case)],
            extras=Extras(environment={VARIABLE: ",".join(lab.project.counted)}),
        ) as site:
            yield site

    def _retire(self, ledgers: Path) -> None:
        """Let go of a trial's ledgers, in a while."""
        self._kept.append(ledgers)
        if len(self._kept) > KEPT_LEDGERS:
            shutil.rmtree(self._kept.popleft(), ignore_errors=True)


def planned(case: Case) -> list[Fault]:
    """The fault of a case, for which something may have to be prepared."""
    return [fault_of(case.fault)] if case.fault else []
