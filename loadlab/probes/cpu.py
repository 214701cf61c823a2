"""CPU time of whole process trees, those children included that have come and gone."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

import psutil

from loadlab.model.metrics import CPU_SECONDS
from loadlab.model.quantity import Quantity
from loadlab.probes.base import Probe

if TYPE_CHECKING:
    from loadlab.probes.base import ProbeContext


class Cpu(Probe):
    """`cpu_<part>`: seconds of user and system time of each process tree since it began.

    A child that has ended is in its parent's account from the moment that the parent collected it, so nothing is lost
    when PostgreSQL's backends come and go.
    """

    quantities: ClassVar[tuple[Quantity, ...]] = tuple(
        Quantity(
            name=f"cpu_{part}",
            title=f"CPU time of the {part}",
            unit="seconds",
            kind="counter",
            metric=CPU_SECONDS,
            labels=(part,),
            placed=True,
        )
        for part in ("app", "database", "generator", "pooler", "proxy")
    )
    sampled: ClassVar[bool] = False  # looks at every process of the machine

    def read(self, context: ProbeContext) -> dict[str, float]:
        children = _children()
        return {f"cpu_{part}": _tree_seconds(root, children) for part, root in context.trees.items()}


def _children() -> dict[int, list[psutil.Process]]:
    children: dict[int, list[psutil.Process]] = defaultdict(list)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            children[process.ppid()].append(process)
    return children


def _tree_seconds(root: int, children: dict[int, list[psutil.Process]]) -> float:
    with suppress(psutil.Error):
        below = sum(_tree_seconds(child.pid, children) for child in children.get(root, []))
        return sum(psutil.Process(root).cpu_times()[:4]) + below  # user, system, and both of ended children
    return 0.0
