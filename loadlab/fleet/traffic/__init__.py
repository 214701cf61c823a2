"""The family of traffics: how many requests come at which time of the simulated hours, one file each."""

from loadlab.fleet.traffic.base import Traffic
from loadlab.registry import Family

TRAFFICS = Family("loadlab.fleet.traffic", Traffic, "traffic")

__all__ = ["TRAFFICS", "Traffic"]
