"""What the lab asks of a generator process and what it gets back: one JSON text each way."""

from __future__ import annotations

import json
import signal
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import TypeAdapter

from loadlab.load.generator.ticker import Pause  # noqa: TC001  a field that pydantic resolves
from loadlab.model.condition import OpenLoad
from loadlab.model.requests import NO_REQUESTS, PER_REQUEST, Requests
from loadlab.model.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# The first word of each line that a generator writes.
READY = "ready"
STARTED = "started"  # pid of the process that drives, monotonic time of the start in seconds
LOST = "lost"  # number of a load process that did not end as it should, and how, in words
SKEWED = "skewed"  # number of a load process on another host, by how many seconds its start may have been off
ENDED = "ended"  # exit status of the process that drives


@dataclass(frozen=True, kw_only=True, slots=True)
class LocustfileCheck:
    """Load `locustfile`, and end; `shared` where several processes or a schedule will say how many users there are."""

    locustfile: str
    shared: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadRequest:
    """Drive `locustfile` against `host` with `users` for `warmup_seconds` + `window_seconds`; write to `result`.

    Under an `open_load`, `users` bound what is under way, and `seed` fixes its instants. `processes` share the load;
    each writes to its own file, see `result_of`. Where each is on its own host, the request for it has its
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

    @property
    def window(self) -> Window:
        return Window(self.warmup_seconds, self.warmup_seconds + self.window_seconds)

    def result_of(self, number: int) -> str:
        """Where the load process of that number, from 0, writes what it has seen."""
        return f"{self.result}.{number}"

    def counts_file(self, number: int) -> str:
        """Where the load process of that number writes its request counts while it runs."""
        return f"{self.result}.{number}.counts"

    def users_of(self, number: int) -> int:
        """Its share of the users; shares differ by one at most.

        >>> request = LoadRequest(locustfile="", host="", users=8, keep_alive=True, warmup_seconds=0, window_seconds=1,
        ...     result="", processes=3)
        >>> [request.users_of(number) for number in range(3)]
        [3, 3, 2]
        """
        return self.users // self.processes + (number < self.users % self.processes)


def parse_request(text: str) -> LoadRequest | LocustfileCheck:
    fields = json.loads(text)
    if "host" not in fields:
        return LocustfileCheck(**fields)
    open_load = fields.pop("open_load")
    return LoadRequest(**fields, open_load=OpenLoad(**open_load) if open_load else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadResult:
    """What a load process has seen.

    `failures` maps each kind of failed request within the window to its count, and each kind of exception that a task
    raised; `examples` maps it to one message, and `statuses` to its HTTP status if it has one. `busy` is the share of a
    core that each load process used within the window. `unkept` requests came when the record was full; `lost` says of
    each load process that did not end as it should how it ended. `skew` says of each on another host by how many
    seconds it may have started too early or too late.
    """

    requests: Requests
    failures: dict[str, int]
    examples: dict[str, str]
    statuses: dict[str, int] = field(default_factory=dict)
    busy: tuple[float, ...] = ()
    unkept: int = 0
    lost: tuple[str, ...] = ()
    skew: tuple[float, ...] = ()
    pauses: tuple[Pause, ...] = ()
    active_users: tuple[float, ...] = ()

    def to_json(self) -> str:
        return _RESULT.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> LoadResult:
        return _RESULT.validate_json(text)


def describe_exit(status: int) -> str:
    """An exit status in words."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed with status {status}"


_RESULT: Final = TypeAdapter(LoadResult)
NO_RESULT: Final = LoadResult(requests=NO_REQUESTS, failures={}, examples={})


def taken(paths: Iterable[Path], lost: tuple[str, ...] = (), skew: tuple[float, ...] = ()) -> LoadResult:
    """What several load processes have seen of one load; removes the files that they have written.

    Raises:
        OSError: a file is not there.
    """
    results = []
    for path in paths:
        results.append(LoadResult.from_json(path.read_text()))
        path.unlink()
    return replace(merged(results), lost=lost, skew=skew)


def merged(results: Sequence[LoadResult]) -> LoadResult:
    """The results of several load processes as one load's."""
    if not results:
        return NO_RESULT
    failures: Counter[str] = Counter()
    examples: dict[str, str] = {}
    statuses: dict[str, int] = {}
    for result in results:
        failures.update(result.failures)
        examples = result.examples | examples
        statuses |= result.statuses
    return LoadResult(
        requests=_together([result.requests for result in results]),
        failures=dict(failures),
        examples=examples,
        statuses=statuses,
        busy=tuple(share for result in results for share in result.busy),
        unkept=sum(result.unkept for result in results),
        pauses=tuple(pause for result in results for pause in result.pauses),
        active_users=tuple(users for result in results for users in result.active_users),
    )


def _together(parts: Sequence[Requests]) -> Requests:
    """The requests of several load processes as one load's, again in the order of completion."""
    if len(parts) == 1 and not parts[0].due and not parts[0].no_answer:  # in order as it is
        return parts[0]
    order = np.argsort(_joined(parts, "ended"), kind="stable")
    columns = {name: _joined(parts, name) for name in PER_REQUEST}
    return Requests(
        **{name: _column(column[order]) for name, column in columns.items() if column.size},
        dropped=_column(np.sort(_joined(parts, "dropped"))),
        no_answer=_column(np.flatnonzero(np.isin(order, _no_answers(parts)))),
        under_way=sum(part.under_way for part in parts),
    )


def _no_answers(parts: Sequence[Requests]) -> NDArray[np.float64]:
    """Their indexes among the requests of all parts, one part after the other."""
    firsts = np.cumsum([0, *(len(part) for part in parts)])
    return np.concatenate([first + np.asarray(part.no_answer) for first, part in zip(firsts, parts, strict=False)])


def _joined(parts: Sequence[Requests], name: str) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(getattr(part, name), dtype=np.float64) for part in parts])


def _column(values: NDArray[np.generic]) -> Sequence[float]:
    return array("d", values.astype(np.float64).tobytes())
