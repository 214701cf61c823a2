"""Every worker says what it closes and how to cure it, and takes only parameters that it knows."""

from __future__ import annotations

import ast
import json

import pytest
from every import every
from pydantic import TypeAdapter, ValidationError

from loadlab.lab.worker_behaviour import worker_settings
from loadlab.model.config import Config
from loadlab.plan.members import build_worker
from loadlab.workers import WORKERS, Queue, Worker

VARIANTS = [Config(name=name, parameters=dict(parameters)) for name in WORKERS for parameters in WORKERS[name].counted]


@every("name", list(WORKERS))
def test_a_worker_validates_its_parameters(name: str) -> None:
    adapter = TypeAdapter(WORKERS[name])
    assert isinstance(adapter.validate_json("{}"), Worker)
    with pytest.raises(ValidationError, match="unheard_of"):
        adapter.validate_json(json.dumps({"unheard_of": 1}))


@every("config", VARIANTS)
def test_a_worker_says_what_it_is_and_what_it_closes(config: Config) -> None:
    worker = build_worker(config)
    assert worker.title
    assert worker.closes
    assert worker.at_once() >= worker.processes() >= 1


@every("config", VARIANTS)
def test_the_settings_of_a_worker_can_be_written_as_json(
    config: Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    worker = build_worker(config)
    settings = worker.settings(Queue(folder=tmp_path_factory.mktemp("queue"), redis="redis://127.0.0.1:1/0"))
    assert json.loads(json.dumps(settings)) == settings


@every("config", VARIANTS)
def test_the_snippet_of_a_cure_is_python_and_has_a_sentence(config: Config) -> None:
    for cure in build_worker(config).cures():
        assert ast.parse(cure.snippet).body
        assert cure.does.endswith(".")
        assert cure.ages


def test_every_worker_has_a_row_for_each_age_the_pool_and_each_cure() -> None:
    there = {(str(one.worker), str(one.strategy), one.cure) for one in worker_settings()}
    assert len(there) == len(worker_settings())
    for config in VARIANTS:
        worker = build_worker(config)
        rows = {(strategy, cure) for name, strategy, cure in there if name.startswith(str(config))}
        assert len({strategy for strategy, cure in rows if not cure}) == 4
        assert {cure for _, cure in rows if cure} == {cure.name for cure in worker.cures()}


def test_celerys_pool_solo_has_one_task_at_once() -> None:
    with pytest.raises(ValidationError, match="set concurrency = 1"):
        TypeAdapter(WORKERS["celery"]).validate_json('{"pool": "solo"}')
