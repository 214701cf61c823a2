"""Every query parses, and speaks of nothing that is not in the catalogue.

The second half are the rules of github.com/grafana/dashboard-linter that concern queries, panels and variables of a
Prometheus dashboard, written anew: template-datasource, template-job, template-instance, template-label-promql,
template-on-time-change-reload, panel-datasource, panel-title-description, panel-units, panel-no-targets,
target-promql, target-rate-interval, target-job, target-instance, target-counter-agg, target-histogram and uneditable.
Left out are the two rules on Loki. `OTHERWISE` says where a rule is broken on purpose, and why.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
from every import every
from promql_parser import Call, MatrixSelector, VectorSelector

from dashboards.evidence.committed import DASHBOARDS, TARGETS, Target, all_chosen, expanded, panels, variables
from dashboards.source.lab import LAB
from dashboards.source.promql import EVERY_TARGET, TRIAL
from loadlab.model.foreign_metrics import FOREIGN
from loadlab.model.metrics import CATALOGUE, FAULT_APPLIED, FAULT_LIFTED, LAB_CATALOGUE, LOAD_REQUESTS, LOAD_RESPONSE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.metrics import Metric

# A trial's counter starts at zero with its instance and never resets: its last value is its exact total, its highest
# less its lowest what it has grown by. increase() would guess.
OTHERWISE = {"target-counter-agg": ("last_over_time", "max_over_time", "min_over_time")}
LAB_DASHBOARDS = [name for name in DASHBOARDS if name != "loadlab-production"]
SERIES = {
    f"{metric.name}{suffix}": metric
    for metric in (*CATALOGUE, *LAB_CATALOGUE, *FOREIGN)
    for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
}


def parsed(target: Target) -> Any:
    return promql_parser.parse(expanded(target.expr, all_chosen(target.dashboard), rate="4s", everything="1h"))


def nodes(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every part of a query with the parts that it stands in, the outermost first."""
    yield node, above
    for part in ("expr", "lhs", "rhs", "vector_selector"):
        if (below := getattr(node, part, None)) is not None and not isinstance(below, str | float):
            yield from nodes(below, (*above, node))
    for argument in getattr(node, "args", ()):
        yield from nodes(argument, (*above, node))


def selectors(target: Target) -> list[tuple[VectorSelector, tuple[Any, ...]]]:
    return [(node, above) for node, above in nodes(parsed(target)) if isinstance(node, VectorSelector)]


def matched(selector: VectorSelector) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


def labels_of(metric: Metric, *, of_the_lab: bool) -> set[str]:
    return {*metric.labels, *EVERY_TARGET, *(TRIAL if of_the_lab else ())}


def is_foreign(selector: VectorSelector) -> bool:
    return SERIES[selector.name] in FOREIGN and selector.name != "up"


every_target = every("target", TARGETS, ids=str)
every_dashboard = every("name", DASHBOARDS)


class TestEveryQuery:
    @every_target
    def test_parses_and_holds_no_variable_that_the_dashboard_lacks(self, target: Target) -> None:
        asked = set(re.findall(r"\$(\w+)", target.expr)) - {"__rate_interval", "__range"}
        assert asked <= set(variables(target.dashboard))
        assert selectors(target)

    @every_target
    def test_asks_for_series_of_the_catalogue_by_labels_that_they_have(self, target: Target) -> None:
        of_the_lab = target.dashboard in LAB_DASHBOARDS
        for selector, _ in selectors(target):
            metric = SERIES[selector.name]
            assert set(matched(selector)) <= labels_of(metric, of_the_lab=of_the_lab)

    @every_target
    def test_groups_by_labels_that_its_series_have(self, target: Target) -> None:
        of_the_lab = target.dashboard in LAB_DASHBOARDS
        known = {"le"}.union(*(labels_of(SERIES[one.name], of_the_lab=of_the_lab) for one, _ in selectors(target)))
        for node, _ in nodes(parsed(target)):
            if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
                assert set(node.modifier.labels) <= known

    @every_target
    def test_legend_names_labels_that_the_query_keeps(self, target: Target) -> None:
        panel = next(one for one in panels(target.dashboard) if one["title"] == target.panel)
        legend = next(one["legendFormat"] for one in panel["targets"] if one["refId"] == target.ref)
        outermost = {label for node, _ in nodes(parsed(target)) for label in _grouped(node)}
        assert set(re.findall(r"{{(\w+)}}", legend)) <= outermost

    @every_target
    def test_a_production_dashboard_knows_nothing_of_the_lab(self, target: Target) -> None:
        if target.dashboard in LAB_DASHBOARDS:
            return
        for selector, _ in selectors(target):
            assert not set(TRIAL) & set(matched(selector))
            assert SERIES[selector.name] not in LAB_CATALOGUE

    # From here on, rules of dashboard-linter.

    @every_target
    def test_target_rate_interval(self, target: Target) -> None:
        """rate() looks back over $__rate_interval, which always holds four scrapes."""
        assert not re.search(r"\b(rate|irate|increase)\([^\[]*\[(?!\$__rate_interval\])", target.expr)

    @every_target
    def test_target_job_and_target_instance(self, target: Target) -> None:
        """But for exporters of others, whose jobs are their own."""
        for selector, _ in selectors(target):
            if not is_foreign(selector):
                assert 'job=~"$job"' in target.expr
                assert {"job", "instance"} <= set(matched(selector))

    @every_target
    def test_target_counter_agg(self, target: Target) -> None:
        for selector, above in selectors(target):
            if selector.name.endswith("_total"):
                assert isinstance(above[-1], MatrixSelector)
                assert isinstance(above[-2], Call)
                assert above[-2].func.name in ("rate", *OTHERWISE["target-counter-agg"])

    @every_target
    def test_target_histogram(self, target: Target) -> None:
        """Buckets become a quantile, or are drawn as buckets."""
        panel = next(one for one in panels(target.dashboard) if one["title"] == target.panel)
        for selector, above in selectors(target):
            if selector.name.endswith("_bucket") and panel["type"] != "heatmap":
                assert "histogram_quantile" in {call.func.name for call in above if isinstance(call, Call)}


