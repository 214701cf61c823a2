"""The page "Which setting for which server" is that of the record, and says where counts are not decisive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import pytest

from loadlab.analysis.which_setting import which_setting
from loadlab.cli._behaviour_record import read_recording
from loadlab.model.which_setting import Choice, Effect, Fate, Stop
from loadlab.report.behaviour import COMMAND, GUIDE
from loadlab.report.labels import title
from loadlab.report.which_setting import CHOICES, EFFECTS, FATES, STOPS, which_setting_page
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from loadlab.model.behaviour import Recording

ROOT: Final = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def recorded() -> Recording:
    return read_recording(ROOT / "benchmarks" / "recorded" / "behaviour.json")


def page_of(recording: Recording) -> str:
    return which_setting_page(recording, which_setting(recording))


def test_the_page_of_settings_is_that_of_the_record(recorded: Recording) -> None:
    assert (ROOT / GUIDE).read_text() == page_of(recorded)
    assert f"--which-setting {GUIDE}" in COMMAND


def test_every_server_mode_is_on_the_page_with_its_counts_or_named_as_uncounted(recorded: Recording) -> None:
    page = page_of(recorded)
    counted = {row.setting.server.name for row in recorded.rows}
    for name in SERVERS:
        assert (f"## {title(name)}" in page.replace("\\", "")) is (name in counted), name
        assert (f"`{name}`" in page.partition("| server |")[0]) is (name not in counted), name


def test_a_mode_of_several_worker_classes_names_the_one_that_was_counted(recorded: Recording) -> None:
    headings = [line for line in page_of(recorded).replace("\\", "").splitlines() if line.startswith("## nginx")]
    assert len(headings) == 2
    assert all("worker_class=gevent" in heading for heading in headings)


def test_a_record_without_a_mode_says_so(recorded: Recording) -> None:
    rows = tuple(row for row in recorded.rows if row.setting.server.name != "gevent")
    page = page_of(replace(recorded, rows=rows))
    assert "Not counted here:" in page
    assert "## gunicorn gevent" not in page


def test_counts_that_decide_nothing_are_called_so(recorded: Recording) -> None:
    rows = tuple(replace(row, exact=False) for row in recorded.rows if row.setting.server.name == "sync")
    page = page_of(replace(recorded, rows=rows))
    assert "The counts are not decisive for kept connections. Set `CONN_MAX_AGE = 0`." in page


def test_every_code_has_words() -> None:
    assert set(FATES) == set(get_args(Fate))
    assert set(CHOICES) == set(get_args(Choice))
    assert set(EFFECTS) == set(get_args(Effect))
    assert set(STOPS) == set(get_args(Stop))


def test_the_page_names_the_versions_that_it_was_counted_with(recorded: Recording) -> None:
    page = page_of(recorded)
    for name in ("gunicorn", "uvicorn", "django", "PostgreSQL"):
        assert f"{name} {recorded.versions[name]}" in page
