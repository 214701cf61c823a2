"""Small fleets that are really run: several servers behind a balancer, on one PostgreSQL."""

from loadlab.lab.fleets.trial import observe_fleet, run_fleet

__all__ = ["observe_fleet", "run_fleet"]
