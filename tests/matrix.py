"""Runs what any project installs under several Pythons and Djangos: `tests/matrix.py python3.11=4.2 python3.13=6.1`.

Each pair gets a virtualenv of its own in a temporary folder; the last lines say which were run, and how they ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TESTS: Final = ("tests/instrumentation", "tests/live/test_engines.py", "tests/live/test_books_agree.py")


def run(python: str, django: str, folder: Path) -> str:
    """The last line of pytest's words under that Python and that Django."""
    environment = folder / f"{Path(python).name}-{django}"
    subprocess.run([python, "-m", "venv", environment], check=True)
    interpreter = environment / "bin" / "python"
    # Without the pins: they hold the newest Django.
    install = [interpreter, "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[lab,dev]", f"Django=={django}.*"]
    subprocess.run(install, check=True)
    done = subprocess.run(
        [interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    return done.stdout.strip().splitlines()[-1]


def main(pairs: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        split = [pair.split("=") for pair in pairs]
        outcomes = {f"{python}, Django {django}": run(python, django, Path(folder)) for python, django in split}
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")


if __name__ == "__main__":
    main(sys.argv[1:])
