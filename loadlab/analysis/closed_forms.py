"""What theory says about connections: reuse at a given age, and how many requests are under way."""

from __future__ import annotations


def reuse(rate: float, age_seconds: float) -> float:
    """The share of requests that find a connection open.

    `rate` is the number of database requests per second that one holder of a connection (a process or a
    thread) serves, arriving at random (Poisson). A connection serves its first request and the rate x age
    that follow within its age.

    >>> round(reuse(2.0, 1.0), 3), round(reuse(0.5, 2.0), 3)
    (0.667, 0.5)
    """
    return rate * age_seconds / (1 + rate * age_seconds)


def smallest_age(reuse_wanted: float, rate: float) -> float:
    """The age in seconds from which the share of requests `reuse_wanted` (under 1) finds a connection open.

    >>> round(smallest_age(0.95, 1.0), 6)
    19.0
    """
    return reuse_wanted / ((1 - reuse_wanted) * rate)


def under_way(rate: float, response_seconds: float) -> float:
    """Little's law: requests under way = rate x mean response time, for all distributions."""
    return rate * response_seconds
