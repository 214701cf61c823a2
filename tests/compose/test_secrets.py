"""./make-secrets: passwords that only this user can read, made once."""

from __future__ import annotations

import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from natively import COMPOSE, made_secrets, stack, variables_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_secret_of_the_stack_is_made_and_no_two_are_alike(tmp_path: Path) -> None:
    variables = made_secrets(tmp_path)
    made = contents(tmp_path / "secrets")
    assert set(made) == set(stack(variables)["secrets"])
    assert len(set(made.values())) == len(made)
    assert all(len(secret) >= 48 for secret in made.values())


def test_the_folder_is_closed_and_its_files_readable_in_a_container(tmp_path: Path) -> None:
    made_secrets(tmp_path)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {0o444}


def test_nothing_that_is_there_is_made_anew(tmp_path: Path) -> None:
    made_secrets(tmp_path)
    before = contents(tmp_path / "secrets")
    (tmp_path / ".env").write_text("LOADLAB_MAX_AGE=0\n")
    subprocess.run([tmp_path / "make-secrets"], check=True, capture_output=True)
    assert contents(tmp_path / "secrets") == before
    assert variables_in((tmp_path / ".env").read_text()) == {"LOADLAB_MAX_AGE": "0"}


def test_a_script_says_nothing_of_what_it_makes(tmp_path: Path) -> None:
    made_secrets(tmp_path)
    (tmp_path / "secrets" / "metrics_token").unlink()
    done = subprocess.run([tmp_path / "make-secrets"], check=True, capture_output=True, text=True)
    assert (tmp_path / "secrets" / "metrics_token").read_text() not in done.stdout + done.stderr


def test_git_takes_neither_secrets_nor_settings() -> None:
    assert (COMPOSE / ".gitignore").read_text().split() == [".env", "secrets/"]
