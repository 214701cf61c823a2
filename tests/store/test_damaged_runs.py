"""Files of a run folder may be anything: damage is named, never believed or hidden, and no reader hangs."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import tomllib
from contextlib import chdir, contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from factories.recorded_runs import SCHEMA_1, sealed_run

from loadlab.live.discovery import due, labels
from loadlab.live.exposition import exposition
from loadlab.live.reading.run_view import as_json
from loadlab.live.reading.run_views import RunViews
from loadlab.live.reading.runs import Runs
from loadlab.live.reading.summary import summaries
from loadlab.live.reading.unreadable import UnreadableRunError
from loadlab.system.files import sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from command_line import InProcess

FILES: Final = (
    "schedule.json",
    "plan.toml",
    "environment.json",
    "sessions/0001.json",
    "trials/0003.json",
    "restarts.json",
    "opens.json",
    "holding.json",
    "progress.jsonl",
)
HANGS_AFTER_SECONDS: Final = 120
LOST: Final = "sessions/0001.json"


def a_socket(path: Path) -> None:
    with chdir(path.parent), socket.socket(socket.AF_UNIX) as made:  # a socket's path has to be short
        made.bind(path.name)


KINDS: Final[dict[str, Callable[[Path], Any]]] = {
    "empty": lambda path: path.write_bytes(b""),
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "NaN": lambda path: path.write_bytes(b"NaN"),
    "infinity": lambda path: path.write_bytes(b'{"a": {"b": 1e999}}'),
    "5,000 digits": lambda path: path.write_bytes(b"a = " + b"9" * 5000),
    "a schema of 6,000 digits": lambda path: path.write_bytes(b'{"schema":' + b"1" * 6000 + b',"sha256":"'),
    "nested lists": lambda path: path.write_bytes(b"a=" + b"[" * 100_000),
    "nested objects": lambda path: path.write_bytes(b'{"a":' * 100_000),
    "dotted keys": lambda path: path.write_bytes(b".".join([b"a"] * 3000) + b"=1"),
    "a folder": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
    "a socket": a_socket,
    "a link": lambda path: path.symlink_to("/etc/hostname"),
    "a dangling link": lambda path: path.symlink_to("/nowhere"),
    "missing": lambda path: None,
}


@contextmanager
def no_hang() -> Iterator[None]:
    def hangs(*_: object) -> None:
        pytest.fail("it hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(HANGS_AFTER_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def shown(runs: Path, run: Path) -> dict[str, str]:
    """All that the live page reads of its runs; what it says of each, by name."""
    try:
        view = RunViews().of(run)
        view.assess()
        json.loads(as_json(view.overview()))
        for which in ("trial", "run"):
            json.dumps(view.points(which, None)[2], allow_nan=False)
    except UnreadableRunError as error:
        assert str(error)  # noqa: PT017  a reason
    else:
        progress = view.progress()
        labels(run.name, view.schedule, due(view.schedule, progress, 1.8e9))
        for trial in progress.trials.values():
            exposition(trial)
    return {one.name: one.state for one in summaries(Runs(folder=runs))}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = sealed_run(tmp_path / "runs" / "run").path
    shutil.copytree(path, tmp_path / "runs" / "other")
    return path


def replaced(path: Path, kind: str) -> None:
    path.unlink(missing_ok=True)
    KINDS[kind](path)


def some_files(kind: str) -> tuple[str, ...]:
    """A third of all files, so that each meets a third of all kinds."""
    return FILES[[*KINDS].index(kind) % 3 :: 3]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "files", [some_files, pytest.param(lambda _: FILES, marks=pytest.mark.slow)], ids=["some", "all"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_each_file_may_be_anything_and_is_named(
    run: Path, here: InProcess, kind: str, files: Callable[[str], tuple[str, ...]], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(run, kept)
    for name in files(kind):
        shutil.rmtree(run)
        shutil.copytree(kept, run)
        replaced(run / name, kind)
        with no_hang():
            states = shown(run.parent, run)
            done = here("report", run)
        assert states.get("other") == "complete", (name, states)
        if _tells_nothing(name, kind):
            assert done.code == 0, (name, done)
        else:
            assert done.code in {2, 12}, (name, done)
            assert name in done.stdout + done.stderr or kind == "missing", (name, done)


def _tells_nothing(name: str, kind: str) -> bool:
    """No report reads how a run went on; and not every run has the others."""
    is_file = kind not in {"a folder", "a FIFO", "a socket", "a link", "a dangling link"}
    return (name == "progress.jsonl" and is_file) or (
        kind == "missing" and name in {"restarts.json", "opens.json", "holding.json", LOST}
    )


def test_what_lost_trials_were_measured_on_is_said_to_be_unknown(run: Path, here: InProcess) -> None:
    (run / LOST).unlink()
    said = " ".join(here("report", run).stdout.split())  # wrapped to the terminal's width
    assert f"{LOST}: It is missing. What its trials were measured on is not known." in said


def test_a_plan_that_is_missing_is_not_to_be_removed(run: Path, here: InProcess) -> None:
    (run / "plan.toml").unlink()
    said = " ".join(here("report", run).stdout.split())
    assert "plan.toml: Damaged: it is missing." in said
    assert "Remove it" not in said


@pytest.mark.parametrize("kind", ["a FIFO", "5,000 digits"])
@pytest.mark.parametrize("name", FILES[:5])
def test_damage_is_named_where_two_runs_are_compared(run: Path, here: InProcess, name: str, kind: str) -> None:
    replaced(run / name, kind)
    with no_hang():
        done = here("compare", run.parent / "other", run)
    assert done.code in {2, 12}
    assert name in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_resume_mends_what_can_be_known_and_names_it(run: Path, here: InProcess, kind: str) -> None:
    before = {name: (run / name).read_bytes() for name in ("plan.toml", "environment.json")}
    for name in ("plan.toml", "environment.json", "restarts.json", "opens.json", "holding.json", "progress.jsonl"):
        replaced(run / name, kind)
    with no_hang():
        done = here("run", "--resume", run)
    assert done.code == 0, done
    assert {name: (run / name).read_bytes() for name in before} == before
    assert "plan.toml is written again" in done.stderr
    again = here("report", run)
    assert (again.code, "Damaged" in again.stdout) == (0, False)


@pytest.mark.thorough
@pytest.mark.parametrize("mutations", [6, pytest.param(300, marks=pytest.mark.slow)])
def test_random_damage_is_never_a_crash_a_hang_or_believed(
    run: Path, here: InProcess, tmp_path: Path, mutations: int
) -> None:
    kept, seed = tmp_path / "kept", random.randrange(1 << 32)
    shutil.copytree(run, kept)
    chance = random.Random(seed)
    for number in range(mutations):
        shutil.rmtree(run)
        shutil.copytree(kept, run)
        path = chance.choice([file for file in sorted(run.rglob("*")) if file.is_file() and file.name != ".lock"])
        before = path.read_bytes()
        path.write_bytes(after := _mutated(before, chance))
        what = (seed, number, path.name, len(before), len(after))
        with no_hang():
            shown(run.parent, run)
            codes = {here(*arguments).code for arguments in (("report", run), ("compare", run, run.parent / "other"))}
        harmless = before == after or path.name == "progress.jsonl" or _same_plan(path, before, after)
        assert codes <= ({0} if harmless else {2, 12}), what


def _mutated(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    inserted = chance.choice([b"NaN", b"\xff", b"9" * 5000, b"[" * 5000, b"\0", b"-", b"}", content[:at]])
    flipped = bytes([content[at] ^ 1 << chance.randrange(8)])
    digit = b"%d" % chance.randrange(10) if content[at : at + 1].isdigit() else flipped
    cut, longer = content[:at], content[:at] + inserted + content[at:]
    return chance.choice([cut, longer, *(content[:at] + one + content[at + 1 :] for one in (flipped, digit))])


def _same_plan(path: Path, before: bytes, after: bytes) -> bool:
    """Whether only the form of a plan has changed, or how environment.json is written."""
    if path.name == "environment.json":
        try:
            return bool(json.loads(before) == json.loads(after))
        except (ValueError, RecursionError):
            return False
    if path.name != "plan.toml":
        return False
    try:
        return tomllib.loads(before.decode()) == tomllib.loads(after.decode())
    except (ValueError, RecursionError):
        return False


COPIES: Final = {
    "copied over another": ("0001.json", "0002.json", 12),
    "under a name that the schedule lacks": ("0001.json", "0009.json", 12),
    "under a name of another form": ("0001.json", "1.json", 12),
}


@pytest.mark.parametrize("what", COPIES)
def test_a_record_in_anothers_place_is_damage(run: Path, here: InProcess, what: str) -> None:
    source, target, code = COPIES[what]
    shutil.copy(run / "trials" / source, run / "trials" / target)
    done = here("report", run)
    assert done.code == code
    assert f"trials/{target}: Damaged: it is the record of 0001, under another name" in done.stdout.replace("\n", " ")
    trials = json.loads((run / "report.json").read_text())["trials"]
    assert sorted(trial["order"] for trial in trials) == [order for order in range(8) if f"{order:04d}.json" != target]


def test_a_record_of_another_run_or_place_is_damage(run: Path, here: InProcess, tmp_path: Path) -> None:
    shutil.copy(SCHEMA_1 / "trials" / "0001.json", run / "trials")
    shutil.copy(sealed_run(tmp_path / "runs" / "run2").path / "trials" / "0002.json", run / "trials")
    other = json.loads(unsealed((run / "trials" / "0003.json").read_bytes(), "trial"))
    (run / "trials" / "0003.json").write_bytes(sealed("trial", json.dumps(other | {"block": 1}).encode()))
    said = here("report", run)
    assert said.code == 12
    text = " ".join(said.stdout.split())
    assert "trials/0001.json: Damaged: it is the record of another run" in text
    assert "trials/0002.json: Damaged: it is the record of another run" in text
    assert "trials/0003.json: Damaged: its case or block is not what the schedule says" in text


def test_a_missing_record_is_missed(run: Path, here: InProcess) -> None:
    (run / "trials" / "0004.json").unlink()
    done = here("report", run)
    assert done.code == 12
    assert "7 of 8 trials were recorded" in done.stderr
    assert "7 of 8 trials" in here("compare", run, run.parent / "other").stderr


FORGED: Final[dict[str, tuple[tuple[Any, ...], Any]]] = {
    "a count of 400 digits": (("connections", "at_rest", "opened"), 10**400),
    "a negative window": (("window_end",), -1),
    "an endless window": (("window_end",), 1e308),
    "a column of another length": (("requests", "response"), [1]),
    "a column of words": (("requests", "response"), ["1"]),
    "samples of another length": (("series", "values", "open"), []),
    "no case": (("case",), None),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_no_lab_measures_is_damage_under_a_right_seal_too(run: Path, here: InProcess, what: str) -> None:
    (*way, last), value = FORGED[what]
    path = run / "trials" / "0003.json"
    record = json.loads(unsealed(path.read_bytes(), "trial"))
    place = record
    for key in way:
        place = place[key]
    place[last] = value
    path.write_bytes(sealed("trial", json.dumps(record).encode()))
    done = here("report", run)
    assert done.code == 12
    assert "trials/0003.json: Damaged" in done.stdout


BEGINNINGS: Final = {
    "a pid of -1": b'"pid":-1',
    "a huge pid": b'"pid":99999999999999999999',
    "a pid of 5,000 digits": b'"pid":' + b"9" * 5000,
    "no time for a trial": b'"trial_seconds":0,"pid":1',
    "an instant that is none": b'"pid":1,"at":NaN',
}


@pytest.mark.parametrize("what", BEGINNINGS)
def test_a_run_whose_beginning_is_damaged_is_one_that_cannot_be_read(run: Path, what: str) -> None:
    line = b'{"at":1.8e9,"total":8,"done":0,"trial_seconds":1.5,' + BEGINNINGS[what] + b',"event":"run_began"}\n'
    (run / "progress.jsonl").write_bytes(line)
    assert shown(run.parent, run) == {"run": "unreadable", "other": "complete"}
    (reason,) = [one.reason for one in summaries(Runs(folder=run.parent)) if one.name == "run"]
    assert reason.startswith("progress.jsonl: run_began: ")


@pytest.mark.parametrize("number", [-1, 99, 10**30])
def test_a_case_or_trial_that_is_not_there_is_passed_over(run: Path, number: int) -> None:
    for keys in ("case", "order"):
        event = {"at": 1.8e9, "order": 0, "block": 0, "case": 0, "ledgers": "/", "event": "trial_began"} | {
            keys: number
        }
        with (run / "progress.jsonl").open("a") as progress:
            progress.write(json.dumps(event) + "\n")
    assert shown(run.parent, run) == {"run": "complete", "other": "complete"}


def test_a_folder_of_trials_that_is_a_link_is_not_followed(run: Path, here: InProcess) -> None:
    shutil.rmtree(run / "trials")
    (run / "trials").symlink_to(run.parent / "other" / "trials")
    done = here("report", run)
    assert done.code == 12
    assert "trials: Damaged: it is not a folder" in done.stdout


def test_no_report_is_written_through_a_link(run: Path, here: InProcess, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".report.html.draft", "report.html", ".report.md.draft", "report.json"):
        (run / name).symlink_to(victim)
    assert here("report", run).code == 0
    assert victim.read_text() == "precious"


def test_a_report_whose_name_a_folder_has_is_said_so(run: Path, here: InProcess) -> None:
    (run / "report.md").mkdir()
    done = here("report", run)
    assert done.code == 3
    assert "report.md cannot be written: it is a folder, not a file. Remove it" in done.stderr
