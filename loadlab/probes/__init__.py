"""FAMILY of probes: outside observers, each of which reads some quantities at one instant."""

from loadlab.probes.base import Probe, ProbeContext
from loadlab.registry import Family

PROBES = Family("loadlab.probes", Probe)

__all__ = ["PROBES", "Probe", "ProbeContext"]
