"""The page "What happens when…" is that of its record."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from factories.faulted import case, trial
from factories.trials import findings

from loadlab.report.what_happens_when import RECORDED, what_happens_when_page

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "what-happens-when.md"


def generator() -> Any:
    path = ROOT / "benchmarks" / "what_happens_when.py"
    spec = importlib.util.spec_from_file_location("what_happens_when", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_record_makes_of_it() -> None:
    assert generator().page_of((ROOT / RECORDED).read_text()) == PAGE.read_text()


def test_a_record_of_the_recorded_run_makes_the_same_page() -> None:
    made = generator()
    assert made.page_of(made.record_of(made.recorded_in((ROOT / RECORDED).read_text()))) == PAGE.read_text()


def test_the_page_names_every_fault_of_the_plan() -> None:
    assert {name for name in generator().planned() if name in PAGE.read_text()} == set(generator().planned())


def test_a_run_without_faults_has_no_such_page() -> None:
    with pytest.raises(ValueError, match="no faults"):
        what_happens_when_page(findings([case()], [trial(case())]))