def _grouped(node: Any) -> list[str]:
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
        return list(node.modifier.labels)
    return []


class TestDashboardLinter:
    @every_dashboard
    def test_template_datasource(self, name: str) -> None:
        found = variables(name)["datasource"]
        assert (found["type"], found["query"], found["label"]) == ("datasource", "prometheus", "Data source")

    @every("label", ["job", "instance"])
    @every_dashboard
    def test_template_job_and_template_instance(self, name: str, label: str) -> None:
        found = variables(name)[label]
        assert found["type"] == "query"
        assert found["datasource"]["uid"] == "${datasource}"
        assert found["multi"]
        assert found["includeAll"]
        assert found["allValue"] == ".+"
        assert found["query"].endswith(f", {label})")

    @every_dashboard
    def test_template_label_promql(self, name: str) -> None:
        for variable in variables(name).values():
            if variable["type"] == "query":
                inside = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
                assert inside, variable["query"]
                assert promql_parser.parse(expanded(inside[1], all_chosen(name)))

    @every_dashboard
    def test_template_on_time_change_reload(self, name: str) -> None:
        assert all(one["refresh"] == 2 for one in variables(name).values() if one["type"] == "query")

    @every_dashboard
    def test_panel_datasource(self, name: str) -> None:
        for panel in panels(name):
            if panel["type"] != "text":
                assert {panel["datasource"]["uid"], *(one["datasource"]["uid"] for one in panel["targets"])} == {
                    "${datasource}"
                }

    @every_dashboard
    def test_panel_title_description_units_and_targets(self, name: str) -> None:
        for panel in panels(name):
            assert panel["title"]
            assert panel["description"]
            if panel["type"] != "text":
                assert panel["targets"]
                assert panel["fieldConfig"]["defaults"]["unit"]

    @every_dashboard
    def test_uneditable(self, name: str) -> None:
        assert DASHBOARDS[name]["editable"] is False


@every_dashboard
def test_every_panel_says_what_is_good_and_what_to_do(name: str) -> None:
    for panel in panels(name):
        if panel["type"] != "text":
            assert "**Good:** " in panel["description"]
            assert "**If not:** " in panel["description"]


def test_panels_that_can_be_bad_have_thresholds() -> None:
    """Shares of failure, of refusal and of leaks have limits."""
    telling = re.compile(r"refus|fail|garbage|Lent out|wait$|5xx", re.IGNORECASE)
    for name in DASHBOARDS:
        for panel in panels(name):
            single = len(panel.get("targets", ())) == 1 and panel["type"] in ("stat", "timeseries")
            if single and telling.search(panel["title"]):
                assert panel["fieldConfig"]["defaults"].get("thresholds"), panel["title"]


def test_a_query_over_what_no_metric_has_is_not_written() -> None:
    with pytest.raises(ValueError, match="has no label result"):
        LAB.total(LOAD_REQUESTS, "result")
    with pytest.raises(ValueError, match="is a histogram"):
        LAB.total(LOAD_RESPONSE)
    with pytest.raises(ValueError, match="has no bucket"):
        LAB.total(LOAD_REQUESTS, of="bucket")


@every("name", ["loadlab-connections", "loadlab-load", "loadlab-pools"])
def test_faults_are_marked_at_the_times_that_the_lab_has_written(name: str) -> None:
    """The value is the time, in milliseconds: a scrape comes later, and a short fault is over by then."""
    marks = DASHBOARDS[name]["annotations"]["list"]
    asked = [
        parsed(Target(dashboard=name, panel="annotations", ref="", expr=mark["expr"], over_time=True)) for mark in marks
    ]
    found = {node.name: matched(node) for one in asked for node, _ in nodes(one) if isinstance(node, VectorSelector)}
    assert {SERIES[metric] for metric in found} == {FAULT_APPLIED, FAULT_LIFTED}
    assert all(set(where) == {label.partition("=")[0] for label in LAB.matchers} for where in found.values())
    assert all(mark["useValueForTime"] and mark["expr"].endswith(" * 1000") for mark in marks)
    assert all("{{fault}}" in mark["titleFormat"] for mark in marks)
