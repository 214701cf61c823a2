"""What threads that end without closing do to a pool: their slots are lost for ever, unless a fix closes for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from patience import PATIENCE_SECONDS
from programs import output_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.lab.lab import Lab

PROGRAM: Final = Path(__file__).with_name("pool_in_use.py")
SIZE: Final = 3
SHORT_SECONDS: Final = 0.5  # for what never comes; all of the pool's connections are there before
COUNTING: Final = "loadlab.instrumentation"
EXIT: Final = "loadlab.fixes.close_on_thread_exit.CloseOnThreadExit"


@pytest.fixture
def use(lab: Lab, ledgers: Path) -> Callable[..., dict[str, Any]]:
    def used(
        way: str, *apps: str, maker: str = "main", at_last: int, open_at_last: int, seconds: float
    ) -> dict[str, Any]:
        given = {"way": way, "apps": apps, "maker": maker, "size": SIZE}
        given |= {"at_last": at_last, "open_at_last": open_at_last, "seconds": seconds}
        told = output_of(PROGRAM, given, lab, LOADLAB_LEDGER_DIR=str(ledgers))
        found: dict[str, Any] = json.loads(told.splitlines()[-1])
        return found

    return used


@pytest.mark.parametrize("apps", [(), (COUNTING,)], ids=["alone", "counted"])
def test_a_thread_that_ends_without_closing_takes_its_slot_for_ever(use: Any, apps: tuple[str, ...]) -> None:
    found = use("threads", *apps, at_last=0, open_at_last=0, seconds=SHORT_SECONDS)
    assert (found["first"], found["later"], found["available"], found["open"]) == ([], SIZE, 0, [])
    assert all("PoolTimeout" in why or "couldn't get a connection" in why for why in found["why"])


def test_the_session_of_the_thread_that_made_the_pool_is_never_garbage(use: Any) -> None:
    found = use("threads", maker="first", at_last=0, open_at_last=1, seconds=SHORT_SECONDS)
    assert (found["first"], found["later"], found["available"], found["open"]) == ([], SIZE, 0, [0])


@pytest.mark.parametrize(
    ("way", "apps"),
    [
        ("threads", (EXIT,)),
        ("threads", (COUNTING, EXIT)),
        ("threads", (EXIT, COUNTING)),
        ("greenlets", (COUNTING, EXIT)),
    ],
    ids=["alone", "counting first", "fix first", "greenlets"],
)
def test_close_on_thread_exit_gives_every_slot_back(use: Any, way: str, apps: tuple[str, ...]) -> None:
    found = use(way, *apps, at_last=SIZE, open_at_last=SIZE, seconds=PATIENCE_SECONDS)
    assert found == {"first": [], "later": 0, "why": [], "available": SIZE, "open": list(range(SIZE))}
