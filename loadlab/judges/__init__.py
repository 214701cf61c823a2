"""FAMILY of judges: who counts connections independently of the target."""

from loadlab.judges.base import ConnectionLimits, Judge
from loadlab.registry import Family

JUDGES = Family("loadlab.judges", Judge)

__all__ = ["JUDGES", "ConnectionLimits", "Judge"]
