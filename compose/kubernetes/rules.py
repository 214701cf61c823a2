"""Prints the PrometheusRules that carry the rules of dashboards/prometheus/: python compose/kubernetes/rules.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

RULES: Final = Path(__file__).resolve().parents[2] / "dashboards" / "prometheus"
FILES: Final = ("recording.yml", "alerts.yml")
HEADING: Final = "# Made from dashboards/prometheus/ by compose/kubernetes/rules.py; a change belongs there.\n"


def prometheus_rule(name: str) -> dict[str, Any]:
    """One for each file: groups of two files may have the same name, and those of one resource may not."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": f"loadlab-{Path(name).stem}", "labels": {"app.kubernetes.io/part-of": "loadlab"}},
        "spec": yaml.safe_load((RULES / name).read_text()),
    }


class _Readable(yaml.SafeDumper):
    """Writes a query of several lines as several lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)

if __name__ == "__main__":
    rules = map(prometheus_rule, FILES)
    print(HEADING + yaml.dump_all(rules, Dumper=_Readable, sort_keys=False, width=120), end="")
