"""FAMILY of strategies: how database connections live."""

from loadlab.registry import Family
from loadlab.strategies.base import Strategy

STRATEGIES = Family("loadlab.strategies", Strategy, "strategy")

__all__ = ["STRATEGIES", "Strategy"]
