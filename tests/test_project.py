"""The project as a whole: what imports what, what the documentation names, and what no file may hold."""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import matrix
import pytest
from every import every

from loadlab.cli import COMMANDS, parser
from loadlab.model.metrics import CATALOGUE
from loadlab.plan.scenarios import SCENARIO_FOLDER, scenarios
from loadlab.probes import PROBES
from loadlab.report import REPORTS
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
DOCUMENTED: Final = "\n".join(page.read_text() for page in PAGES)

INSTRUMENTATION: Final = tuple(
    f"loadlab.instrumentation.{path.stem}" for path in (ROOT / "loadlab" / "instrumentation").glob("[a-z]*.py")
)
OF_THE_LAB: Final = {
    "locust",
    "gevent",
    "pydantic",
    "msgspec",
    "psutil",
    "numpy",
    "scipy",
    "rich",
    "psycopg2",
    "psycopg",
}
OF_TARGET_AND_LOAD: Final = {"django", "locust", "gevent", "prometheus_client"}


# The modules that may read the wall clock, which can be set, and what for; durations come from the monotonic clock.
WALL_CLOCK: Final = {
    "cli/_fleet_validating.py": "the name of a validation's folder",
    "cli/fleet.py": "the name of an answer's folder",
    "cli/run.py": "the name of a run's folder",
    "cli/watch.py": "when a watch began, as JUnit XML has it",
    "instrumentation/open_connections.py": "when a listing was read, as people read it",
    "live/discovery.py": "how old a run's last sign is, which another process has written",
    "load/distributed/rpc.py": "Locust keeps its last heartbeat by it",
    "load/http/cookies.py": "cookies end by it",
    "load/locust_plugins/final_reports.py": "when a worker last reported, as people read it",
    "load/locust_plugins/latency_log.py": "the labels of the seconds in an .hlog file",
    "load/http/lean_user.py": "Locust's listeners are told it",
    "load/locust_plugins/pacing.py": "Locust tells the start of a request by it; what follows uses the steady clock",
    "load/locust_plugins/site_metrics.py": "since when a site has not answered, as people read it",
    "lab/fleets/lane.py": "when a small fleet was run, as people read it",
    "lab/fleets/validating.py": "when predictions were written, as people read it",
    "lab/following.py": "the label of an event",
    "lab/happening.py": "the label of an event",
    "lab/journal.py": "the label of an event",
    "lab/run.py": "when a run began, as people read it",
    "lab/scraping.py": "Prometheus stamps its samples by it",
    "lab/survival.py": "when a trial began, as people read it",
    "lab/trial.py": "when a trial began, as people read it",
    "store/folder.py": "when a run was begun, as people read it",
}


def imported_by(*modules: str) -> set[str]:
    """The top-level packages that a fresh process has loaded once it has imported the modules."""
    code = f"import {', '.join(modules)}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.process
def test_what_any_project_installs_loads_nothing_of_the_lab() -> None:
    assert {"apps", "views", "counting"} <= {name.rpartition(".")[2] for name in INSTRUMENTATION}
    loaded = imported_by(*INSTRUMENTATION)
    assert {"django", "prometheus_client"} <= loaded
    assert loaded & OF_THE_LAB == set()


@pytest.mark.process
def test_the_lab_loads_nothing_of_what_it_measures() -> None:
    loaded = imported_by(
        "loadlab.cli",
        "loadlab.cli._publish",
        "loadlab.cli._behaviour_counting",
        "loadlab.analysis",
        "loadlab.lab.run",
        "loadlab.lab.application",
        "loadlab.watch.observation",
        "loadlab.live.hosting",
    )
    assert {"pydantic", "numpy"} <= loaded
    assert loaded & OF_TARGET_AND_LOAD == set()


def test_durations_are_those_of_a_clock_that_cannot_be_set() -> None:
    reads_it = re.compile(r"\btime\.time(_ns)?\(|\bdatetime\.(now|utcnow)\(|from time import[^\n]*\btime\b")
    package = ROOT / "loadlab"
    readers = {one.relative_to(package).as_posix() for one in package.rglob("*.py") if reads_it.search(one.read_text())}
    assert readers
    assert readers - set(WALL_CLOCK) == set()


HEAVY: Final = {"scipy", "numpy", "pydantic", "rich", "jinja2", "psycopg2", "psutil", "tomli_w", "shtab", "msgspec"}


