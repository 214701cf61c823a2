"""Why nothing of a first trial succeeded is said from what was seen of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from answering import answering
from every import every

from loadlab.lab.hopeless import SSL_REDIRECT, explanation, first_error, first_of_its_side, nothing_succeeded
from loadlab.load.generator.contract import NO_RESULT, LoadResult
from loadlab.model.requests import Requests
from loadlab.model.schedule import Schedule, Step
from loadlab.plan.experiment import read_plan
from loadlab.settings_override.configuration import FIRST_ERROR
from loadlab.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path


SIDES: Final = """
blocks = 2
[servers.sync]
[strategies.max_age]
max_age = [60]
[against]
driver = "psycopg"
"""


def failing(failed: tuple[float, ...]) -> LoadResult:
    times = (1.0,) * len(failed)
    return replace(NO_RESULT, requests=Requests(ended=times, response=times, failed=failed))


@every(("failed", "nothing"), [((), True), ((1.0, 1.0), True), ((1.0, 0.0), False)])
def test_nothing_succeeded_if_no_request_did(failed: tuple[float, ...], *, nothing: bool) -> None:
    assert nothing_succeeded(failing(failed)) is nothing


def test_a_generator_that_broke_says_nothing_of_the_site() -> None:
    assert not nothing_succeeded(None)
    assert not nothing_succeeded(replace(NO_RESULT, lost=("load process 1 of 2 was killed",)))


def test_the_first_trial_of_each_side_has_to_succeed() -> None:
    """A side that fails from its first request is told at once, and not after all blocks."""
    experiment = read_plan(SIDES, "plan")
    order = [(0, 0), (0, 1), (0, 2), (1, 2), (1, 0), (1, 1)]  # case 1 is case 0 once more, case 2 the other side
    steps = [Step(order=number, block=block, case=case) for number, (block, case) in enumerate(order)]
    planned = Schedule(id="run", started="", version="", cases=experiment.cases, steps=steps)
    assert [first_of_its_side(step, planned) for step in steps] == [True, False, True, False, False, False]


def test_a_logs_first_error_is_shown_without_foreign_frames_or_passwords(tmp_path: Path) -> None:
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


def test_a_redirect_to_https_is_named() -> None:
    refused = replace(failing((1.0,)), failures={"SSLError": 1}, examples={"SSLError": "no TLS"})
    with answering(lambda _: (301, ""), {"Location": "https://shop.example/"}) as url:
        assert explanation(url, NO_RESULT).endswith(f"GET {url} leads to https://shop.example/.")
        assert explanation(url, NO_RESULT, ssl_redirect=True).endswith(SSL_REDIRECT)
        said = explanation(url, refused, ssl_redirect=True)
    assert said.startswith("All 1 failed, most with SSLError (no TLS).\nSECURE_SSL_REDIRECT is on")


def test_a_slow_site_is_told_from_one_that_is_not_there() -> None:
    with answering(lambda _: (200, "")) as url:
        assert "was answered after" in explanation(url, NO_RESULT)
    assert "came to nothing either: ConnectionRefusedError" in explanation(f"http://127.0.0.1:{free_port()}", NO_RESULT)
