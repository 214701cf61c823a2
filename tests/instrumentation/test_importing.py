"""Calls once a module has been imported, whatever it is imported by, and never in its way."""

from __future__ import annotations

import importlib
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from loadlab.instrumentation.importing import when_imported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("awaited_")]:
        del sys.modules[name]


def test_a_module_that_is_there_is_called_with_at_once() -> None:
    seen: list[Any] = []
    when_imported("json", seen.append)
    assert seen == [sys.modules["json"]]


def test_a_module_is_called_with_once_it_has_been_executed(place: Path) -> None:
    (place / "awaited_package").mkdir()
    (place / "awaited_package" / "__init__.py").write_text("from awaited_package import inner\nwhole = True\n")
    (place / "awaited_package" / "inner.py").write_text("value = 1\n")
    seen: list[tuple[str, bool]] = []
    when_imported("awaited_package", lambda module: seen.append((module.__name__, hasattr(module, "whole"))))
    when_imported("awaited_package.inner", lambda module: seen.append((module.__name__, hasattr(module, "value"))))
    importlib.import_module("awaited_package")
    assert seen == [("awaited_package.inner", True), ("awaited_package", True)]
    importlib.reload(sys.modules["awaited_package.inner"])
    assert len(seen) == 2


def test_a_module_in_an_archive_is_called_with(place: Path) -> None:
    with zipfile.ZipFile(place / "archive.zip", "w") as archive:
        archive.writestr("awaited_one.py", "value = 1\n")
        archive.writestr("awaited_two.py", "value = 2\n")
    sys.path.insert(0, str(place / "archive.zip"))
    seen: list[int] = []
    when_imported("awaited_two", lambda module: seen.append(module.value))
    try:
        for name in ("awaited_one", "awaited_two"):
            importlib.import_module(name)
    finally:
        sys.path.remove(str(place / "archive.zip"))
    assert seen == [2]


def test_a_module_that_cannot_be_imported_fails_as_it_would(place: Path) -> None:
    (place / "awaited_broken.py").write_text("raise ValueError('its own')\n")
    when_imported("awaited_broken", print)
    when_imported("awaited_absent", print)
    with pytest.raises(ValueError, match="its own"):
        importlib.import_module("awaited_broken")
    with pytest.raises(ModuleNotFoundError, match="awaited_absent"):
        importlib.import_module("awaited_absent")


def test_a_call_that_fails_is_logged_and_the_import_is_not_lost(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: Any) -> None:
        raise RuntimeError("of ours")

    (place / "awaited_fine.py").write_text("value = 1\n")
    when_imported("awaited_fine", fails)
    assert importlib.import_module("awaited_fine").value == 1
    assert "units of work of awaited_fine are not counted" in caplog.text
