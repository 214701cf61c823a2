"""The names of the files in a run folder are spelt in one module, and that module knows them all."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import loadlab
from loadlab.report import REPORTS
from loadlab.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(loadlab.__file__).parent
FILES = ("PLAN", "SCHEDULE", "ENVIRONMENT", "RESTARTS", "OPENS", "HOLDING", "PROGRESS", "LOCUST_LOG", "POSTGRESQL_LOG")
ROOMS = ("TRIALS", "SESSIONS", "LOGS")  # the folder of a Prometheus has the name of any Prometheus
NAMES = [*(getattr(layout, name) for name in FILES), *(layout.report(suffix) for suffix in ("html", "md", "json"))]
# A file's name, and a folder's name before a slash; an address of the live page has the slash in front as well.
SPELT = re.compile(
    rf"(?<![\w.-])(?:{'|'.join(map(re.escape, NAMES))})(?![\w.-])"
    rf"|(?<![\w/.-])(?:{'|'.join(getattr(layout, name) for name in ROOMS)})/"
)


def spelt_in(code: str) -> Iterator[str]:
    """The names that a module spells in its code, with their lines; what it says in docstrings is for people."""
    tree = ast.parse(code)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from (f"{node.lineno}: {name}" for name in SPELT.findall(node.value))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            rooms = [getattr(layout, name) for name in ROOMS]
            yield from (f"{node.lineno}: {one}" for one in rooms if one == node.right.value)


def modules() -> Iterator[Path]:
    return (path for path in PACKAGE.rglob("*.py") if path != Path(layout.__file__))


def test_no_other_module_spells_the_name_of_a_file_in_a_run_folder() -> None:
    found = [f"{path.relative_to(PACKAGE)}:{name}" for path in modules() for name in spelt_in(path.read_text())]
    assert not found, "\n".join(found)


def test_no_page_or_script_spells_the_name_of_a_file_in_a_run_folder() -> None:
    texts = [*PACKAGE.rglob("*.jinja"), *PACKAGE.rglob("assets/*.js")]
    found = [f"{path.name}: {name}" for path in texts for name in SPELT.findall(path.read_text())]
    assert not found, "\n".join(found)


def test_a_name_that_is_spelt_elsewhere_is_found() -> None:
    rows = {
        'x = path / "schedule.json"': 1,
        'x = path / "trials"': 1,
        'x = f"trials/{order:04d}.json"': 1,
        'x = "see report.html"': 1,
        '"""What plan.toml says."""': 0,
        'x = "/trials/{run}/metrics"': 0,
        'x = {"sessions": 3}': 0,
    }
    wrong = [code for code, count in rows.items() if len(list(spelt_in(code))) != count]
    assert wrong == []


def test_every_report_that_is_a_file_has_a_name_of_the_layout() -> None:
    names = {REPORTS[name].filename for name in REPORTS if REPORTS[name].filename}
    assert names == {layout.report(str(name).rpartition(".")[2]) for name in names}


def test_records_are_found_by_the_numbers_in_their_names(tmp_path: Path) -> None:
    (tmp_path / layout.TRIALS).mkdir()
    for name in (layout.trial_record(3), layout.trial_record(12), "trials/0004.json.damaged", "trials/x.json"):
        (tmp_path / name).touch()
    assert list(layout.records(tmp_path, layout.TRIALS)) == [3, 12]
    assert layout.records(tmp_path, layout.SESSIONS) == {}
