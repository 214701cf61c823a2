"""The family of events: what happens to a fleet during the simulated time, one file each."""

from loadlab.fleet.events.base import Event
from loadlab.registry import Family

EVENTS = Family("loadlab.fleet.events", Event, "event")

__all__ = ["EVENTS", "Event"]
