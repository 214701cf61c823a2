"""From which rate of requests on a kept connection saves more than it costs."""

from __future__ import annotations

from math import sqrt
from typing import Final

# Memory that costs as much as a core: general-purpose cloud machines have 4 GiB for each.
BYTES_PER_CORE: Final = 4 * 2.0**30
# Where both are sold apart, a core is dearer, so that keeping pays sooner. AWS Fargate asks 0.04048 $ an hour for a
# vCPU, and 0.004445 $ for a GB (us-east-1, Linux on x86, 2026).
SOLD_APART: Final = 0.04048 / 0.004445 * 2.0**30


def even_rate(age: float | None, opening: float, held_bytes: float, bytes_per_core: float = BYTES_PER_CORE) -> float:
    """Requests per second and thread from which on CONN_MAX_AGE = `age` (None: unlimited) saves more than it costs.

    An age `a` saves rate × reuse openings per second, with reuse = rate × a / (1 + rate × a); it holds one connection
    of an otherwise idle thread. Both are equal where c × a × rate² = k × (1 + a × rate), with c the CPU seconds of an
    `opening` at both ends and k the cores that cost as much as the memory that the connection holds.

    >>> even_rate(None, opening=0.004, held_bytes=2.0**22, bytes_per_core=2.0**32)
    0.244140625
    >>> even_rate(60.0, opening=0.004, held_bytes=2.0**22, bytes_per_core=2.0**32) > 0.244140625
    True
    """
    holding = held_bytes / bytes_per_core
    if age is None:
        return holding / opening
    held = holding * age
    return (held + sqrt(held**2 + 4 * opening * age * holding)) / (2 * opening * age)
