"""The rules for Prometheus: valid, tried on made-up series, and about nothing that is not in the catalogue."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import promql_parser
import pytest
import yaml
from command_line import REPOSITORY
from promql_parser import VectorSelector

from loadlab.model.foreign_metrics import FOREIGN
from loadlab.model.metrics import CATALOGUE, LAB_CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

RULES: Final = REPOSITORY / "dashboards" / "prometheus"
TESTS: Final = sorted((RULES / "tests").glob("*.yml"))
RUNBOOKS: Final = REPOSITORY / "docs" / "reference" / "runbooks.md"
HOW_TO: Final = REPOSITORY / "docs" / "how-to"
MANUAL: Final = (HOW_TO / "prometheus.md").read_text() + (HOW_TO / "production-metrics.md").read_text()
SEVERITIES: Final = {"page", "warning", "info"}
OF_TARGETS: Final = {"job", "instance"}
PARTS: Final = ("What it means", "Make sure", "What to change")


def groups(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text())["groups"]
    return found


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in groups(RULES / name) for rule in group["rules"]]


ALERTS: Final = rules("alerts.yml")
RECORDED: Final = rules("recording.yml")
EVERY_RULE: Final = pytest.mark.parametrize(
    "rule", [*RECORDED, *ALERTS], ids=lambda rule: rule.get("alert") or rule["record"]
)
EVERY_ALERT: Final = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def series() -> dict[str, set[str]]:
    """The names that a rule may ask for, each with its labels."""
    known = {
        f"{metric.name}{suffix}": {*metric.labels, *OF_TARGETS}
        for metric in (*CATALOGUE, *LAB_CATALOGUE, *FOREIGN)
        for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
    }
    for rule in RECORDED:
        known[rule["record"]] = set().union(*(known[one.name] for one in selectors(rule["expr"]) if one.name in known))
    return known


def selectors(expression: str) -> list[VectorSelector]:
    found: list[VectorSelector] = []

    def keep(node: object) -> None:
        if isinstance(node, VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), keep)
    return found


def succeeds(*command: object) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules_and_the_example_configuration(promtool: str) -> None:
    succeeds(promtool, "check", "rules", RULES / "recording.yml", RULES / "alerts.yml")
    succeeds(promtool, "check", "config", "--syntax-only", RULES / "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_say_what_they_should_of_made_up_series(promtool: str, path: Path) -> None:
    succeeds(promtool, "test", "rules", path)


@EVERY_RULE
def test_a_rule_asks_for_nothing_that_is_not_in_the_catalogue(rule: dict[str, Any]) -> None:
    known = series()
    asked = selectors(rule["expr"])
    assert asked
    for selector in asked:
        assert selector.name in known
        assert {matcher.name for matcher in selector.matchers.matchers} <= known[selector.name]


@EVERY_ALERT
def test_an_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in SEVERITIES
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert all(alert["annotations"].values())
    assert alert["annotations"]["runbook_url"] == f"docs/reference/runbooks.md#{alert['alert'].lower()}"


@EVERY_ALERT
def test_an_alert_is_tried_where_it_fires_and_where_it_does_not(alert: dict[str, Any]) -> None:
    expected = [
        bool(one.get("exp_alerts"))
        for path in TESTS
        for case in yaml.safe_load(path.read_text())["tests"]
        for one in case.get("alert_rule_test", [])
        if one["alertname"] == alert["alert"]
    ]
    assert set(expected) == {True, False}


@EVERY_ALERT
def test_an_alert_has_a_section_in_the_runbooks(alert: dict[str, Any]) -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOKS.read_text(), re.MULTILINE | re.DOTALL))
    assert set(sections) == {each["alert"] for each in ALERTS}
    for part in PARTS:
        assert f"**{part}.**" in sections[alert["alert"]]


def test_the_manual_lists_every_alert_with_its_severity() -> None:
    told = re.findall(r"^\| `(Loadlab\w+)` \| (\w+) \|", MANUAL, re.MULTILINE)
    assert told == [(alert["alert"], alert["labels"]["severity"]) for alert in ALERTS]


def test_the_manual_lists_the_metrics_of_trials_and_of_others() -> None:
    trials = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([\w, ]*)\|", MANUAL, re.MULTILINE)
    assert [(name, kind, labels.strip()) for name, kind, labels in trials] == [
        (metric.name, metric.kind, ", ".join(metric.labels)) for metric in LAB_CATALOGUE
    ]
    others = re.findall(r"^\| `(\w+)` \| (?:Prometheus|\w+_exporter) \| ([\w, ]*)\|", MANUAL, re.MULTILINE)
    assert [(name, labels.strip()) for name, labels in others] == [
        (metric.name, ", ".join(metric.labels)) for metric in FOREIGN
    ]
