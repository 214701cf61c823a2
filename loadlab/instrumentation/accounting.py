"""What a wrapper writes down of its connections, in whichever way it opens, uses and closes them."""

from __future__ import annotations

import _thread
import sys
import weakref
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation import current, layout
from loadlab.instrumentation.driver_connections import backend_of, count_openings, has_socket, row_of, watch
from loadlab.instrumentation.holders import opening_unit, place, presence, thread, unit
from loadlab.instrumentation.layout import ANSWERED
from loadlab.instrumentation.loading import loading
from loadlab.instrumentation.work import ENDED, RUNNING, pair_of, present
from loadlab.model.metrics import ROOT, CloseReason

if TYPE_CHECKING:
    from types import FrameType

    from loadlab.instrumentation.row import Row
    from loadlab.instrumentation.work import Work

NOTHING: Final = object()
_OUTSIDE: Final = pair_of(None)
_END_OF_WORK: Final = "close_if_unusable_or_obsolete"  # of Django's wrappers, which it calls twice in each request
_FRAMES: Final = 12  # from where a wrapper closes its connection, there are four


class Accounting:
    """One wrapper's part of the ledger.

    The wrapper holds its row, and so does the finaliser of the driver's connection: the first to learn that
    the connection is gone writes it down. Where a pool is between the two, getting a connection opens none and
    closing it closes none: the row stays with the driver's connection.
    """

    alias: str
    vendor: str
    settings_dict: dict[str, Any]
    autocommit: bool
    connection: Any

    _row: Row | None = None
    _counted_for: object = NOTHING  # the unit, or the work outside of units, that was counted last on its row
    _using: Row | None = None  # of the unit that was counted last, until that has ended
    _inherited: Row | None = None  # in a forked child: its own row for a connection of its parent's
    _finalizer: weakref.finalize[Any, Any] | None = None
    _reason: CloseReason | None = None  # to close it, where that is known before
    _apart = False  # made outside of the handler, as connection.copy() makes one: only its maker can close it
    _parents_alone = False  # what is closed is this process's copy of the parent's connection, which stays open
    _connecting = False
    _attempting = False
    opened_while_loading = False  # a server may load the project before it forks, and the workers would share it

    def _attempt(self) -> Row:
        """A row for what comes: an opening, as far as one can tell, unless Django has a pool of psycopg's."""
        pool = getattr(self, "pool", None)
        if not hasattr(pool, "connection_class"):
            return current.ledger().connecting(self.alias)
        count_openings(pool, self.alias)
        return current.ledger().waiting(self.alias)

    def _write_down_opening(self, connection: object, attempt: Row) -> None:
        self.opened_while_loading = loading()
        self._counted_for = NOTHING
        self._row = row_of(connection)
        if self._row is None:
            self._row = attempt
            attempt.opened()
            self._finalizer = watch(connection, self, attempt)
        else:
            self._row.taken()
            attempt.lent()
        self._write_down_holder(connection, self._row)

    def _write_down_holder(self, connection: object, row: Row) -> None:
        by = opening_unit(row.ledger, present(), row, loading=self.opened_while_loading)
        where = place(present()) + (self._apart and layout.APART)
        row.held(backend_of(connection), thread(row.ledger), by, where)
        # What another thread has lent, or the project has made, may well be found when this thread has ended.
        if not self._apart and getattr(self, "_thread_ident", None) == _thread.get_ident():
            row.joins(presence().rows)

    def _count_use(self) -> None:
        """Note that the present unit uses the connection; Django's own questions on connecting are no unit's doing."""
        work = present()
        if work is not self._counted_for and not self._connecting:
            self._count(work)
        elif work is None and self._row is not None:  # no unit's begin and end will say when it was used
            (self._inherited or self._row).asked()

    def _count(self, work: Work | None) -> None:
        """Count the unit once on this alias, at its first use; and on each connection that serves it."""
        row = self._row
        if row is None:
            return
        self._counted_for = work
        ledger = row.ledger
        if not ledger.mark[0]:
            row = self._inherited = self._inherited or current.ledger().inherited(self.alias, row.backend)
            ledger = row.ledger
        now_ns = monotonic_ns()
        match = None
        if work is None:
            first, pair = True, _OUTSIDE
        else:
            # Of several threads that come here for one unit, the one whose own object is kept has it counted.
            first, pair = work.setdefault(self.alias, now_ns) is now_ns, work.pair
            if work.request is not None:
                match = work.request.resolver_match
        if match is None:
            number = unit(ledger, work, pair, row)
            if work is not None and hasattr(work, "users"):
                work.users.append(weakref.ref(self))
        else:  # as `unit` does, without a call
            name = match.route or ROOT
            number = ledger.units[pair].get(name) or ledger.unit(pair, name)
        self._using = row
        row.used(first, pair, number, now_ns, ANSWERED if work is not None and work.state == ENDED else 0)

    def unit_ended(self, work: Work) -> None:
        """Note that a task or a message has ended, unless something else has used the connection since."""
        if self._counted_for is work:
            self._end_work()

    def _end_work(self) -> None:
        """Outside of units, work ends when Django is told so, or when its connection closes."""
        work = present()
        if work is None:
            self._counted_for = NOTHING
        elif work.state == RUNNING:
            return
        if self._using is not None:
            self._using.unused()
            if self._counted_for is not None:
                self._using = None

    def _about_to_close(self) -> None:
        """A pool may lend the connection to others before the call that gives it back has returned."""
        row = self._row
        if row is not None and row.pooled and self._is_taken(row):
            row.returned()
        self._parents_alone = row is not None and not row.ledger.mark[0] and not self._ends_for_parent()

    def _is_taken(self, row: Row) -> bool:
        """Whether this process has it from a pool: what a forked child has never used, its parent has taken."""
        return bool(row.ledger.mark[0]) or self._inherited is not None

    def _ends_for_parent(self) -> bool:
        """Whether a forked child that closes the connection ends it for its parent: no server has SQLite's."""
        return self.vendor != "sqlite" and has_socket(self.connection)

    def _write_down_close(self, connection: object) -> None:
        row, finalizer, reason = self._row, self._finalizer, self._reason
        taken = row is not None and self._is_taken(row)
        self._reason = None
        self._row = self._using = self._inherited = self._finalizer = None
        self._counted_for = NOTHING
        if row is None or self._parents_alone:
            return
        row.leaves()
        if not getattr(connection, "closed", True):
            if taken and not row.pooled:  # or it was said before, and others may have the connection by now
                row.returned()  # to a pool of the engine's own, which will close it some day
            return
        if finalizer is not None:
            finalizer.detach()
        row.closed(CloseReason.POOL if row.pooled else reason or self._reason_to_close())

    def _reason_to_close(self) -> CloseReason:
        """Where nothing was said before: code has closed it, or Django did at the end of a unit."""
        return self._reason_of_obsolescence() if _ends_work(sys._getframe(1)) else CloseReason.EXPLICIT  # noqa: SLF001

    def _reason_of_obsolescence(self) -> CloseReason:
        """Why Django closes a connection that answers: asked only then, for Django itself looks twice a request."""
        if self.autocommit != self.settings_dict["AUTOCOMMIT"]:
            return CloseReason.AUTOCOMMIT
        # Unlimited never gets here, so what is not 0 is an age.
        return CloseReason.MAX_AGE if self.settings_dict["CONN_MAX_AGE"] else CloseReason.REQUEST_END


def _ends_work(frame: FrameType | None) -> bool:
    """Whether Django closes what is obsolete: looked for on closing alone, for most of its looks close nothing."""
    for _ in range(_FRAMES):
        if frame is None:
            return False
        if frame.f_code.co_name == _END_OF_WORK:
            return True
        frame = frame.f_back
    return False
