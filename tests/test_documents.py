"""Plans and programs in the documentation are tried as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from fork import PLACES, ROOT, Fork, examples

from loadlab.errors import UsageError
from loadlab.fleet.fleet_file import read_fleet
from loadlab.plan.experiment import read_plan
from loadlab.plan.scenarios import scenarios
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES
from loadlab.workers import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a fragment of a plan leaves to the rest of it.
REST: Final = {"servers": "[servers.sync]\n", "strategies": "[strategies.max_age]\n"}


def blocks(language: str, *pages: Path) -> Iterator[tuple[str, str]]:
    """(where, text) of each block of code in that language."""
    for page in pages:
        for found in re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            line = page.read_text()[: found.start()].count("\n") + 1
            yield f"{page.name}:{line}", found[1]


TABLES: Final = dict(
    blocks("toml", ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
)
OF_FLEETS: Final = {"traffic", "events", "hosts", "application"}  # a file that has one of these is a fleet's
FLEETS: Final = {where: text for where, text in TABLES.items() if OF_FLEETS & tomllib.loads(text).keys()}
PLANS: Final = {where: text for where, text in TABLES.items() if where not in FLEETS}
# What a fragment of a fleet's file leaves to the rest of it, and the keys that say the same otherwise.
WHOLE_FLEET: Final = {
    "hosts": "hosts = 20\n",
    "server": "[server.gthread]\n",
    "strategies": "[strategies.max_age]\n",
    "traffic": "[traffic.day]\nmean_rate = 20\n",
    "application": "[application]\nconnect_ms = 3\nhold_ms = 20\n",
}
MEASURED: Final = {"run", "watch", "application"}
LOG: Final = ROOT / "tests" / "fleet" / "traffic" / "requests.txt"


def completed(text: str, home: Path) -> str:
    """A plan of the text: what is missing in a fragment is added, and the reader's own files are there."""
    said = tomllib.loads(text)
    if "target" not in said:
        text += "".join(rest for key, rest in REST.items() if key not in said)
    for name in re.findall(r'"/home/me/([\w/.-]+)"', text):
        if name.endswith(".py"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).touch()
    return text.replace("/home/me", str(home))


def completed_fleet(text: str, home: Path) -> str:
    """A fleet of the text: what is missing in a fragment is added, and the reader's own files are there."""
    said = tomllib.loads(text).keys()
    missing = {key: rest for key, rest in WHOLE_FLEET.items() if key not in said}
    if said & MEASURED:
        missing.pop("application", None)
    for name in re.findall(r'"/home/me/([\w/.-]+log)\*?"', text):
        shutil.copy(LOG, home / name)
    return missing.pop("hosts", "") + text.replace("/home/me", str(home)) + "\n" + "".join(missing.values())


def test_there_are_plans_and_fleets_in_the_documentation() -> None:
    assert len(PLANS) >= 5
    assert len(FLEETS) >= 5


@pytest.mark.parametrize("where", PLANS)
def test_every_plan_in_the_documentation_holds_together(where: str, tmp_path: Path) -> None:
    assert read_plan(completed(PLANS[where], tmp_path), where).cases


@pytest.mark.parametrize("where", FLEETS)
def test_every_fleet_in_the_documentation_holds_together(where: str, tmp_path: Path) -> None:
    assert read_fleet(completed_fleet(FLEETS[where], tmp_path), where).scene().rates.seconds > 0


def test_a_plan_with_a_fault_in_the_documentation_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown key"):
        read_plan(completed("usres = [8]\n", tmp_path), "page")


TWISTED: Final = """
[servers.twisted]
reactor = ["poll", "select"]
[strategies]
max_age = {}
worker_exit_hook = {}
pgbouncer = {}
"""
# What a reader would try next with each program of CONTRIBUTING: a plan, or a line of Python.
USES: Final = {
    "Add a server mode": TWISTED,
    "Add a strategy": "[servers.sync]\n[strategies.checked_minute]\n",
    "Add a scenario": 'scenarios = ["longer_query"]\n' + "".join(REST.values()),
    "Add a probe": "from loadlab.probes import quantities; quantities()['database_size']",
    "Add a report format": "from loadlab.report import REPORTS; REPORTS['spreadsheet']()",
    "Add a fault": "from loadlab.faults import FAULTS; FAULTS['accept_stalls']()",
    "Add a dashboard": (
        "from dashboards.source.boards.waits import *; from dashboards.source.grafana import to_json; to_json(BOARD)"
    ),
    "Add a claim": "from loadlab.claims import CLAIMS; CLAIMS['no_time_out']()",
    "Add a cause of leaks": (
        "from loadlab.leak_causes import *; from loadlab.model.open_connections import Listing;"
        " LEAK_CAUSES['waits_for_lock']().page; verdict(Listing(at=0, connections=(), aliases={}))"
    ),
    "Add a traffic": "from loadlab.fleet.traffic import TRAFFICS; TRAFFICS['ramp'](last_rate=9.0).rates(None)",
    "Add an event": "from loadlab.fleet.events import EVENTS; EVENTS['out_of_memory'](at_seconds=9.0)",
}


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Fork:
    return Fork.made(tmp_path_factory.mktemp("fork"))


def test_every_program_in_contributing_is_tried_here() -> None:
    assert examples().keys() == PLACES.keys() == USES.keys()


@pytest.mark.process
@pytest.mark.parametrize("heading", USES)
def test_an_example_of_contributing_works_once_it_is_saved(heading: str, fork: Fork, tmp_path: Path) -> None:
    use = USES[heading]
    if use.startswith("from "):
        done = fork.run("-c", use)
        assert done.returncode == 0, done.stderr
        return
    (tmp_path / "plan.toml").write_text(use)
    done = fork.run("-m", "loadlab", "plan", "--ids", tmp_path / "plan.toml")
    assert done.returncode == 0, done.stderr
    assert Path(PLACES[heading]).stem in done.stdout


@pytest.mark.process
def test_a_report_format_of_contributing_is_written_by_report(fork: Fork, tmp_path: Path) -> None:
    run = shutil.copytree(ROOT / "tests" / "recorded" / "schema-1", tmp_path / "run")
    done = fork.run("-m", "loadlab", "report", run)
    assert done.returncode == 0, done.stderr
    assert (run / "report.csv").read_text().startswith("run,case,trials")


@pytest.mark.process
def test_the_command_of_contributing_counts_the_new_servers_rows(fork: Fork) -> None:
    ((_, block),) = blocks("sh", ROOT / "CONTRIBUTING.md")
    _, *arguments = shlex.split(block.replace("\\\n", " "))
    done = fork.run("-m", "loadlab", *arguments, "--list")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 10
    assert all(line.startswith("twisted,") for line in done.stdout.splitlines())


@pytest.mark.slow
@pytest.mark.process
def test_the_claim_of_contributing_is_tested_and_holds(fork: Fork) -> None:
    done = fork.run("-m", "loadlab", "behaviour", "--claims", "--only", "claim/no_time_out")
    assert done.returncode == 0, done.stderr
    assert "left open" in done.stdout


def test_the_readme_counts_what_there_is() -> None:
    members = {
        "server modes": SERVERS,
        "strategies": STRATEGIES,
        "scenarios": scenarios(),
        "background workers": WORKERS,
    }
    said = dict(re.findall(r"(\d+)\s+\[([a-z ]+)\]", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {kind: int(count) for count, kind in said.items()} == {
        kind: len(list(each)) for kind, each in members.items()
    }
