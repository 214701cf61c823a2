"""Every kind of finding has its sentence, and report.json has the figures that the sentence says."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from factories import reports

from loadlab.model import answers, reasons
from loadlab.model.answers import Answer
from loadlab.model.reasons import Objection, Reason
from loadlab.report.formats.json import JsonFile
from loadlab.report.prose import answer, objections, verdicts
from loadlab.report.prose import reasons as prose

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a verdict's one sentence says; none of them is a reason in a list.
OF_HEADLINES = {reasons.Gain, reasons.Harm, reasons.TooFewBlocks}


def members(family: type) -> Iterator[type]:
    found = (value for room in (answers, reasons) for _, value in inspect.getmembers(room, inspect.isclass))
    return (value for value in found if issubclass(value, family) and value is not family)


def test_a_run_without_a_complete_block_says_so() -> None:
    few = reasons.TooFewBlocks(blocks=0, needed=7, comparisons=2)
    said = [verdicts.without(reasons.Ground.TOO_FEW_BLOCKS, replace(few, blocks=blocks)) for blocks in (0, 1)]
    assert said == [
        "no block is complete, and a verdict on 2 comparisons needs 7",
        "only 1 block is complete, and a verdict on 2 comparisons needs 7",
    ]


def test_every_kind_of_finding_has_a_sentence() -> None:
    for family, registry in (
        (Reason, prose.sentence.registry),
        (Answer, answer.sentence.registry),
        (Objection, objections.short.registry),
    ):
        assert set(members(family)) - OF_HEADLINES <= set(registry)


def test_no_two_kinds_of_one_family_have_the_same_code() -> None:
    for family in (Reason, Answer, Objection):
        codes = [member.kind for member in members(family)]
        assert len(codes) == len(set(codes))


def test_json_has_the_codes_and_figures_of_each_sentence() -> None:
    document = json.loads(JsonFile().render(reports.findings()))
    assert len(document["answers"]) == len(document["answer"])
    for verdict in document["verdicts"]:
        assert len(verdict["reasons"]) == len(verdict["why"])
        assert set(verdict["cases"]) <= {arm["case"] for arm in document["arms"]}
    sync = next(one for one in document["verdicts"] if one["server"] == "sync")
    (gain,) = sync["figures"]
    assert (sync["kind"], gain["kind"]) == ("faster", "gain")
    assert gain["figures"]["comparison"]["ratio"] == 861 / 348
    assert sync["condition"]["server"] == {"name": "sync", "parameters": {"workers": 2}}
    assert "strategy" not in sync["condition"]


def test_json_of_strategies_gives_each_objection_its_figures() -> None:
    document = json.loads(JsonFile().render(reports.strategies()))
    standings = [one for verdict in document["verdicts"] for one in verdict["ranking"]]
    assert {bool(one["why"]) == (one["objection"] is not None) for one in standings} == {True}
    leaks = [
        one["objection"]["figures"] for one in standings if one["objection"] and one["objection"]["kind"] == "leaks"
    ]
    assert leaks
    assert all(figures["held"] > figures["usable"] for figures in leaks)
