"""What the lab asks of a generator process and what it gets back: one JSON text each way."""

from __future__ import annotations

import json
from array import array
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# The first word of each line that a generator writes.
READY = "ready"
STARTED = "started"  # pid of the process that drives, monotonic time of the start in seconds
ENDED = "ended"  # its exit status


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """Load `locustfile`, and end."""

    locustfile: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadOrder:
    """Drive `locustfile` against `host` with `users` for `warmup_seconds` + `window_seconds`; write to `result`."""

    locustfile: str
    host: str
    users: int
    keep_alive: bool
    warmup_seconds: float
    window_seconds: float
    result: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def order_of(text: str) -> LoadOrder | Rehearsal:
    fields = json.loads(text)
    return Rehearsal(**fields) if fields.keys() == {"locustfile"} else LoadOrder(**fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadResult:
    """Every request in order of completion: end and response time in seconds, failed as 1.0 or 0.0.

    `failures` maps each kind of failed request within the window to its count, `examples` to one message.
    """

    ended: Sequence[float]
    response: Sequence[float]
    failed: Sequence[float]
    failures: dict[str, int]
    examples: dict[str, str]

    def to_json(self) -> str:
        columns = {name: _packed(getattr(self, name)) for name in ("ended", "response", "failed")}
        return json.dumps({**columns, "failures": self.failures, "examples": self.examples})

    @classmethod
    def from_json(cls, text: str) -> LoadResult:
        fields = json.loads(text)
        return cls(**fields | {name: _unpacked(fields[name]) for name in ("ended", "response", "failed")})


def _packed(column: Sequence[float]) -> str:
    return b64encode(array("d", column).tobytes()).decode("ascii")


def _unpacked(text: str) -> Sequence[float]:
    return array("d", b64decode(text))
