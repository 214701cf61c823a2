"""The settings of a project are those that its own manage.py would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadlab.lab.manage_py import named_by_manage_py, settings_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")', "shop.settings.dev"),
        ("def main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')", "shop.settings"),
        ('os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"', "shop.settings"),
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"shop.{where}")', None),
        ('# os.environ.setdefault("DJANGO_SETTINGS_MODULE", "old.settings")', None),
        ("this is = no Python", None),
        ("\0", None),
    ],
)
def test_manage_py_is_read_and_not_run(tmp_path: Path, text: str, named: str | None) -> None:
    (tmp_path / "manage.py").write_text(text)
    assert named_by_manage_py(tmp_path) == named


def test_a_folder_without_manage_py_names_nothing(tmp_path: Path) -> None:
    assert named_by_manage_py(tmp_path) is None


def test_the_environment_goes_before_manage_py_as_it_does_for_django(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "manage.py").write_text('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")')
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    assert settings_of(tmp_path) == "shop.settings"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.other")
    assert settings_of(tmp_path) == "shop.other"
