"""FAMILY of faults: what is done to a database, a pooler, a network or a worker while a target is measured."""

from loadlab.faults.base import Fault, FaultContext, FaultEffect
from loadlab.registry import Family

FAULTS = Family("loadlab.faults", Fault, "fault")

__all__ = ["FAULTS", "Fault", "FaultContext", "FaultEffect"]
