"""The folder that the lab keeps outside of runs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from collections.abc import Sequence

STATE_VARIABLE: Final = "LOADLAB_STATE_DIR"


def state_directory() -> Path:
    """The lab's own folder outside of runs: PostgreSQL's files and the registers of running labs.

    For root it lies where an unprivileged user can reach it; a home folder or a clone may be closed to others. Where
    the home folder cannot be written, as in many containers, it is below the folder for temporary files.

    Raises:
        EnvironmentFaultError: the folder belongs to another user, or none can be made.
    """
    refused: list[str] = []
    for path in _places():
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            refused.append(f"{path} ({error.strerror})")
            continue
        if path.is_symlink() or path.stat().st_uid != os.getuid():
            raise EnvironmentFaultError(f"{path} is not a folder of this user. Remove it, or set {STATE_VARIABLE}.")
        if os.access(path, os.W_OK | os.X_OK):
            let_in(path)
            return path
        refused.append(f"{path} (not writable)")
    raise EnvironmentFaultError(
        f"loadlab cannot create a folder for its processes: {', '.join(refused)}. Set {STATE_VARIABLE} to"
        " a folder that this user may write to."
    )


def _places() -> Sequence[Path]:
    """Where the lab's folder may be, the first that can be written."""
    given = os.environ.get(STATE_VARIABLE)
    if given:
        return [Path(given)]
    if os.getuid() == 0:
        return [Path("/var/tmp/loadlab-root")]  # noqa: S108  its owner is looked at
    temporary = Path(tempfile.gettempdir(), f"loadlab-{os.getuid()}")
    return [Path(platformdirs.user_cache_dir("loadlab")), temporary]


def registers() -> Path:
    """Where the registers of this user's labs are, if there are any; nothing is made."""
    return _places()[0] / "labs"


def let_in(folder: Path) -> None:
    """Let other users enter a folder of ours, under any umask: what root runs as an ordinary user must pass."""
    if os.getuid() == 0:
        folder.chmod(0o755)
