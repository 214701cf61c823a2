"""Whether connections leak, told from how they ended where nobody has said how many can be used at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FEWEST_OPENED: Final = 20  # with fewer, nothing is said of leaks
LOST_SHARE: Final = 0.1  # of the connections that ended: lost by nobody closing them
HARDLY_REUSED: Final = 0.05


def loses(*, opened: float, share_reused: float, closed: Mapping[str, float], grown: float) -> bool:
    """Whether connections are kept for nobody; `grown` is how many more are open than before.

    A leaked connection is one that nobody comes back for: the garbage collector ends it, if anything does. Connections
    that pile up while hardly a request finds one again are the same before the collector has come.
    """
    if opened < FEWEST_OPENED:
        return False
    lost = closed.get("garbage_collected", 0.0) > LOST_SHARE * max(sum(closed.values()), 1.0)
    return lost or (grown > opened / 2 and share_reused < HARDLY_REUSED)
