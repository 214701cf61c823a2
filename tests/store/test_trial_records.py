"""The extract in a trial's record: it says what the columns say, and it is believed for these columns alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from every import every
from factories.recorded_runs import sealed_run
from factories.trials import Behaviour, ages, trial
from factories.trials import case as case_of

from loadlab.analysis.trials import summarise
from loadlab.model.columns import pack
from loadlab.model.condition import OpenLoad
from loadlab.model.extract import VERSION, extract_of
from loadlab.model.requests import NO_REQUESTS
from loadlab.model.samples import Series
from loadlab.store.trial_records import KnownCases, body_of, read_extract, read_trial
from loadlab.system.files import sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadlab.model.samples import Trial


def kept(path: Path, written: Trial) -> dict[str, Any]:
    """What the record of the trial says, which is at `path` from then on."""
    path.write_bytes(sealed("trial", body_of(written)))
    record: dict[str, Any] = json.loads(unsealed(path.read_bytes(), "trial"))
    return record


def put(path: Path, record: dict[str, Any]) -> None:
    path.write_bytes(sealed("trial", json.dumps(record).encode()))


def an_open_trial() -> Trial:
    """Each request is sent 2 ms late and ends 8 ms later; one is dropped."""
    closed = trial(replace(case_of("gthread", 0, usable=4), open_load=OpenLoad(rate=200, arrivals="uniform")))
    ended = list(closed.requests.ended)
    sent = [at - 0.008 for at in ended]
    due = [at - 0.010 for at in ended]
    return replace(closed, requests=replace(closed.requests, sent=sent, due=due, dropped=[1.5], no_answer=[30]))


TRIALS: dict[str, Callable[[], Trial]] = {
    "a closed load": lambda: trial(ages()[1]),
    "failures": lambda: trial(ages()[0], behaviour=Behaviour(failed=7, refused=7)),
    "an open load": an_open_trial,
    "nothing was sent": lambda: replace(trial(ages()[0]), requests=NO_REQUESTS, series=Series(at=[], values={})),
    "served elsewhere": lambda: trial(replace(ages()[0], usable_connections=None)),
}


@every("what", TRIALS)
def test_an_extract_gives_the_figures_of_its_columns(what: str, tmp_path: Path) -> None:
    written = TRIALS[what]()
    kept(tmp_path / "0001.json", written)
    whole, extract = (
        read_trial(tmp_path / "0001.json", KnownCases()),
        read_extract(tmp_path / "0001.json", KnownCases()),
    )
    assert (whole.extract, len(extract.requests)) == (None, 0)
    assert summarise(extract) == summarise(whole) == summarise(written)
    assert extract.extract is not None
    assert replace(extract.extract, columns=0) == extract_of(whole)
    assert list(extract.series.open) == list(whole.series.open)


def test_a_run_is_analysed_from_its_extracts_as_from_its_columns(tmp_path: Path) -> None:
    run = sealed_run(tmp_path / "run")
    columns, extracts = run.trials()[0], run.recorded().trials
    assert [summarise(one) for one in extracts] == [summarise(one) for one in columns]
    assert sum(len(one.requests) for one in extracts) == 0 < sum(len(one.requests) for one in columns)


OTHERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "other requests": lambda record: record["requests"].update(failed=pack([1.0] * 420)),
    "other samples": lambda record: record["series"]["values"].update(open=pack([9.0] * len(SAMPLES))),
    "an extract of another version": lambda record: record["extract"].update(version=VERSION + 1, requests=1),
    "no extract": lambda record: record.pop("extract"),
    "an extract that is none": lambda record: record.update(extract=7),
}
SAMPLES = trial(ages()[1]).series.at


@every("what", OTHERS)
def test_an_extract_of_other_columns_is_made_anew(what: str, tmp_path: Path) -> None:
    path = tmp_path / "0001.json"
    record = kept(path, trial(ages()[1]))
    OTHERS[what](record)
    put(path, record)
    assert summarise(read_extract(path, KnownCases())) == summarise(read_trial(path, KnownCases()))


def test_what_no_number_is_leaves_a_record_without_its_extract(tmp_path: Path) -> None:
    written = trial(ages()[1])
    values = {**written.series.values, "idle": [float("nan")] * len(written.series.at)}
    record = kept(tmp_path / "0001.json", replace(written, series=replace(written.series, values=values)))
    assert not record.get("extract")
    assert summarise(read_extract(tmp_path / "0001.json", KnownCases())) == summarise(written)


@pytest.mark.parametrize("column", ["ended", "no_answer"])
def test_a_column_that_is_not_packed_is_no_extracts(column: str, tmp_path: Path) -> None:
    path = tmp_path / "0001.json"
    record = kept(path, trial(ages()[1]))
    record["requests"][column] = [0.5] * 420 if column == "ended" else [0.0]
    put(path, record)
    assert summarise(read_extract(path, KnownCases())) == summarise(read_trial(path, KnownCases()))
