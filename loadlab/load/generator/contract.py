"""What the lab asks of a generator process and what it gets back: one JSON text each way."""

from __future__ import annotations

import json
from array import array
from base64 import b64decode, b64encode
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.load.generator.ticker import Pause
from loadlab.model.condition import OpenLoad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PER_REQUEST: Final = ("ended", "response", "failed", "due", "sent")
COLUMNS: Final = (*PER_REQUEST, "dropped", "no_answer")

# The first word of each line that a generator writes.
READY = "ready"
STARTED = "started"  # pid of the process that drives, monotonic time of the start in seconds
LOST = "lost"  # number of a load process that did not end as it should, and how, in words
SKEWED = "skewed"  # number of a load process on another host, by how many seconds its start may have been off
ENDED = "ended"  # exit status of the process that drives


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """Load `locustfile`, and end; `shared` where several processes or a schedule will say how many users there are."""

    locustfile: str
    shared: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadOrder:
    """Drive `locustfile` against `host` with `users` for `warmup_seconds` + `window_seconds`; write to `result`.

    Under an `open_load`, `users` bound what is under way, and `seed` fixes its instants. `processes` share the load;
    each writes to a file of its own, see `result_of`. Where each is on a host of its own, the order for it has its
    `number`.
    """

    locustfile: str
    host: str
    users: int
    keep_alive: bool
    warmup_seconds: float
    window_seconds: float
    result: str
    open_load: OpenLoad | None = None
    seed: int = 0
    processes: int = 1
    number: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def result_of(self, number: int) -> str:
        """Where the load process of that number, from 0, writes what it has seen."""
        return f"{self.result}.{number}"

    def tally_of(self, number: int) -> str:
        """Where the load process of that number writes down what its load has come to, while it runs."""
        return f"{self.result}.{number}.tally"

    def users_of(self, number: int) -> int:
        """Its share of the users; shares differ by one at most.

        >>> order = LoadOrder(locustfile="", host="", users=8, keep_alive=True, warmup_seconds=0, window_seconds=1,
        ...     result="", processes=3)
        >>> [order.users_of(number) for number in range(3)]
        [3, 3, 2]
        """
        return self.users // self.processes + (number < self.users % self.processes)


def order_of(text: str) -> LoadOrder | Rehearsal:
    fields = json.loads(text)
    if "host" not in fields:
        return Rehearsal(**fields)
    open_load = fields.pop("open_load")
    return LoadOrder(**fields, open_load=OpenLoad(**open_load) if open_load else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadResult:
    """Every request in order of completion: end and response time in seconds, failed as 1.0 or 0.0.

    Under an open load the columns `due` (NaN for a request that no arrival asked for) and `sent` are instants like
    `ended`, and the response time counts from when the request was due; else they are empty. `dropped` are the instants
    of arrivals that found no user free. `no_answer` are the indexes of those failed requests that no answer came to, in
    time or at all: their response time is the least that it would have been. `under_way` requests of a closed load had
    just been sent when it ended, and are no observation.

    `failures` maps each kind of failed request within the window to its count, and each kind of exception that a task
    raised; `examples` maps it to one message. `busy` is the share of a core that
    each load process used within the window. `unkept` requests came when the record was full; `lost` says of each load
    process that did not end as it should how it ended. `skew` says of each on another host by how many seconds it may
    have started too early or too late.
    """

    ended: Sequence[float]
    response: Sequence[float]
    failed: Sequence[float]
    failures: dict[str, int]
    examples: dict[str, str]
    due: Sequence[float] = ()
    sent: Sequence[float] = ()
    dropped: Sequence[float] = ()
    no_answer: Sequence[float] = ()
    busy: tuple[float, ...] = ()
    unkept: int = 0
    under_way: int = 0
    lost: tuple[str, ...] = ()
    skew: tuple[float, ...] = ()
    pauses: tuple[Pause, ...] = ()
    at_work: tuple[float, ...] = ()

    def to_json(self) -> str:
        # Not asdict: it would copy every number of every column.
        names = {field.name for field in fields(self)} - set(COLUMNS)
        others = {name: getattr(self, name) for name in names}
        others["pauses"] = [asdict(pause) for pause in self.pauses]
        return json.dumps({**others, **{name: _packed(getattr(self, name)) for name in COLUMNS}})

    @classmethod
    def from_json(cls, text: str) -> LoadResult:
        read = json.loads(text)
        tuples = {name: tuple(read[name]) for name in ("busy", "lost", "skew", "at_work")}
        pauses = {"pauses": tuple(Pause(**pause) for pause in read["pauses"])}
        return cls(**read | tuples | pauses | {name: _unpacked(read[name]) for name in COLUMNS})


NO_RESULT: Final = LoadResult(ended=(), response=(), failed=(), failures={}, examples={})


def merged(results: Sequence[LoadResult], lost: tuple[str, ...] = ()) -> LoadResult:
    """What several load processes have seen of one load: every request of each, again in order of completion."""
    if not results:
        return replace(NO_RESULT, lost=lost)
    if len(results) == 1 and not results[0].due and not results[0].no_answer:  # in order as it is
        return replace(results[0], lost=lost)
    order = np.argsort(_joined(results, "ended"), kind="stable")
    firsts = np.cumsum([0, *(len(result.ended) for result in results)])
    no_answer = [first + np.asarray(result.no_answer) for first, result in zip(firsts, results, strict=False)]
    columns = {name: _joined(results, name) for name in PER_REQUEST}
    failures: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for result in results:
        failures.update(result.failures)
        examples = result.examples | examples
    dropped = np.sort(_joined(results, "dropped"))
    return LoadResult(
        **{name: array("d", column[order].tobytes()) for name, column in columns.items() if column.size},
        dropped=array("d", dropped.tobytes()),
        no_answer=array("d", np.flatnonzero(np.isin(order, np.concatenate(no_answer))).astype(np.float64).tobytes()),
        failures=dict(failures),
        examples=examples,
        busy=tuple(share for result in results for share in result.busy),
        unkept=sum(result.unkept for result in results),
        under_way=sum(result.under_way for result in results),
        lost=lost,
        skew=tuple(seconds for result in results for seconds in result.skew),
        pauses=tuple(pause for result in results for pause in result.pauses),
        at_work=tuple(users for result in results for users in result.at_work),
    )


def _joined(results: Sequence[LoadResult], name: str) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(getattr(result, name), dtype=np.float64) for result in results])


def _packed(column: Sequence[float]) -> str:
    return b64encode(array("d", column).tobytes()).decode("ascii")


def _unpacked(text: str) -> Sequence[float]:
    return array("d", b64decode(text))
