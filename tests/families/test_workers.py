"""Every worker says what it closes and how to fix it, and takes only parameters that it knows."""

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
def test_the_snippet_of_a_fix_is_python_and_has_a_sentence(config: Config) -> None:
    for fix in build_worker(config).fixes():
        assert ast.parse(fix.snippet).body
        assert fix.does.endswith(".")
        assert fix.ages


def test_every_worker_has_a_row_for_each_age_the_pool_and_each_fix() -> None:
    there = {(str(one.worker), str(one.strategy), one.fix) for one in worker_settings()}
    assert len(there) == len(worker_settings())
    for config in VARIANTS:
        worker = build_worker(config)
        rows = {(strategy, fix) for name, strategy, fix in there if name.startswith(str(config))}
        assert len({strategy for strategy, fix in rows if not fix}) == 4
        assert {fix for _, fix in rows if fix} == {fix.name for fix in worker.fixes()}


def test_celerys_pool_solo_has_one_task_at_once() -> None:
    with pytest.raises(ValidationError, match="set concurrency = 1"):
        TypeAdapter(WORKERS["celery"]).validate_json('{"pool": "solo"}')
