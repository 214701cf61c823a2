"""A revision that is checked out aside: it is all there, and the user's repository shows no trace of it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from loadlab.errors import UsageError
from loadlab.lab.checkout import checked_out, commit_of, state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Git = Callable[..., str]


pytestmark = pytest.mark.process


@pytest.fixture
def git() -> Git:
    def run(folder: Path, *command: str) -> str:
        names = ["-c", "user.name=a", "-c", "user.email=a@example", "-c", "protocol.file.allow=always"]
        done = subprocess.run(["git", *names, *command], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Path:
    """Two commits of a file, a later change that is not committed, and files that git does not have."""
    folder = tmp_path / "repository"
    (folder / "site").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitattributes").write_text("site/kept.py export-ignore\n")
    (folder / ".gitignore").write_text(".env\n.venv\n")
    (folder / "site" / "kept.py").write_text("kept")
    for text in ("one", "two"):
        (folder / "site" / "view.py").write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", text)
    (folder / "site" / "view.py").write_text("three")
    (folder / ".env").write_text("SECRET=1")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pyvenv.cfg").touch()
    (folder / ".venv" / ".env").touch()
    return folder


def test_a_revision_has_the_files_of_its_commit(repository: Path, git: Git, tmp_path: Path) -> None:
    made = checked_out(repository / "site", "HEAD~1", tmp_path / "aside")
    assert made.commit == git(repository, "rev-parse", "HEAD~1")
    there = made.place_of(repository / "site")
    assert (there / "view.py").read_text() == "one"
    assert (there / "kept.py").exists()  # which git archive leaves out
    assert made.place_of(tmp_path) == tmp_path


def test_only_files_that_are_named_and_not_tracked_are_taken(repository: Path, tmp_path: Path) -> None:
    made = checked_out(repository, "main", tmp_path / "aside", [".env", "**/.env", "site/view.py"])
    assert made.taken == (".env",)
    assert (made.root / ".env").read_text() == "SECRET=1"
    assert (made.root / "site" / "view.py").read_text() == "two"


def test_a_checkout_aside_leaves_the_repository_as_it_is(repository: Path, git: Git, tmp_path: Path) -> None:
    (repository / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh\ntouch hooked\n")
    (repository / ".git" / "hooks" / "post-checkout").chmod(0o755)
    files = {path: path.stat().st_mtime_ns for path in repository.rglob("*") if path.is_file()}
    checked_out(repository, "HEAD~1", tmp_path / "aside", [".env"])
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*") if path.is_file()} == files
    assert git(repository, "worktree", "list").count("\n") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aside", "repository"]


def test_a_submodule_is_at_the_commit_of_the_revision(repository: Path, git: Git, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q", "-b", "main")
    (inner / "part.py").write_text("old")
    git(inner, "add", "-A")
    git(inner, "commit", "-q", "-m", "old")
    git(repository, "submodule", "add", "-q", str(inner), "parts")
    git(repository, "commit", "-q", "-m", "parts")
    (repository / "parts" / "part.py").write_text("new")
    git(repository / "parts", "commit", "-q", "-a", "-m", "new")
    git(repository, "commit", "-q", "-a", "-m", "newer parts")

    made = checked_out(repository, "HEAD~1", tmp_path / "aside")
    assert made.submodules == ("parts",)
    assert (made.root / "parts" / "part.py").read_text() == "old"
    assert (repository / "parts" / "part.py").read_text() == "new"

    git(repository, "submodule", "deinit", "-q", "-f", "parts")
    with pytest.raises(UsageError, match="git submodule update --init"):
        checked_out(repository, "HEAD~1", tmp_path / "again")


def test_what_is_no_revision_and_no_repository_is_said(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="has no revision 'mian'"):
        commit_of(repository, "mian")
    with pytest.raises(UsageError, match="is in no git repository"):
        commit_of(tmp_path, "main")
    with pytest.raises(UsageError, match="has no revision '--help'"):
        commit_of(repository, "--help")
    (tmp_path / "older").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"The folder of this name is \./older\."):
        commit_of(repository, "older")


def test_the_state_of_a_folder_says_if_it_has_changes(repository: Path, git: Git, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert state_of(repository) == f"{commit}, with uncommitted changes"
    git(repository, "checkout", "-q", "--", ".")
    assert state_of(repository) == commit
    assert not state_of(tmp_path)
