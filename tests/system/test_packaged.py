"""What is built from the repository: a wheel and an sdist that hold the scenarios, plans and dashboards, and run."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from command_line import REPOSITORY
from patience import PATIENCE_SECONDS, await_that

from loadlab.system.packaged import packaged
from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES: Final = ("loadlab", "locustfiles", "plans", "dashboards")
FILES: Final = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "constraints.txt")
SHIPPED: Final = (
    "locustfiles/*.py",
    "plans/*.toml",
    "dashboards/*.json",
    "dashboards/prometheus/*.yml",
    "dashboards/provisioning/**/*.yml",
)


def shipped() -> set[str]:
    return {path.relative_to(REPOSITORY).as_posix() for pattern in SHIPPED for path in REPOSITORY.glob(pattern)}


@pytest.fixture(name="source", scope="module")
def copy_of_the_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, for a build leaves its own files beside the sources."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(REPOSITORY / name, folder)
    return folder


def built(kind: str, source: Path, out: Path) -> Path:
    """The archive that the build backend makes, called as a front end calls it."""
    code = f"import setuptools.build_meta as backend, sys; backend.build_{kind}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, out], cwd=source, check=True, capture_output=True)
    (archive,) = out.iterdir()
    return archive


@pytest.fixture(name="wheel", scope="module")
def built_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(name="sdist", scope="module")
def built_sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.mark.process
def test_the_wheel_holds_every_scenario_plan_and_dashboard(wheel: Path) -> None:
    held = {name.removeprefix("loadlab/_data/") for name in zipfile.ZipFile(wheel).namelist() if "/_data/" in name}
    assert held == shipped()
    assert len(held) > 20


@pytest.mark.process
def test_the_sdist_holds_what_a_wheel_is_built_from(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert shipped() <= held
    assert set(FILES) <= held


def test_a_clone_finds_the_folders_beside_the_package() -> None:
    assert packaged("locustfiles") == REPOSITORY / "locustfiles"
    assert packaged("plans") == REPOSITORY / "plans"
    assert packaged("dashboards") == REPOSITORY / "dashboards"


PLAN: Final = """
blocks = 1
warmup_seconds = 0.2
window_seconds = 0.6
users = [2]
[servers.sync]
[strategies.max_age]
max_age = [0, 60]
"""
OTHERS: Final = ("python3.12", "python3.13")


def interpreters() -> list[str]:
    """This Python, and the others that loadlab is for and that are here (with pyenv: PYENV_VERSION=3.11:3.12:3.13)."""
    found = [sys.executable]
    for name in OTHERS:
        path = shutil.which(name)
        # pyenv leaves a shim for each Python that some folder uses; here it may start nothing.
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            found.append(path)
    return found


class Installed:
    """An archive with its extra `lab` in a virtualenv that held nothing, used from a folder that knows no clone."""

    def __init__(self, home: Path, python: str, archive: Path) -> None:
        self.home = home
        self.binaries = home / "venv" / "bin"
        subprocess.run([python, "-m", "venv", home / "venv"], check=True, capture_output=True)
        pip = [
            self.binaries / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--constraint",
            REPOSITORY / "constraints.txt",
        ]
        subprocess.run([*pip, f"{archive}[lab]"], cwd=home, check=True, capture_output=True)
        # Not PYTHONPATH, nor anything else that could lead back to the clone.
        self.environment = {
            "PATH": f"{self.binaries}:/usr/bin:/bin",
            "HOME": str(home),
            STATE_VARIABLE: str(home / "state"),
        }

    def __call__(self, *argv: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, argv)], cwd=self.home, env=self.environment, capture_output=True, text=True, check=False
        )

    @contextmanager
    def going_on(self, *argv: object) -> Iterator[str]:
        """A command that goes on until it is stopped; yields the first URL that it prints."""
        log = self.home / "going-on.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [*map(str, argv)], cwd=self.home, env=self.environment, stdout=output, stderr=output
            ) as popen,
        ):
            try:
                await_that(lambda: bool(_url(log)) or popen.poll() is not None)
                assert popen.poll() is None, log.read_text()
                yield _url(log)
            finally:
                popen.send_signal(signal.SIGINT)
                popen.wait(PATIENCE_SECONDS)


def _url(log: Path) -> str:
    found = re.search(r"http://[\d.:]+", log.read_text())
    return found[0] if found else ""


@pytest.fixture
def home() -> Iterator[Path]:
    # Not pytest's own folder, which is closed to the ordinary user that root's servers run as.
    folder = Path(tempfile.mkdtemp(prefix="loadlab-packaged-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "python"), [("sdist", sys.executable), *(("wheel", one) for one in interpreters())])
def test_what_is_installed_plans_runs_serves_and_shows(
    kind: str, python: str, home: Path, request: pytest.FixtureRequest
) -> None:
    archive: Path = request.getfixturevalue(kind)
    installed = Installed(home, python, archive)
    (home / "tiny.toml").write_text(PLAN)
    for plan in ((), ("full",), ("strategies",), ("distance",)):
        planned = installed("loadlab", "plan", *plan)
        assert planned.returncode == 0, planned.stderr
    ran = installed("loadlab", "run", "tiny.toml", "--out", "runs/one", "--quiet")
    assert ran.returncode == 0, ran.stderr
    assert (home / "runs/one/report.html").is_file()
    scenario = installed("loadlab", "path", "read_one").stdout.strip()
    assert scenario.startswith(str(home / "venv"))
    with installed.going_on("loadlab", "serve", "--port", 0, "--quiet") as site:
        load = ("--host", site, "--headless", "--users", 1, "--run-time", "3s", "--only-summary")
        drove = installed("locust", "-f", scenario, *load, "--target-metrics", f"{site}/metrics")
        assert drove.returncode == 0, drove.stderr
    with installed.going_on("loadlab", "live", "runs", "--port", 0) as page:
        urllib.request.urlopen(page).close()  # noqa: S310  our own page; anything but 200 raises
