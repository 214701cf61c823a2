"""The images' recipe: clean by the linters, and its commands make an environment that serves and drives the site."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from natively import COMPOSE, REPOSITORY, made_secrets, stack, variables_in

if TYPE_CHECKING:
    from collections.abc import Mapping

BIN: Final = Path(sys.executable).parent
DOCKERFILE: Final = COMPOSE / "Dockerfile"


@pytest.mark.process
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([BIN / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


@pytest.mark.process
def test_shellcheck_finds_nothing_in_scripts_and_in_shell_commands(tmp_path: Path) -> None:
    variables = variables_in((COMPOSE / ".env.example").read_text()) | {"LOADLAB_SECRETS": "./secrets"}
    services = stack(variables)["services"]
    scripts = [COMPOSE / "make-secrets", *Path(__file__).parent.glob("*.sh")]
    for name, service in services.items():
        words = [*service.get("entrypoint", ()), *service.get("command", ())]
        if "/bin/sh" in words:
            scripts.append(tmp_path / f"{name}.sh")
            scripts[-1].write_text(f"#!/bin/sh\n{words[-1]}\n")
    assert len(scripts) == 5
    done = subprocess.run([BIN / "shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_the_builder_is_sent_what_the_recipe_copies_and_nothing_else() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    assert {name for copy in copies for name in copy.split()} == sent
    assert "*" in lines


def build_commands() -> list[str]:
    """The shell commands of the stage `build`, as Docker would run them."""
    stage = re.split(r"^FROM .*\n", DOCKERFILE.read_text(), flags=re.MULTILINE)[1]
    return re.findall(r"^RUN (.+)$", stage.replace("\\\n", ""), re.MULTILINE)


@pytest.mark.slow
def test_the_images_recipe_makes_an_environment_that_serves_the_site(tmp_path: Path) -> None:
    """Those of the stage `build`, in a folder of what the builder is sent; it takes packages from their registry."""
    home = tmp_path / "opt-loadlab"
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy2(REPOSITORY / name, tmp_path / name)
    shutil.copytree(REPOSITORY / "loadlab", tmp_path / "loadlab")
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    commands = build_commands()
    assert len(commands) == 3
    for command in commands:
        made = command.replace("/opt/loadlab", str(home))
        subprocess.run(["/bin/sh", "-c", made], cwd=tmp_path, env=environment, check=True, capture_output=True)
    for scenario in (REPOSITORY / "locustfiles").glob("*.py"):
        argv = [home / "bin/locust", f"--locustfile={scenario}", "--list"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=home)
        assert done.returncode == 0, done.stderr
    variables = made_secrets(tmp_path)
    for mode in ("sync", "gthread", "gevent"):
        service = stack(variables)["services"][f"app-{mode}"]
        done = subprocess.run(
            [home / "bin" / service["command"][0], "--check-config", *service["command"][1:]],
            env=image_environment(service["environment"], Path(variables["LOADLAB_SECRETS"]), home),
            capture_output=True,
            text=True,
            check=False,
            cwd=home,
        )
        assert done.returncode == 0, done.stderr


def image_environment(own: Mapping[str, str], secrets: Path, home: Path) -> dict[str, str]:
    """The service's, with its secrets and ledgers where they are on this machine."""
    moved = {name: value.replace("/run/secrets", str(secrets)) for name, value in own.items()}
    return {**moved, "LOADLAB_LEDGER_DIR": str(secrets.parent / "ledgers"), "PATH": f"{home / 'bin'}:/usr/bin:/bin"}
