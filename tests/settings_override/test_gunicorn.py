"""gunicorn boots as ever under the lab's configuration, but sooner."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, metadata
from typing import TYPE_CHECKING

import pytest
from gunicorn.arbiter import Arbiter

from loadlab.settings_override.configuration import SettingsOverride
from loadlab.settings_override.patching import with_known_plugins

if TYPE_CHECKING:
    from types import ModuleType

PATCHED = """
import sys
from gevent import monkey
from gevent.monkey._state import saved
from loadlab.settings_override.patching import with_known_plugins
(with_known_plugins(monkey.patch_all) if sys.argv[1:] else monkey.patch_all)()
print(sorted((module, name) for module in saved for name in saved[module]))
"""


class Forking(Arbiter):
    """An arbiter whose workers are numbers."""

    def __init__(self, workers: int) -> None:
        self.WORKERS = {}
        self._num_workers = workers

    def spawn_worker(self) -> int:
        number = len(self.WORKERS)
        self.WORKERS[number] = None
        return number


@pytest.fixture
def configuration(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in SettingsOverride(settings="shop.settings").to_environment().items():
        monkeypatch.setenv(name, value)
    return import_module("loadlab.settings_override.gunicorn")


def test_first_workers_are_forked_at_once_and_later_ones_by_gunicorn(configuration: ModuleType) -> None:
    arbiter = Forking(3)
    configuration.when_ready(arbiter)
    arbiter.spawn_workers()
    assert len(arbiter.WORKERS) == 3
    assert arbiter.spawn_workers.__func__ is Arbiter.spawn_workers


def test_plugins_are_found_as_ever_while_python_is_patched() -> None:
    before = metadata.entry_points
    expected, found = [*before(group="console_scripts")], []

    def patch() -> None:
        found.extend(metadata.entry_points(group="console_scripts"))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        with_known_plugins(patch)()
    assert len(expected) > 0
    assert found == expected
    assert metadata.entry_points is before


@pytest.mark.process
def test_gevent_patches_the_same_with_plugins_looked_up_once() -> None:
    argv = [sys.executable, "-c", PATCHED]
    as_ever, quickly = (
        subprocess.run([*argv, *way], capture_output=True, text=True, check=True).stdout for way in ((), ("known",))
    )
    assert "('socket', 'socket')" in as_ever
    assert quickly == as_ever
