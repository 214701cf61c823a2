"""FAMILY of probes: outside observers, each of which reads some quantities at one instant."""

from functools import cache

from loadlab.model.quantity import Quantity
from loadlab.probes.base import Probe, ProbeContext
from loadlab.registry import Family

PROBES = Family("loadlab.probes", Probe)

__all__ = ["PROBES", "Probe", "ProbeContext", "Quantity", "quantities", "unplaced"]


@cache
def quantities() -> dict[str, Quantity]:
    """Every quantity of every probe, by its name."""
    return {quantity.name: quantity for name in PROBES for quantity in PROBES[name].quantities}


def unplaced() -> list[Quantity]:
    """The quantities that reports and the live page show because a probe declares them."""
    return [quantity for quantity in quantities().values() if not quantity.placed]
