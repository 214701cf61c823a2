"""What a kept connection costs, as reports say it; or what would measure it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Final

from every import every
from factories import reports
from jsonschema import Draft202012Validator

from loadlab.analysis.holding import holding_costs
from loadlab.model.holding import ClientSide, Holding, IdleBackends, KeptRows, MedianEstimate, OpeningCpu
from loadlab.model.opens import Opens
from loadlab.report import REPORTS
from loadlab.report.content import holding

if TYPE_CHECKING:
    from loadlab.model.findings import Findings
    from loadlab.model.holding import UnknownHolding


def around(value: float) -> MedianEstimate:
    return MedianEstimate(value=value, low=value * 0.9, high=value * 1.1, count=8)


def backends(resident: float) -> IdleBackends:
    return IdleBackends(
        reading="pss", resident=around(resident), private=around(resident / 2), page_tables=around(2e5), files=9.0
    )


MEASURED: Final = Holding(
    driver="psycopg",
    fresh=backends(1.3e6),
    used=backends(1.9e6),
    requests=1234.0,
    client=ClientSide(resident=around(3e4), files=1.0),
    opening=OpeningCpu(client=around(0.0025), database=around(0.003)),
    kept_rows=(
        KeptRows(idle="session", rows=1000, kept=0),
        KeptRows(idle="has_written", rows=1000, kept=1000),
    ),
)
FORMATS: Final = ("html", "markdown", "terminal")


def found(measured: Holding | None) -> Findings:
    return replace(reports.findings(), opens=Opens(unknown="older"), holding=holding_costs(measured))


def text(name: str, measured: Holding | None) -> str:
    return " ".join(REPORTS[name]().render(found(measured)).split())


def test_both_costs_stand_side_by_side_at_both_ends() -> None:
    rows = {row[0]: row[1:] for row in holding.costs(found(MEASURED)).rows}
    assert rows["CPU of an opening, and of its end"] == ("2.50 ms (2.25–2.75)", "3.00 ms (2.70–3.30)", "5.5 ms")
    assert rows["Memory of a fresh one"] == ("0.030 MB (0.027–0.033)", "1.30 MB (1.17–1.43)", "1.33 MB")
    assert rows["Memory of one after 1,234 requests"][1] == "1.90 MB (1.71–2.09)"
    assert rows["Memory kept for an hour"][2] == "2.13 MB·h"  # with page tables, and the client's
    assert rows["Open files"] == ("1", "9", "10")


def test_an_age_pays_at_fewer_requests_where_a_core_is_dearer() -> None:
    table = holding.break_even(found(MEASURED))
    assert [column.title for column in table.columns] == ["CONN_MAX_AGE", "4 GiB", "9.1 GiB"]
    for _, cheaper, dearer in table.rows:
        assert float(dearer.replace(",", "")) < float(cheaper.replace(",", ""))


@every("name", FORMATS)
def test_every_format_for_people_shows_the_costs_and_what_they_assume(name: str) -> None:
    shown = text(name, MEASURED)
    assert holding.TITLE in shown
    assert "CPU of an opening" in shown
    assert "takes 5.5 ms of CPU at both ends; keeping one for an hour takes 2.13 MB·h" in shown
    assert shown.index("of CPU at both ends") < shown.index("CPU of an opening") < shown.index("is an assumption")
    assert "1,000 beside an idle transaction that has written" in shown


@every("name", FORMATS[:2])
def test_a_run_that_has_not_measured_it_says_what_would(name: str) -> None:
    assert "loadlab run holding" in text(name, None)
    assert holding.sentences(replace(found(None), opens=None)) == ()


@every("unknown", ["given", "system"])
def test_a_cost_that_is_not_known_has_a_reason_and_no_table(unknown: UnknownHolding) -> None:
    assert holding.costs(found(Holding(unknown=unknown))).rows == ()
    assert holding.sentences(found(Holding(unknown=unknown))) == (holding.UNKNOWN[unknown],)


def test_a_user_who_may_see_private_memory_alone_is_told_so() -> None:
    private = replace(backends(1e6), reading="private", files=None)
    lacking = replace(MEASURED, fresh=private, used=None, client=None, opening=None)
    assert holding.sentences(found(lacking))[0] == holding.READING["private"]
    assert holding.break_even(found(lacking)).rows == ()
    rows = {row[0]: row[1:] for row in holding.costs(found(lacking)).rows}
    assert rows["Memory of a fresh one"] == ("–", "1.00 MB (0.90–1.10)", "1.00 MB")
    assert "Open files" not in rows


@every("measured", [None, MEASURED, Holding(unknown="given")])
def test_programs_get_bytes_and_seconds_as_the_schema_says(measured: Holding | None) -> None:
    document = json.loads(REPORTS["json"]().render(found(measured)))
    file = resources.files("loadlab.report") / "assets" / "report.schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    assert list(Draft202012Validator(schema).iter_errors(document)) == []
    if measured is MEASURED:
        assert document["holding"]["measured"]["used"]["resident"]["value"] == 1.9e6
