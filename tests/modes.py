"""The server modes as tests take them: the usual ones where any will do, or each one that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from loadlab.lab.preflight import missing_for
from loadlab.model.drivers import DRIVERS
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from loadlab.model.config import Config

DRIVER: Final = next(iter(DRIVERS))
# One for each way of having threads. What does not depend on the mode is tested in these.
USUAL: Final = tuple(name for name in SERVERS if SERVERS[name].usual)


def choice(name: str) -> Config:
    return config_of(SERVERS, name, {}, "server")


def working(name: str) -> Config:
    """A mode whose requests succeed: tornado's do with its parameters in the table of behaviours, and no others."""
    refuses = SERVERS[name]().incompatible(DRIVER) is not None
    return config_of(SERVERS, name, SERVERS[name].counted if refuses else {}, "server")  # type: ignore[arg-type]


def installed(*, others_are_slow: bool = False) -> list[Any]:
    """Every mode; one that is not installed is skipped, and says what it lacks."""
    return [pytest.param(name, marks=_marks(name, slow=others_are_slow and name not in USUAL)) for name in SERVERS]


def _marks(name: str, *, slow: bool) -> list[pytest.MarkDecorator]:
    plain = config_of(STRATEGIES, "max_age", {}, "strategy")
    missing = missing_for(choice(name), plain, DRIVER)
    lacking = pytest.mark.skipif(bool(missing), reason="; ".join(map(str, missing)))
    return [lacking, pytest.mark.slow] if slow else [lacking]
