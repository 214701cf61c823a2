"""The committed dashboards are what the code writes, and what Grafana's classic schema asks for."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from every import every
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.evidence.committed import DASHBOARDS, FOLDER, panels, variables
from dashboards.source.boards import BOARDS
from dashboards.source.grafana import to_json
from dashboards.source.holders import COLOURS
from dashboards.source.panels import GRID_COLUMNS
from loadlab.model.holders import COUNTED, Holder

# Since Grafana 10 without a plugin, and still there in 13.
PANEL_TYPES = {"timeseries", "stat", "table", "gauge", "bargauge", "barchart", "heatmap", "text", "row"}
# schemaVersion of Grafana 10.1; later ones migrate what is older, and refuse what is newer than themselves.
OLDEST_SCHEMA = 36


@every("board", BOARDS, ids=lambda board: board.uid)
def test_committed_json_is_what_the_code_writes(board: Any) -> None:
    assert (FOLDER / f"{board.uid}.json").read_text("utf-8") == to_json(board), "run `make dashboards`"


def test_nothing_is_committed_that_no_code_writes() -> None:
    assert set(DASHBOARDS) == {board.uid for board in BOARDS}


def test_uids_titles_and_questions_are_each_given_once() -> None:
    for what in ("uid", "title", "question"):
        assert len({getattr(board, what) for board in BOARDS}) == len(BOARDS)


def test_each_holder_has_its_own_colour_and_leaked_alone_is_red() -> None:
    assert set(COLOURS) == {holder.label for holder in COUNTED}
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert COLOURS[Holder.LEAKED.label] == "red"


@pytest.mark.parametrize("name", DASHBOARDS)
class TestClassicSchema:
    def test_fields_that_grafana_needs_are_there(self, name: str) -> None:
        found = DASHBOARDS[name]
        assert found["schemaVersion"] == OLDEST_SCHEMA
        assert found["uid"] == name
        assert len(found["uid"]) <= 40
        assert found["time"] == {"from": found["time"]["from"], "to": "now"}
        assert isinstance(found["annotations"]["list"], list)
        assert not {"apiVersion", "spec", "elements", "layout"} & set(found), "that would be schema v2"
        assert "__inputs" not in found, "a provisioned dashboard does not ask for its data source"

    def test_it_survives_being_read_by_grafanas_own_types(self, name: str) -> None:
        assert Dashboard.from_json(json.loads(json.dumps(DASHBOARDS[name]))).title == DASHBOARDS[name]["title"]

    def test_panels_have_distinct_ids_and_types_that_grafana_10_knows(self, name: str) -> None:
        everything = DASHBOARDS[name]["panels"]
        assert [panel["id"] for panel in everything] == list(range(1, len(everything) + 1))
        assert {panel["type"] for panel in everything} <= PANEL_TYPES

    def test_titles_are_given_once(self, name: str) -> None:
        assert max(Counter(panel["title"] for panel in DASHBOARDS[name]["panels"]).values()) == 1

    def test_panels_stay_on_the_grid_and_do_not_overlap(self, name: str) -> None:
        places = [panel["gridPos"] for panel in DASHBOARDS[name]["panels"]]
        assert all(one["x"] >= 0 and one["x"] + one["w"] <= GRID_COLUMNS and one["h"] > 0 for one in places)
        assert not [(one, other) for one, other in combinations(places, 2) if _overlap(one, other)]

    def test_queries_of_a_panel_have_distinct_letters(self, name: str) -> None:
        for panel in panels(name):
            refs = [target["refId"] for target in panel.get("targets", ())]
            assert refs == [chr(ord("A") + place) for place in range(len(refs))]

    def test_units_are_grafanas(self, name: str) -> None:
        known = {value for key, value in vars(units).items() if isinstance(value, str) and not key.startswith("_")}
        for panel in panels(name):
            if panel["type"] != "text":
                assert panel["fieldConfig"]["defaults"]["unit"] in known | {"none"}

    def test_thresholds_rise_from_minus_infinity(self, name: str) -> None:
        for panel in panels(name):
            steps = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": [{"value": None}]})["steps"]
            values = [step["value"] for step in steps]
            assert values[0] is None
            assert values[1:] == sorted(values[1:])

    def test_variables_depend_on_earlier_ones_only(self, name: str) -> None:
        seen: set[str] = set()
        for variable in variables(name).values():
            asked = {other for other in variables(name) if f'"${other}"' in str(variable["query"])}
            assert asked <= seen
            seen.add(variable["name"])


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def test_the_dashboard_that_contributing_shows_is_one() -> None:
    text = (FOLDER.parent / "CONTRIBUTING.md").read_text("utf-8").partition("## Add a dashboard")[2]
    shown: dict[str, Any] = {}
    exec(text.partition("```python\n")[2].partition("```")[0], shown)  # noqa: S102  our own documentation
    assert json.loads(to_json(shown["BOARD"]))["uid"] == "loadlab-waits"
