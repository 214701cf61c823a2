"""`loadlab run --against`: both sides of a project in one run, each with its own code, database and counts."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
from factories.projects import made

from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine, InProcess

pytestmark = pytest.mark.process

VIEW: Final = """
import time

from django.db import connection
from django.http import HttpResponse
from django.urls import path


def home(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        (name,) = cursor.fetchone()
    {more}
    return HttpResponse(name)


urlpatterns = [path("", home)]
"""
EMBEDDED: Final = 'database = "embedded"'
ENGINE: Final = '\nDATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "no_such_database"}}\n'


def view(*, more: str = "pass") -> str:
    return VIEW.format(more=more)


def git(folder: Path, *command: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@example"]
    subprocess.run(["git", *names, *command], cwd=folder, capture_output=True, check=True)


def two_commits(folder: Path, before: str, after: str) -> Path:
    """A plan over a project whose first commit has one view, and the second another."""
    plan = made(folder, settings=ENGINE, urls=before, project=EMBEDDED)
    site = folder / "site"
    git(site, "init", "-q", "-b", "main")
    git(site, "add", "-A")
    git(site, "commit", "-q", "-m", "before")
    (site / "site_urls.py").write_text(after)
    git(site, "commit", "-q", "-a", "-m", "after")
    return plan


def measured(loadlab: CommandLine, folder: Path, plan: Path, *options: object) -> dict[str, Any]:
    outcome = loadlab("run", plan, "--project", folder / "site", *options, "--out", folder / "run", "--quiet")
    assert outcome.code == 0, outcome.stderr
    report: dict[str, Any] = json.loads((folder / "run" / "report.json").read_text())
    return report


def test_each_side_answers_with_its_own_code(loadlab: CommandLine, tmp_path: Path) -> None:
    """The first commit opens a connection per request, and the second uses none."""
    slow = view(more="time.sleep(0.01)")  # a view without a query could be faster than its clients
    none = slow.replace("cursor.execute", "str").replace("connection.cursor()", "open('/dev/null')")
    none = none.replace("(name,) = cursor.fetchone()", "name = ''")
    plan = two_commits(tmp_path, slow, none)
    report = measured(loadlab, tmp_path, plan, "--against", "HEAD~1")
    trials = {trial["side"]: trial for trial in report["trials"] if not trial["replica"]}
    assert trials["this"]["connections"]["opened"] == 0
    assert trials["HEAD~1"]["connections"]["opened"] >= trials["HEAD~1"]["requests"] > 0
    assert all(trial["connections"]["exact"] and not trial["failures"] for trial in report["trials"])
    against = report["environment"]["against"]
    assert against["name"] == "HEAD~1"
    assert against["commit"] != against["commit of this side"]
    assert len(report["sides"]) == 1
    assert report["verdicts"] == report["answer"] == []  # with one strategy, the sides are the question


def test_all_that_keeps_sides_from_being_measured_is_told(
    here: InProcess, loadlab: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))
    plan = made(tmp_path, settings="import not_installed_anywhere\n", project=EMBEDDED)
    outcome = here("run", plan, "--project", tmp_path / "site", "--against", "main", "--out", tmp_path / "run")
    assert outcome.code != 0
    assert "not_installed_anywhere" in outcome.stderr
    assert "Against main:" in outcome.stderr
    assert "is in no git repository" in outcome.stderr
    assert not (tmp_path / "run").exists()


def test_a_side_that_would_import_the_other_ones_code_is_refused(
    here: InProcess, loadlab: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a package in src, installed in editable mode for the Python that both sides share."""
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))
    using = "import shared_code\n"
    plan = made(tmp_path, urls=using + view(), settings=ENGINE, project=EMBEDDED, files={"src/shared_code.py": ""})
    site = tmp_path / "site"
    git(site, "init", "-q", "-b", "main")
    git(site, "add", "-A")
    git(site, "commit", "-q", "-m", "all")
    monkeypatch.setenv("PYTHONPATH", str(site / "src"))
    outcome = here("run", plan, "--project", site, "--against", "main", "--out", tmp_path / "run")
    assert outcome.code != 0
    assert f"Against main: It imports modules of this side: {site / 'src'}." in outcome.stderr
    assert "--pythonpath" in outcome.stderr


