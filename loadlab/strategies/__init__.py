"""FAMILY of strategies: how database connections live."""

from loadlab.registry import Family
from loadlab.strategies.base import Strategy

STRATEGIES = Family("loadlab.strategies", Strategy)

__all__ = ["STRATEGIES", "Strategy"]
