"""FAMILY of judges: who counts connections independently of the target."""

from loadlab.judges.base import Judge, Limits
from loadlab.registry import Family

JUDGES = Family("loadlab.judges", Judge)

__all__ = ["JUDGES", "Judge", "Limits"]