def imported_for(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command, and the top-level packages that its process has loaded at its end."""
    code = (
        "import atexit, sys; from loadlab.__main__ import main; sys.argv[0] = 'loadlab';"
        " atexit.register(lambda: print(*{name.partition('.')[0] for name in sys.modules})); sys.exit(main())"
    )
    argv = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, set(done.stdout.splitlines()[-1].split())


@pytest.mark.process
@pytest.mark.parametrize(
    ("line", "code"),
    [("--version", 0), ("--help", 0), ("plna", 2), ("run --help", 0), ("run --lvie", 2), ("path read_one", 0)],
)
def test_help_versions_and_typos_load_nothing_heavy(line: str, code: int) -> None:
    ended, loaded = imported_for(*line.split())
    assert ended == code
    assert loaded & HEAVY == set()


@pytest.mark.process
def test_no_commands_help_loads_anything_heavy() -> None:
    for name in subcommands():
        assert imported_for(name, "--help")[1] & HEAVY == set(), name


@pytest.mark.process
@pytest.mark.parametrize("line", ["plan", "plan strategies --json", "plan distance --order"])
def test_a_plan_is_checked_without_statistics_and_pictures(line: str) -> None:
    ended, loaded = imported_for(*line.split())
    assert ended == 0
    assert loaded & HEAVY == set()


@pytest.mark.process
def test_a_plan_with_problems_is_refused_without_statistics_and_pictures(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("blocks = 0\n[servers.sync]\n[strategies.max_age]\n")
    ended, loaded = imported_for("plan", str(tmp_path / "plan.toml"))
    assert (ended, loaded & HEAVY) == (2, {"pydantic"})


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return action.choices


def options() -> Iterator[tuple[str, str]]:
    """Every (command, option) there is, the top's own under the empty name."""
    for name, command in {"": parser(), **subcommands()}.items():
        for option in (option for action in command._actions for option in action.option_strings):
            if option.startswith("--"):
                yield name, option


def names(word: str) -> bool:
    """Whether a page names the word as code: alone, or first in a phrase."""
    return re.search(rf"`{re.escape(word)}(?![\w-])", DOCUMENTED) is not None


@every(
    ("family", "members"),
    [
        ("server mode", list(SERVERS)),
        ("strategy", list(STRATEGIES)),
        ("scenario", scenarios()),
        ("probe", list(PROBES)),
        ("report", [filename for name in REPORTS if (filename := REPORTS[name].filename)]),
        ("metric", [metric.name for metric in CATALOGUE]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_documentation_names_every_member(family: str, members: list[str]) -> None:
    assert members
    assert [member for member in members if not names(member)] == [], family


def test_the_documentation_names_every_command() -> None:
    assert set(subcommands()) == {command.__name__.rpartition(".")[2] for command in COMMANDS}
    assert [name for name in subcommands() if f"loadlab {name}" not in DOCUMENTED] == []


def test_the_documentation_names_every_option() -> None:
    named = set(re.findall(r"--[a-z][a-z-]*", DOCUMENTED))
    assert [(command, option) for command, option in options() if option not in named] == []


def test_the_documentation_names_no_option_that_no_command_has() -> None:
    ours = {option for _, option in options()}
    asked = re.findall(r"(?:`|bin/)loadlab ([a-z]+)([^`\n#|]*)", DOCUMENTED)
    assert asked
    for command, rest in asked:
        assert command in subcommands(), command
        assert set(re.findall(r"--[a-z][a-z-]*", rest)) <= ours, (command, rest)


def project_files() -> list[Path]:
    """What git tracks, or would with the next commit."""
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(
        [*git, "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in files if path.is_file()]


@pytest.mark.process
def test_no_file_knows_the_machine_it_was_written_on() -> None:
    places = {f"{place}/" for place in (Path.home(), ROOT) if len(place.parts) > 1}
    # In two halves, or this file would be the first to hold them.
    places |= {"index" + "-url", "files.python" + "hosted", "index" + "_url"}
    found = {
        (path.relative_to(ROOT).as_posix(), place)
        for path in project_files()
        for place in places
        if re.search(rf"(?<![\w.-]){re.escape(place)}", path.read_text(errors="replace"))
    }
    assert found == set()


def test_the_matrix_of_versions_names_tests_that_there_are() -> None:
    assert [name for name in matrix.TESTS if not (ROOT / name).exists()] == []


@every("name", scenarios())
def test_a_locustfile_opens_with_the_question_that_it_asks(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((SCENARIO_FOLDER / f"{name}.py").read_text()))
    assert docstring is not None
    assert docstring.splitlines()[0].endswith("?")


def test_the_catalogues_names_are_prefixed_and_helps_name_units() -> None:
    catalogued = [metric.name for metric in CATALOGUE]
    assert len(catalogued) == len(set(catalogued)) > 0
    for metric in CATALOGUE:
        assert re.fullmatch(r"loadlab_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") is (metric.kind == "counter")
        assert bool(metric.buckets) is (metric.kind == "histogram")
        if metric.name.endswith("_info"):  # says something in its labels, and measures nothing
            continue
        unit = "(seconds)" if metric.name.endswith("_seconds") else "(count)"
        assert unit in metric.help, metric.name


@pytest.mark.process
def test_the_command_of_a_light_install_says_what_to_install() -> None:
    """As if none of the lab's packages were there."""
    code = (
        f"import sys; sys.modules |= dict.fromkeys({sorted(HEAVY)}); sys.argv = ['loadlab', 'report', 'any'];"
        " from loadlab.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "pip install 'PATH[lab]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_program_is_told_which_environment_it_gets() -> None:
    """Ours may hold a password that no other program is to see: `inherited()` leaves it out.

    Two functions start all programs, `Register.start` and `run_program`: both have an environment to be named.
    """
    started = {
        f"{path.relative_to(ROOT)}:{call.lineno}": {keyword.arg for keyword in call.keywords}
        for room in ("lab", "services", "system", "judges", "probes", "claims", "live", "cli")
        for path in (ROOT / "loadlab" / room).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"subprocess.run", "subprocess.Popen"}
    }
    assert len(started) == 2
    assert [where for where, keywords in started.items() if "env" not in keywords] == []
