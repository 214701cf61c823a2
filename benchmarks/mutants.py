"""Mutation testing: how many small faults in a package its tests notice. A seeded sample, in a copy of the tree.

cosmic-ray makes the mutants. It writes each into the file, so a child process that a test starts runs it too. The tests
run in a fork that has the libraries imported already, which takes a third of the time of a new interpreter.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from cosmic_ray.commands import init
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cosmic_ray.work_item import MutationSpec, WorkItem

# What is mutated, and the tests that cover it, the quickest first.
PACKAGES: Final = {
    "loadlab/stats": ("tests/stats", "tests/test_examples.py", "tests/analysis/test_arms.py"),
    "loadlab/model": ("tests/model", "tests/plan", "tests/store/test_store.py", "tests/test_examples.py"),
    "loadlab/instrumentation": ("tests/instrumentation",),
}
# Annotations are not evaluated, and for None, True and small integers `is` and `==` are the same.
LEFT_OUT: Final = ("BinaryOperator_BitOr_", "Operator_Is_Eq", "Operator_IsNot_NotEq", "Operator_Eq_Is")
# What a decorator says (frozen, slots, property) changes no number, and the same line is in many modules.
DECORATOR: Final = "@"
OPTIONS: Final = ("-q", "-x", "-p", "no:cacheprovider", "--assert=plain", "-m")
MARKS: Final = "not slow and not browser and not prometheus"
LIBRARIES: Final = ("numpy", "scipy.stats", "hypothesis", "pydantic", "psutil", "jinja2", "rich.console", "django.test")
LONGER: Final = 3  # times as long as without a mutant, and at least SHORTEST_SECONDS: it hangs
SHORTEST_SECONDS: Final = 60.0  # on a busy machine a quick test may take three times as long by chance


@dataclass(frozen=True)
class Outcome:
    """One mutant, and whether a test noticed it. `key` is the same in every tree that has this line.

    One that `hung` took too long: it counts as killed, but a busy machine may be the reason, so try it again alone.
    """

    module: str
    key: str
    killed: bool
    change: str
    hung: bool = False


def copied(tree: Path, into: Path) -> None:
    """The files that git knows: the tree in use is not touched, and two runs do not meet."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=tree, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (tree / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, into / name)


def candidates(modules: Iterable[str]) -> list[WorkItem]:
    with use_db(":memory:", WorkDB.Mode.create) as db:
        init([Path(module) for module in modules], db, {})
        found = list(db.work_items)
    return [item for item in found if not any(part in item.mutations[0].operator_name for part in LEFT_OUT)]


def sampled(items: Sequence[WorkItem], count: int, seed: int) -> list[tuple[str, MutationSpec]]:
    """At most one mutant a line; chosen by a hash of the line, so that trees which share it share the mutant."""
    best: dict[tuple[Path, int], tuple[str, MutationSpec]] = {}
    for key, mutation in _keyed(items, seed):
        place = (mutation.module_path, mutation.start_pos[0])
        best[place] = min(best.get(place, (key, mutation)), (key, mutation), key=lambda each: each[0])
    return sorted(best.values(), key=lambda each: each[0])[:count]


def _keyed(items: Sequence[WorkItem], seed: int) -> Iterator[tuple[str, MutationSpec]]:
    seen: Counter[str] = Counter()
    lines: dict[Path, list[str]] = {}
    for item in items:
        mutation = item.mutations[0]
        text = lines.setdefault(mutation.module_path, mutation.module_path.read_text(encoding="utf-8").split("\n"))
        if text[mutation.start_pos[0] - 1].lstrip().startswith(DECORATOR):
            continue
        said = f"{seed} {mutation.operator_name} {mutation.start_pos[1]} {text[mutation.start_pos[0] - 1]}"
        seen[said] += 1
        yield sha256(f"{said} {seen[said]}".encode()).hexdigest()[:12], mutation


def modules_of(paths: Iterable[str]) -> list[str]:
    return [str(module) for path in paths for module in (sorted(Path(path).glob("*.py")) or [Path(path)])]


