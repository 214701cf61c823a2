"""The lanes: each test is marked by what it starts, so that `make check` can leave out all that starts a program.

`process`, `browser` and `prometheus` are set by the fixtures that a test uses, or by a module's own `pytestmark`. All
others are `pure`, and a pure test that starts a program fails.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# What starts what: fixtures, by the lane of the tests that use them.
LANES: Final = {
    "browser": {"browser"},
    "prometheus": {"prometheus_program", "promtool", "api"},
    "process": {"loadlab", "lab", "trial", "cluster", "ways", "pooler", "clients", "ready", "machine"},
}
PURE: Final = "pure"
STARTS: Final = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"})


class _Guard:
    """Refuses to start a program while a pure test runs."""

    def __init__(self) -> None:
        self.pure = ""

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.pure and event in STARTS:
            raise AssertionError(f"{self.pure} starts a program ({event}): mark its module with pytest.mark.process")


_guard = _Guard()
sys.addaudithook(_guard)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for lane, fixtures in LANES.items():
            if used & fixtures:
                item.add_marker(lane)
        if not any(item.get_closest_marker(lane) for lane in LANES):
            item.add_marker(PURE)
    # Files that start programs take longest, and then those that simulate. They come first, so that the workers end at
    # about the same time.
    starting = {item.path for item in items if not item.get_closest_marker(PURE)}
    thorough = {item.path for item in items if item.get_closest_marker("thorough")}
    items.sort(key=lambda item: (item.path not in starting, item.path not in thorough))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _guard.pure = item.nodeid if item.get_closest_marker(PURE) else ""
    try:
        return (yield)
    finally:
        _guard.pure = ""
