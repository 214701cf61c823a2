"""Runs the tests of what any project installs under several Pythons and Djangos: `python tests/matrix.py`.

Other pairs than the usual ones are named like `python3.12=5.2`, or by path: `~/.pyenv/versions/3.12.1/bin/python=5.2`.
Each has its own virtualenv in a temporary folder, with the versions of constraints.txt but for Django's. The last
lines say which pairs were run and how they ended; the exit code is 0 only if all passed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
USUAL: Final = (
    "python3.11=4.2",
    "python3.11=5.2",
    "python3.12=4.2",
    "python3.12=6.0",
    "python3.13=5.2",
    "python3.13=6.1",
)
LIVE: Final = ("engines", "management_commands", "preload", "metrics_endpoint", "counts_reconcile", "requests_agree")
TESTS: Final = (
    "tests/instrumentation",
    "tests/fixes",
    *(f"tests/lab/test_{name}.py" for name in LIVE),
)
VERSIONS: Final = "import django, platform; print(f'{platform.python_version()}, Django {django.__version__}')"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A program of Python's, and the Django that it is to have."""

    python: str
    django: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What was really run, and pytest's own words for the end."""

    versions: str
    passed: bool
    summary: str


def pair(text: str) -> Pair:
    """A pair as the command line has it.

    Raises:
        argparse.ArgumentTypeError: it is none, or its Python cannot be run.
    """
    name, sign, django = text.partition("=")
    if not (name and sign and django):
        raise argparse.ArgumentTypeError(f"{text!r} is not like python3.12=5.2")
    python = shutil.which(Path(name).expanduser())
    # pyenv has a program for each version that it knows, whether it is switched on or not.
    if python is None or subprocess.run([python, "--version"], capture_output=True, check=False).returncode:
        raise argparse.ArgumentTypeError(
            f"{name} cannot be run here: install it, or give its path (with pyenv: PYENV_VERSION=3.11:3.12:3.13)"
        )
    return Pair(python=python, django=django)


def run(wanted: Pair, folder: Path) -> Outcome:
    """Install and test under that Python and that Django, in a new folder."""
    subprocess.run([wanted.python, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    pins = folder / "constraints.txt"
    pins.write_text("".join(line for line in pinned() if not line.startswith("Django==")))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", str(pins)]
    subprocess.run([*pip, "--editable", f"{ROOT}[lab,dev]", f"Django=={wanted.django}.*"], check=True)
    versions = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout.strip()
    argv = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(f"== Python {versions}\n{done.stdout}", flush=True)
    summary = next(reversed(done.stdout.strip().splitlines()), "pytest said nothing")
    return Outcome(versions=versions, passed=done.returncode == 0, summary=summary)


def pinned() -> list[str]:
    return (ROOT / "constraints.txt").read_text().splitlines(keepends=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="*", type=pair, metavar="PYTHON=DJANGO", help=f"default: {' '.join(USUAL)}")
    try:
        pairs = parser.parse_args().pairs or [pair(text) for text in USUAL]
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as folder:
        outcomes = []
        for number, wanted in enumerate(pairs):
            place = Path(folder) / str(number)
            place.mkdir()
            outcomes.append(run(wanted, place))
    for outcome in outcomes:
        print(f"Python {outcome.versions}: {outcome.summary}")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
