"""What the dashboards of the lab share: they speak of trials, chosen by server mode, strategy and client keep-alive."""

from __future__ import annotations

from dashboards.source.panels import Mark, Variable
from dashboards.source.promql import EVERY_TARGET, TRIAL, Scope
from loadlab.model.metrics import CONNECTIONS_OPENED, FAULT_APPLIED, FAULT_LIFTED

CHOSEN = ("job", "instance", "server", "strategy", "keep_alive")
TITLES = {
    "job": "Job",
    "instance": "Trial",
    "server": "Server mode",
    "strategy": "Strategy",
    "keep_alive": "Client keep-alive",
}

LAB = Scope(matchers=tuple(f'{label}=~"${label}"' for label in CHOSEN), labels=(*EVERY_TARGET, *TRIAL))
# Of CONN_MAX_AGE alone, and not 0: there a connection is meant to be found again.
KEPT = Scope(matchers=(*LAB.matchers, 'max_age!~"0|"'), labels=LAB.labels)
# All that two trials of one arm have in common.
ARM = ("server", "strategy", "keep_alive")
NAMED_AS_ARM = "{{server}} {{strategy}}"


def chosen_by(label: str, *before: str) -> Variable:
    """Choices among what the choices `before` have left."""
    left = Scope(matchers=tuple(f'{one}=~"${one}"' for one in before))
    return Variable(name=label, title=TITLES[label], source=left.select(CONNECTIONS_OPENED), label=label)


VARIABLES = (
    chosen_by("job"),
    chosen_by("server", "job"),
    chosen_by("strategy", "job", "server"),
    chosen_by("keep_alive", "job", "server", "strategy"),
    chosen_by("instance", "job", "server", "strategy", "keep_alive"),
)

FAULTS = (
    Mark(name="Faults", expr=f"{LAB.select(FAULT_APPLIED)} * 1000", title="fault: {{fault}}", colour="red"),
    Mark(name="Faults, over", expr=f"{LAB.select(FAULT_LIFTED)} * 1000", title="over: {{fault}}", colour="orange"),
)
