"""Why nothing of a first trial succeeded is said from what was seen of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadlab.load.contract import NO_RESULT
from loadlab.overlay.configuration import FIRST_ERROR
from loadlab.runner.hopeless import first_error, nothing_succeeded

if TYPE_CHECKING:
    from pathlib import Path

from dataclasses import replace


@pytest.mark.parametrize(("failed", "nothing"), [((), True), ((1.0, 1.0), True), ((1.0, 0.0), False)])
def test_nothing_succeeded_if_no_request_did(failed: tuple[float, ...], *, nothing: bool) -> None:
    assert nothing_succeeded(replace(NO_RESULT, failed=failed)) is nothing


def test_a_generator_that_broke_says_nothing_of_the_site() -> None:
    assert not nothing_succeeded(None)
    assert not nothing_succeeded(replace(NO_RESULT, lost=("load process 1 of 2 was killed",)))


def test_the_first_error_of_a_log_is_shown_without_frames_of_others_and_passwords(tmp_path: Path) -> None:
    log = tmp_path / "sync.log"
    assert not first_error(log)
    log.write_text(
        f"""booting
{FIRST_ERROR}
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/django/core/handlers/base.py", line 197, in _get_response
    response = wrapped_callback(request)
  File "/home/me/shop/views.py", line 3, in home
    raise LookupError("password=secret")
LookupError: no shelf, password=secret
{FIRST_ERROR}
{FIRST_ERROR}
ValueError: of the other worker
{FIRST_ERROR}
"""
    )
    words = first_error(log)
    assert words.splitlines()[0] == '  File "/home/me/shop/views.py", line 3, in home'
    assert words.endswith("LookupError: no shelf, password=***")
    assert "secret" not in words
