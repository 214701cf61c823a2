"""Digests of Locust files: only a change of what the file does counts as a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from command_line import REPOSITORY

from loadlab.lab.contents import code_digest, file_digest
from loadlab.model.earlier_scenarios import CODE_OF

if TYPE_CHECKING:
    from pathlib import Path

VISITOR: Final = '''
"""What does a page cost?"""
from locust import task
from loadlab.load.locust_plugins.user import SiteUser

class Visitor(SiteUser):
    """A visitor."""
    retries = 0

    @task
    def read(self):
        """Read a page."""
        self.client.get("/", name=f"/{self.retries:>3}")  # the front page
'''


def digest(folder: Path, text: str) -> str:
    path = folder / "visitor.py"
    path.write_text(text)
    return code_digest(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # the front page", ""),
        ("What does a page cost?", "What is the price of a page?"),
        ('    """A visitor."""\n', ""),
        ('        """Read a page."""\n', ""),
        ('self.client.get("/", ', "self.client.get(\n            '/',\n            "),
        ("loadlab.load.locust_plugins.user", "loadlab.load.user"),
    ],
)
def test_words_layout_and_older_module_names_keep_the_digest(tmp_path: Path, old: str, new: str) -> None:
    assert old in VISITOR
    assert digest(tmp_path, VISITOR.replace(old, new)) == digest(tmp_path, VISITOR)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("retries = 0", "retries = False"),
        ("retries = 0", 'retries = ""'),
        ("retries = 0", "retries = 1"),
        ('.get("/"', '.post("/"'),
        ("    @task\n", ""),
        (":>3", ":>4"),
        ("locust_plugins.user", "locust_plugins.other"),
        ("(SiteUser)", "(SiteUser, object)"),
    ],
)
def test_other_code_has_another_digest(tmp_path: Path, old: str, new: str) -> None:
    assert old in VISITOR
    assert digest(tmp_path, VISITOR.replace(old, new)) != digest(tmp_path, VISITOR)


@pytest.mark.parametrize("text", ["def (", "x = '\0'"])
def test_a_file_that_python_cannot_parse_is_compared_by_its_bytes(tmp_path: Path, text: str) -> None:
    assert digest(tmp_path, text) == file_digest(tmp_path / "visitor.py")


def test_the_code_of_a_scenario_is_known_by_its_earlier_bytes(tmp_path: Path) -> None:
    """The file as an earlier loadlab had it: the plugins have moved since."""
    scenario = REPOSITORY / "locustfiles" / "read_one.py"
    path = tmp_path / "read_one.py"
    path.write_text(scenario.read_text().replace("loadlab.load.locust_plugins.user", "loadlab.load.user"))
    assert path.read_text() != scenario.read_text()
    assert CODE_OF[file_digest(path)] == code_digest(path) == code_digest(scenario)
