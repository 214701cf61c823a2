"""A revision of a project, checked out aside: nothing of the user's repository is changed for it.

The files are written from an index of the lab's own. So there is no entry in the repository's list of worktrees, no
hook runs, and what `git archive` would leave out (export-ignore) is there.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.system.short_programs import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_NAMED: Final = 5
SUBMODULE: Final = "160000"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkout:
    """The files of one commit in `root`; `taken` are files that git does not have, copied from the user's folder."""

    root: Path
    repository: Path
    commit: str
    taken: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()

    def place_of(self, path: Path) -> Path:
        """Where a folder of the repository is here; one that is outside stays where it is."""
        inside = path.is_relative_to(self.repository)
        return self.root / path.relative_to(self.repository) if inside else path


def repository_of(folder: Path) -> Path:
    """The top of the repository that a folder is in.

    Raises:
        UsageError: it is in none, or git is not installed.
    """
    return Path(_git(folder, "rev-parse", "--show-toplevel", failure=f"{folder} is in no git repository")).resolve()


def commit_of(folder: Path, revision: str) -> str:
    """The commit that a revision names in the repository of a folder.

    Raises:
        UsageError: the repository does not have it.
    """
    repository_of(folder)
    failure = (
        f"The repository of {folder} has no revision {revision!r}; git fetch gets those of a remote (in CI, check out"
        f" with the whole history: fetch-depth: 0 in GitHub Actions, GIT_DEPTH: 0 in GitLab){_as_folder(revision)}"
    )
    name = f"{revision}^{{commit}}"
    return _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", name, failure=failure)


def _as_folder(name: str) -> str:
    return f". The folder of this name is ./{name}" if Path(name).is_dir() else ""


def state_of(folder: Path) -> str:
    """The commit that a folder is at, and whether it has changes; empty where that is not known."""
    try:
        commit = _git(folder, "rev-parse", "HEAD", failure="")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", failure="")
    except UsageError:
        return ""
    return f"{commit}, with uncommitted changes" if changed else commit


def checked_out(folder: Path, revision: str, into: Path, take: Sequence[str] = ()) -> Checkout:
    """Write the files of a revision, with those of its submodules, below `into`.

    Raises:
        UsageError: there is no repository, no such revision, or a commit of a submodule is not here.
    """
    repository, commit = repository_of(folder), commit_of(folder, revision)
    into.mkdir(parents=True)
    _write(repository, commit, into)
    submodules = tuple(_submodules(repository, commit, into))
    taken = tuple(_taken(repository, into, take))
    return Checkout(root=into, repository=repository, commit=commit, taken=taken, submodules=submodules)


def _write(repository: Path, commit: str, into: Path) -> None:
    index = into.with_name(f"{into.name}.index")
    try:
        failure = f"git cannot check {commit} out of {repository}"
        _git(repository, "read-tree", commit, failure=failure, index=index)
        _git(repository, "checkout-index", "--all", "--force", f"--prefix={into}{os.sep}", failure=failure, index=index)
    finally:
        index.unlink(missing_ok=True)


def _submodules(repository: Path, commit: str, into: Path) -> Iterator[str]:
    """Each at the commit that this revision names, from what is in the user's own checkout."""
    listed = _git(repository, "ls-tree", "-r", "-z", commit, failure=f"git cannot list {commit}")
    for line in filter(None, listed.split("\0")):
        kind, _, rest = line.partition(" ")
        if kind != SUBMODULE:
            continue
        pinned, _, path = rest.partition(" ")[2].partition("\t")
        inner = repository / path
        if not (inner / ".git").exists():
            raise UsageError(f"The submodule {path} is not here. Run git submodule update --init in {repository}.")
        failure = f"The submodule {path} does not have the commit {pinned}: run git fetch in {inner}"
        _git(inner, "cat-file", "-e", f"{pinned}^{{commit}}", failure=failure)
        _write(inner, pinned, into / path)
        yield path
        yield from (f"{path}/{below}" for below in _submodules(inner, pinned, into / path))


def _taken(repository: Path, into: Path, take: Sequence[str]) -> Iterator[str]:
    """Copy what the globs name and git does not have: settings that are not for a repository."""
    if not take:
        return
    globs = [f":(glob){one}" for one in take]
    listed = _git(repository, "ls-files", "--others", "-z", "--", *globs, failure=f"git cannot list {repository}")
    for name in filter(None, listed.split("\0")):
        source, target = repository / name, into / name
        if source.is_file() and not target.exists() and not _in_virtualenv(source, repository):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
            yield name


def _in_virtualenv(path: Path, top: Path) -> bool:
    between = (one for one in path.parents if one.is_relative_to(top))
    return any((one / "pyvenv.cfg").exists() for one in between)


def named(files: Sequence[str]) -> str:
    """The first few of them.

    >>> named(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d, e and 1 more'
    """
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    return ", ".join(files[:MOST_NAMED]) + more


def _git(folder: Path, *command: str, failure: str, index: Path | None = None) -> str:
    """What a command of git's says; `index` is used in place of the repository's own."""
    # Not those of a hook or of another repository that the lab may have been started from.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    try:
        argv = ["git", "-C", str(folder), *command]
        done = run_program(argv, environment=environment)
    except FileNotFoundError as error:
        raise UsageError("git is not installed. Install it, or name another folder in place of a revision.") from error
    if done.returncode:
        said = done.stderr.strip()
        raise UsageError(f"{failure}{f' ({said})' if said else ''}.")
    return done.stdout.strip("\n")
