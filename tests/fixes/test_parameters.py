"""LOADLAB_FIXES: what is wrong in it is said when Django starts, with what would be right."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from every import every

from loadlab.fixes import _parameters, leased_threads, reap_dead_threads
from loadlab.fixes._parameters import names, parameters

if TYPE_CHECKING:
    from types import ModuleType

NOTHING_TO_SET = ["close_at_handler_end", "close_on_thread_exit", "worker_exit_hook"]


def own_configs(module: ModuleType) -> list[type[AppConfig]]:
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, AppConfig)]
    return [kind for kind in kinds if kind.__module__ == module.__name__]


@every("name", names())
def test_a_fix_is_one_module_with_one_app_that_is_named_after_it(name: str) -> None:
    module = importlib.import_module(f"loadlab.fixes.{name}")
    (config,) = own_configs(module)
    assert config.name == module.__name__
    assert config.label == f"loadlab_{name}"
    assert config.__name__ == name.title().replace("_", "")


@every(
    ("said", "fault"),
    [
        (["reap_dead_threads"], "LOADLAB_FIXES should be a dict, not list"),
        ({"reap": {}}, "LOADLAB_FIXES has no 'reap'; there are close_at_handler_end, close_on_thread_exit, "),
        ({"reap_dead_threads": 5}, "LOADLAB_FIXES['reap_dead_threads'] should be a dict, not int"),
        (
            {"reap_dead_threads": {"interval": 5}},
            "LOADLAB_FIXES['reap_dead_threads']['interval'] is unknown; there are interval_seconds",
        ),
        (
            {"reap_dead_threads": {"interval_seconds": -1}},
            "LOADLAB_FIXES['reap_dead_threads']: interval_seconds should be a number of seconds, or 0",
        ),
        ({"reap_dead_threads": {"interval_seconds": "5"}}, "not '5'"),
        ({"reap_dead_threads": {"interval_seconds": float("inf")}}, "not inf"),
        ({"reap_dead_threads": {"interval_seconds": True}}, "not True"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(said: Any, fault: str) -> None:
    with override_settings(LOADLAB_FIXES=said), pytest.raises(ImproperlyConfigured, match=re.escape(fault)):
        parameters("reap_dead_threads", reap_dead_threads.SweepParameters)


@every("threads", [0, -1, 1.5, "8", True, None])
def test_a_number_of_threads_that_is_none_is_refused(threads: object) -> None:
    with (
        override_settings(LOADLAB_FIXES={"leased_threads": {"threads": threads}}),
        pytest.raises(ImproperlyConfigured, match="threads should be a whole number, 1 or more, not"),
    ):
        parameters("leased_threads", leased_threads.LeaseParameters)


@every("name", NOTHING_TO_SET)
def test_a_fix_without_parameters_says_so(name: str) -> None:
    with (
        override_settings(LOADLAB_FIXES={name: {"seconds": 1}}),
        pytest.raises(ImproperlyConfigured, match=r"\['seconds'\] is unknown; it has no parameters"),
    ):
        parameters(name, _parameters.NoParameters)


def test_what_is_said_is_taken_and_the_rest_has_defaults() -> None:
    with override_settings(LOADLAB_FIXES={"reap_dead_threads": {"interval_seconds": 2.5}}):
        assert parameters("reap_dead_threads", reap_dead_threads.SweepParameters).interval_seconds == 2.5
        assert parameters("leased_threads", leased_threads.LeaseParameters).threads == 8
    assert parameters("reap_dead_threads", reap_dead_threads.SweepParameters).interval_seconds == 0


@pytest.mark.process
@pytest.mark.parametrize("name", ["close_at_handler_end", "worker_exit_hook"])
def test_gunicorns_configuration_may_import_a_hook_before_patching(name: str) -> None:
    program = f"import sys, loadlab.fixes.{name}; sys.exit('django.db' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_settings_earlier_name_is_read_where_the_new_one_is_missing() -> None:
    with override_settings(LOADLAB_CURES={"reap_dead_threads": {"interval_seconds": 2.5}}):
        assert parameters("reap_dead_threads", reap_dead_threads.SweepParameters).interval_seconds == 2.5
        with override_settings(LOADLAB_FIXES={"reap_dead_threads": {"interval_seconds": 1.5}}):
            assert parameters("reap_dead_threads", reap_dead_threads.SweepParameters).interval_seconds == 1.5
    with (
        override_settings(LOADLAB_CURES={"reap": {}}),
        pytest.raises(ImproperlyConfigured, match="LOADLAB_CURES has no 'reap'"),
    ):
        parameters("reap_dead_threads", reap_dead_threads.SweepParameters)