def test_a_revision_that_does_not_load_is_told_with_its_own_options(
    here: InProcess, loadlab: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides share a virtualenv, and files that git does not have stay where they are."""
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))
    plan = two_commits(tmp_path, "import not_installed_anywhere\n" + view(), view())
    outcome = here("run", plan, "--project", tmp_path / "site", "--against", "HEAD~1", "--out", tmp_path / "run")
    assert outcome.code != 0
    said = "\n".join(line for line in outcome.stderr.splitlines() if not line.startswith("note:"))
    assert "Against HEAD~1:" in said
    assert "No module named 'not_installed_anywhere'" in said
    assert "--against-python .venv/bin/python" in said
    assert "take in [against]" in said
    assert " --python " not in said


def test_a_folder_that_would_import_the_other_ones_code_is_refused(
    here: InProcess, loadlab: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))
    using = "import shared_code\n"
    plan = made(tmp_path, urls=using + view(), settings=ENGINE, project=EMBEDDED, files={"src/shared_code.py": ""})
    site, other = tmp_path / "site", tmp_path / "other"
    shutil.copytree(site, other)
    monkeypatch.setenv("PYTHONPATH", str(site / "src"))
    outcome = here("run", plan, "--project", site, "--against", other, "--out", tmp_path / "run")
    assert outcome.code != 0
    assert f"Against other: It imports modules of this side: {site / 'src'}." in outcome.stderr
    assert "--against-python" in outcome.stderr


def test_a_stop_while_one_side_loads_does_not_load_the_other(loadlab: CommandLine, tmp_path: Path) -> None:
    loads = tmp_path / "loads"
    stops = f"""
import os, signal, time
open({str(loads)!r}, "a").write("x")
os.kill(os.getppid(), signal.SIGINT)
time.sleep(30)
"""
    plan = made(tmp_path, settings=ENGINE + stops, project=EMBEDDED)
    shutil.copytree(tmp_path / "site", tmp_path / "other")
    outcome = loadlab("run", plan, "--against", tmp_path / "other", "--out", tmp_path / "run")
    assert (outcome.code, loads.read_text()) == (130, "x")
    assert "loadlab: Stopped by SIGINT.\n" in outcome.stderr


def test_a_plan_of_two_sides_says_which_difference_it_detects(here: InProcess, tmp_path: Path) -> None:
    plan = made(tmp_path, settings=ENGINE, project=EMBEDDED)
    plan.write_text(plan.read_text().replace("blocks = 1", "blocks = 6"))
    outcome = here("plan", plan, "--against", "main", "--gate", "throughput >= 0.9 × baseline")
    assert outcome.code == 0, outcome.stderr
    assert "/side=main" in outcome.stdout
    assert "6 blocks and 1 comparison detect" in outcome.stdout


def test_a_python_of_the_other_side_is_told_with_its_own_option(
    here: InProcess, loadlab: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))
    outcome = here("run", "--against-python", tmp_path / "none", "--out", tmp_path / "run", "--quiet")
    assert outcome.code == 2
    assert "is not a working interpreter" in outcome.stderr
    assert outcome.stderr.endswith("Name one with --against-python.\n")


@pytest.mark.slow
@pytest.mark.parametrize(("more", "verdict"), [("time.sleep(0.05)", "worse"), ("str('as before')", "")])
def test_a_slow_view_of_the_later_commit_is_found(
    loadlab: CommandLine, tmp_path: Path, more: str, verdict: str
) -> None:
    plan = two_commits(tmp_path, view(), view(more=more))
    plan.write_text(plan.read_text().replace("blocks = 1", "blocks = 6"))
    report = measured(loadlab, tmp_path, plan, "--against", "HEAD~1")
    (found,) = [one for one in report["comparisons"] if one["question"] == "side" and one["metric"] == "throughput"]
    assert found["blocks"] == 6
    if verdict:
        assert found["verdict"] == verdict
        assert "slower than HEAD~1" in report["sides"][0]
    else:
        assert found["verdict"] in {"equivalent", "inconclusive"}
