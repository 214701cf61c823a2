"""The measured window of a trial, and the one rule for what belongs to it."""

from __future__ import annotations

from math import nextafter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from loadlab.model.requests import Requests


class Window(NamedTuple):
    """From `start` up to but not including `end`, in seconds since the load started."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def last(self) -> float:
        """The last instant that belongs to it."""
        return nextafter(self.end, self.start)

    def after(self, origin: float) -> Window:
        """The same on a clock that showed `origin` when the load started."""
        return Window(origin + self.start, origin + self.end)

    def holds(self, instants: ArrayLike) -> NDArray[np.bool_]:
        """Which instants belong to it; NaN belongs to none.

        >>> Window(1.0, 2.0).holds([0.9, 1.0, 2.0, float("nan")]).tolist()
        [False, True, False, False]
        """
        import numpy as np  # noqa: PLC0415  a plan has windows, and needs none of it

        at = np.asarray(instants, dtype=np.float64)
        inside: NDArray[np.bool_] = (at >= self.start) & (at < self.end)
        return inside

    def of(self, requests: Requests) -> NDArray[np.bool_]:
        """Which requests belong to it; see `deciding_instants`."""
        return self.holds(deciding_instants(requests))


def deciding_instants(requests: Requests) -> NDArray[np.float64]:
    """The instant of each request that decides whether it belongs to a window.

    Under a closed load that is its end. Under an open load it is when it was due, or when it was sent if no arrival
    asked for it: a slow request would otherwise end too late to be seen.
    """
    import numpy as np  # noqa: PLC0415  as above

    if not len(requests.due):
        return np.asarray(requests.ended, dtype=np.float64)
    due, sent = (np.asarray(column, dtype=np.float64) for column in (requests.due, requests.sent))
    return np.where(np.isnan(due), sent, due)
