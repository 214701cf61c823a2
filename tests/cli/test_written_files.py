"""What a command writes where the user wants it: whole or not at all, and never in place of what is no file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import pytest
from disks import full_disk

from loadlab.cli._files import write
from loadlab.errors import EnvironmentFaultError
from loadlab.services.secret_files import write_secret
from loadlab.system.ending import ended

LONG: Final = "x" * 8192
OTHERWISE: Final = "Name another file."


def test_a_file_is_written_with_the_folders_that_it_lacks(tmp_path: Path) -> None:
    write(tmp_path / "not" / "there" / "file", "new", OTHERWISE)
    assert (tmp_path / "not" / "there" / "file").read_text() == "new"


def test_a_full_disk_keeps_the_file_that_was_there_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with full_disk(), pytest.raises(EnvironmentFaultError, match=r"file cannot be written: the disk is full\."):
        write(tmp_path / "file", LONG, OTHERWISE)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]


def test_a_full_disk_leaves_no_part_of_a_secret(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_secret(tmp_path / "key", LONG)
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link_and_the_file_behind_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link", "new", OTHERWISE)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_what_is_no_file_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, "new", OTHERWISE)
        assert os.read(reader, 100) == b"new"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_file_whose_folder_takes_no_other_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a container has the file mounted by itself."""

    def busy(draft: Path, target: Path) -> Path:
        raise OSError(16, "Device or resource busy", str(target))

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(type(tmp_path), "replace", busy)
    write(tmp_path / "file", "new", OTHERWISE)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_no_room_for_temporary_files_is_told_and_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    with full_disk(room=0):
        code = ended(lambda: bool(tempfile.mkdtemp()))
    assert code == 3
    said = capsys.readouterr().err
    assert said.startswith("loadlab: No usable temporary directory found in [")
    assert said.endswith("]. Make room there, or name another one in TMPDIR.\n")


def test_a_file_that_this_user_may_not_use_is_named_and_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    code = ended(lambda: bool(Path("/sys/loadlab").mkdir()))
    assert code == 3
    assert capsys.readouterr().err.startswith("loadlab: /sys/loadlab cannot be used: ")
