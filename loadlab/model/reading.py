"""What one look at a running project shows: its own counts, and what PostgreSQL says at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loadlab.model.counts import ConnectionCounts, total


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Taken at the monotonic time `at`, in seconds; readings are equal if they show the same.

    `hosts` are the counts of each database alias, by alias and host. An exposition of several hosts tells them apart
    by labels such as `instance`, and these are the host's name here; that of a single host is "". `answered` is how
    many requests the project has answered, over all routes, in `answered_seconds` together; None where it does not
    count them. `judged` is what the probes of PostgreSQL's sessions and activity read, and empty where PostgreSQL was
    not asked.
    """

    at: float = field(compare=False)
    hosts: Mapping[str, Mapping[str, ConnectionCounts]]
    answered: int | None = None
    answered_seconds: float | None = None
    judged: Mapping[str, float] = field(default_factory=dict)

    def of(self, alias: str) -> Mapping[str, ConnectionCounts]:
        """Each host's counts of an alias; empty where the exposition has none."""
        return self.hosts.get(alias, {})

    def counts(self, alias: str) -> ConnectionCounts:
        """The counts of an alias, over all hosts."""
        return total(self.of(alias).values())

    @property
    def backends(self) -> int | None:
        """PostgreSQL's connections of the project."""
        return int(self.judged["backends"]) if "backends" in self.judged else None