def tried(packages: Sequence[str], tests: Sequence[str], options: argparse.Namespace) -> list[Outcome]:
    until = time.monotonic() + options.minutes * 60
    began = time.monotonic()
    if status_of(tests, options.marks, 600) != 0:
        sys.exit(f"{packages}: the tests fail without any mutant:\n{Path('said').read_text(encoding='utf-8')}")
    longest = max(SHORTEST_SECONDS, LONGER * (time.monotonic() - began))
    outcomes: list[Outcome] = []
    for key, mutation in sampled(candidates(modules_of(packages)), options.mutants, options.seed):
        if time.monotonic() > until:
            print(f"{packages}: {options.minutes:g} minutes are over after {len(outcomes)} mutants", flush=True)
            break
        outcomes.append(_outcome(key, mutation, tests, options.marks, longest))
    return outcomes


def _outcome(key: str, mutation: MutationSpec, tests: Sequence[str], marks: str, longest: float) -> Outcome:
    operator = get_operator(mutation.operator_name)(**mutation.operator_args)
    with use_mutation(mutation.module_path, operator, mutation.occurrence) as (before, after):
        status = status_of(_own_first(mutation.module_path, tests), marks, longest)
    line = mutation.start_pos[0] - 1
    change = "\n".join(f"{sign} {code.split(chr(10))[line].strip()}" for sign, code in (("-", before), ("+", after)))
    if not status:
        word = "hung" if status is None else "survived"
        print(f"{word} {key} {mutation.module_path}:{line + 1}\n{change}", flush=True)
    return Outcome(str(mutation.module_path), key, status != 0, change, status is None)


def _own_first(module: Path, tests: Sequence[str]) -> list[str]:
    """A module's own tests before all others: most mutants die there, in a second."""
    return [*sorted(str(path) for path in Path("tests").rglob(f"test_{module.stem}.py")), *tests]


def status_of(tests: Sequence[str], marks: str, seconds: float) -> int | None:
    """The exit status of the tests, 0 if all pass; None if they take longer than this."""
    child = os.fork()
    if child == 0:
        _run_tests(tests, marks)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _run_tests(tests: Sequence[str], marks: str) -> None:
    """In the fork: a new session, so that everything that a hanging test started ends with it."""
    code = 70
    try:
        os.setsid()
        said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        code = int(pytest.main([*OPTIONS, marks, *tests]))
    except BaseException:  # noqa: BLE001  a fork must not go on as the parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def table(outcomes: Sequence[Outcome]) -> str:
    killed = Counter(outcome.module for outcome in outcomes if outcome.killed)
    total = Counter(outcome.module for outcome in outcomes)
    rows = [f"{killed[module]:4} of {total[module]:3} killed  {module}" for module in sorted(total)]
    return "\n".join([*rows, f"{killed.total():4} of {total.total():3} killed"])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", help=f"of {', '.join(PACKAGES)}; or any with --tests")
    parser.add_argument("--tests", help="run these instead, separated by spaces")
    parser.add_argument("--marks", default=MARKS, help="which tests, as pytest's -m (default: %(default)s)")
    parser.add_argument("--mutants", type=int, default=60, help="in each package")
    parser.add_argument("--minutes", type=float, default=10, help="for each package, at most")
    parser.add_argument("--seed", type=int, default=2013)
    parser.add_argument("--tree", type=Path, default=Path.cwd(), help="a clone of loadlab")
    parser.add_argument("--json", type=Path, help="write every mutant's outcome here")
    return parser.parse_args()


def prepare(folder: str) -> None:
    os.chdir(folder)
    os.environ["PYTHONPATH"] = folder
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    sys.path[0] = folder
    with warnings.catch_warnings(action="ignore"):
        for library in LIBRARIES:
            importlib.import_module(library)


def main() -> None:
    options = arguments()
    tree, written = options.tree.resolve(), options.json and options.json.resolve()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="loadlab-mutants-") as folder:
        copied(tree, Path(folder))
        prepare(folder)
        parts = [([each], PACKAGES[each]) for each in options.packages or PACKAGES] if not options.tests else None
        for packages, tests in parts or [(options.packages, options.tests.split())]:
            made = tried(packages, tests, options)
            print(f"\n{table(made)}\n", flush=True)
            outcomes += made
        os.chdir("/")
    if written:
        written.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
