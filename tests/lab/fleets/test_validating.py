"""A validation keeps its order: everything is predicted and on disk before anything is run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from loadlab.errors import EnvironmentFaultError, StoppedError, UsageError
from loadlab.fleet.validation.configurations import configurations, cpu_cores
from loadlab.fleet.validation.predictions import predict
from loadlab.fleet.validation.record import digest, read_validation
from loadlab.lab.fleets.calibrating import complete, deployments, with_deployments
from loadlab.lab.fleets.lanes import MOST_CPU_BESIDE_OTHERS, with_room
from loadlab.lab.fleets.validating import PREDICTIONS, RECORD, Known, Validating, installed_servers, predicted
from loadlab.model.fleet import Application, Distribution, Outage, ProcessesEnd, Spread
from loadlab.model.fleet_trial import ConfigurationResult, FleetTrial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from loadlab.model.fleet_validation import Configuration, FleetFigures, Validation

SERVERS = ["gthread", "sync", "waitress"]
APPLICATION = Application(
    connect_seconds=Distribution(values=(0.002,)),
    hold_seconds=Distribution(values=(0.003,)),
    spreads={name: Spread() for name in SERVERS},
)
KNOWN = Known(applications=dict.fromkeys(SERVERS, APPLICATION), source="a calibration")
DRAWN = [replace(one, rate=5.0, seconds=10.0) for one in configurations(1, 4, SERVERS)]


@dataclass
class Real:
    """What really happens: in the folder, it looks what is there when the first fleet is run."""

    folder: Path
    stops_after: int = 99
    versions: Mapping[str, str] = field(default_factory=lambda: {"Django": "5.2"})
    found: Validation | None = None

    def run(self, configurations: Sequence[Configuration]) -> Iterator[ConfigurationResult]:
        text = (self.folder / PREDICTIONS).read_text()
        self.found = read_validation(text, PREDICTIONS)
        for done, one in enumerate(configurations):
            if done == self.stops_after:
                raise StoppedError("Stopped by SIGINT.")
            seen = FleetTrial(configuration=one, figures=_figures(one), at=(0.0,), open=(0,))
            yield ConfigurationResult(number=one.number, began=time.time(), trial=seen)


def _figures(one: Configuration) -> FleetFigures:
    """Twice as many opens as predicted."""
    right = predict(one, APPLICATION).mean
    return replace(right, opened=2 * right.opened + 10)


def _validating(folder: Path) -> Validating:
    return Validating(predicted(DRAWN, KNOWN, folder), KNOWN, folder)


def test_all_predictions_are_on_disk_before_the_first_trial(tmp_path: Path) -> None:
    real, validating = Real(tmp_path), _validating(tmp_path)
    trials = list(validating.run(real))
    assert real.found is not None
    assert real.found.trials == ()
    assert [one.configuration for one in real.found.predictions] == DRAWN
    assert all(trial.began >= real.found.predicted_at for trial in trials)
    assert digest(real.found.predictions) == validating.finish().digest


def test_a_finished_validation_names_every_miss(tmp_path: Path) -> None:
    validating = _validating(tmp_path)
    list(validating.run(Real(tmp_path)))
    whole = validating.finish()
    assert whole.complete
    assert [[miss.figure for miss in trial.misses] for trial in whole.trials] == [["opened"]] * 4
    assert read_validation((tmp_path / RECORD).read_text(), RECORD) == whole
    assert whole.versions == {"Django": "5.2"}


def test_a_stopped_validation_keeps_what_was_measured(tmp_path: Path) -> None:
    validating = _validating(tmp_path)
    with pytest.raises(StoppedError):
        list(validating.run(Real(tmp_path, stops_after=2)))
    validating.finish()
    kept = read_validation((tmp_path / RECORD).read_text(), RECORD)
    assert not kept.complete
    assert [trial.number for trial in kept.trials] == [0, 1]
    assert all(trial.misses for trial in kept.trials)


def test_a_heavy_load_runs_alone_and_light_ones_side_by_side() -> None:
    light, heavy = (replace(DRAWN[0], rate=rate) for rate in (5.0, 150.0))
    other = replace(light, number=9)
    assert with_room([heavy, light], [None, None]) == heavy
    assert with_room([light], [heavy, None]) is None
    assert with_room([heavy, light], [other, None]) == light
    assert with_room([heavy], [other, None]) is None
    assert cpu_cores(light) <= MOST_CPU_BESIDE_OTHERS < cpu_cores(heavy)


def test_an_unknown_server_mode_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--server gthraed: unknown server mode; known are .*gthread"):
        installed_servers(["gthraed"])


def test_times_of_deployments_are_those_of_the_calibration() -> None:
    (planned,) = deployments(["gthread"])
    trial = FleetTrial(
        configuration=planned,
        figures=_figures(DRAWN[0]),
        at=(),
        open=(),
        ends=(
            ProcessesEnd(at=2.5, first=0, last=1, gone=3.0, serving_again=5.0),
            ProcessesEnd(at=5.0, first=1, last=2, gone=5.5, serving_again=7.5),
        ),
        outages=(Outage(start=1.0, end=1.25, first=0, last=2),),
    )
    timed = with_deployments(APPLICATION, [trial])
    assert (timed.boot_seconds, timed.stop_seconds) == ({"gthread": 2.0}, {"gthread": 0.5})
    assert timed.restart_seconds == 0.25
    with pytest.raises(EnvironmentFaultError, match="No small fleet came up"):
        with_deployments(APPLICATION, [])


def test_a_calibration_without_garbage_is_incomplete_where_threads_end() -> None:
    with_garbage = replace(APPLICATION, spreads={"asgi": Spread(collected_after=(1, 2))})
    assert complete("gthread", {"gthread": APPLICATION})
    assert complete("asgi", {"asgi": with_garbage})
    assert not complete("asgi", {"asgi": replace(APPLICATION, spreads={"asgi": Spread()})})
    assert not complete("asgi", {})
