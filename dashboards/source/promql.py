"""Writes queries over the catalogue: a name that is not in it, or a label that a metric lacks, is an error here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from loadlab.model.metrics import Metric

# What Prometheus says of every target, and what discovery says of a trial.
EVERY_TARGET = ("job", "instance")
TRIAL = ("server", "strategy", "max_age", "keep_alive", "scenario", "users", "block", "case")

Part = Literal["", "bucket", "sum", "count"]


def comma(labels: tuple[str, ...]) -> str:
    return ", ".join(labels)


def aggregate(operator: str, by: tuple[str, ...], query: str) -> str:
    """The aggregation over what shares the labels `by`.

    >>> aggregate("sum", ("job",), "up"), aggregate("sum", (), "up")
    ('sum by (job) (up)', 'sum(up)')
    """
    return f"{operator} by ({comma(by)}) ({query})" if by else f"{operator}({query})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Which series a dashboard speaks of: matchers that all of its queries carry.

    Every quantity is a sum over what shares the labels `by`. A gauge of the instrumentation is already a sum over the
    workers of its target, so it is added up over targets and aliases, and never over workers again.
    """

    matchers: tuple[str, ...]
    labels: tuple[str, ...] = EVERY_TARGET

    def select(self, metric: Metric, of: Part = "", **where: str) -> str:
        """Series of `metric`; `where` demands values of labels, alternatives parted by "|".

        >>> from loadlab.model.metrics import REQUESTS
        >>> Scope(matchers=('job=~"$job"',)).select(REQUESTS, connection="reused")
        'loadlab_db_requests_total{job=~"$job", connection="reused"}'
        """
        self._check(metric, of, tuple(where))
        demands = [f'{label}{"=~" if "|" in value else "="}"{value}"' for label, value in where.items()]
        matchers = comma((*self.matchers, *demands))
        return f"{metric.name}{'_' * bool(of)}{of}{f'{{{matchers}}}' * bool(matchers)}"

    def now(self, metric: Metric, *by: str, **where: str) -> str:
        """A gauge at each instant."""
        self._check(metric, "", by)
        return aggregate("sum", by, self.select(metric, "", **where))

    def per_second(self, metric: Metric, *by: str, of: Part = "", **where: str) -> str:
        """How fast a counter grows; the first and the last seconds of a short trial are understated."""
        self._check(metric, of, by)
        return aggregate("sum", by, f"rate({self.select(metric, of, **where)}[$__rate_interval])")

    def total(self, metric: Metric, *by: str, of: Part = "", **where: str) -> str:
        """A trial's counter as it was last, exactly: each trial is its own instance, and starts at zero.

        `increase()` would guess what lay before the first scrape and after the last one.
        """
        self._check(metric, of, by)
        return aggregate("sum", by, f"last_over_time({self.select(metric, of, **where)}[$__range])")

    def grown(self, metric: Metric, *by: str, **where: str) -> str:
        """By how much a trial's counter grew between its first scrape and its last: without the start of the server."""
        self._check(metric, "", by)
        selected = self.select(metric, "", **where)
        return aggregate("sum", by, f"max_over_time({selected}[$__range]) - min_over_time({selected}[$__range])")

    def per_trial(self, metric: Metric, *by: str, of: Part = "", **where: str) -> str:
        """The mean of `total` over trials."""
        return aggregate("avg", by, self.total(metric, "instance", *by, of=of, **where))

    def peak(self, metric: Metric, *by: str, **where: str) -> str:
        """The most of any one target: of a gauge that never falls, as it was last."""
        self._check(metric, "", by)
        return aggregate("max", by, f"last_over_time({self.select(metric, '', **where)}[$__range])")

    def quantile(self, share: float, metric: Metric, *by: str, **where: str) -> str:
        """A quantile at each instant, interpolated within its bucket."""
        return f"histogram_quantile({share}, {self.per_second(metric, *by, 'le', of='bucket', **where)})"

    def total_quantile(self, share: float, metric: Metric, *by: str, **where: str) -> str:
        """The same over the whole time range, of all trials' observations together."""
        return f"histogram_quantile({share}, {self.total(metric, *by, 'le', of='bucket', **where)})"

    def _check(self, metric: Metric, of: Part, labels: tuple[str, ...]) -> None:
        known = {*metric.labels, *self.labels, *(("le",) if of == "bucket" else ())}
        if unknown := set(labels) - known:
            raise ValueError(f"{metric.name} has no label {', '.join(sorted(unknown))}")
        if bool(of) != (metric.kind == "histogram"):
            raise ValueError(f"{metric.name} is a {metric.kind}; it has {'no' if of else 'a'} bucket, sum and count")


def ratio(part: str, whole: str) -> str:
    """One query by another; nothing where the second is zero.

    >>> ratio("a", "b")
    '(a) / (b > 0)'
    """
    return f"({part}) / ({whole} > 0)"


def minus(more: str, less: str) -> str:
    return f"{more} - {less}"


def or_zero(query: str) -> str:
    """0 where nothing has ever been counted: a panel whose good state is "none" says so."""
    return f"{query} or on() vector(0)"
