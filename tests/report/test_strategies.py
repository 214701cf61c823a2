"""Reports of a run with many strategies at several added latencies: ranked, explained, complete, and still readable."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from every import every
from factories import reports

from loadlab.model.case import EXTERNAL
from loadlab.model.config import Config
from loadlab.model.plan import Limits
from loadlab.report import labels, numbers
from loadlab.report.content import added_latency, charts, comparisons, matrix, ranking, story, verdicts
from loadlab.report.formats.html import HtmlPage
from loadlab.report.formats.markdown import Markdown
from loadlab.report.formats.terminal import Terminal
from loadlab.report.prose.answer import BY_GROWTH

if TYPE_CHECKING:
    from loadlab.report.content.verdicts import Advice

many = reports.strategies  # made once, when the first test asks for them


def advice(server: str, detail: str = "round trip +0 ms") -> Advice:
    return next(item for item in verdicts.build(many()) if (item.mode.server, item.mode.detail) == (server, detail))


def test_the_question_is_wider_where_there_is_more_than_an_age() -> None:
    assert story.title(many()) == story.WIDER_TITLE
    assert story.title(reports.findings()) == story.TITLE


def test_the_rule_of_choice_is_stated_where_strategies_are_weighed() -> None:
    assert set(story.HOW_STRATEGIES_ARE_CHOSEN) <= set(story.how_to_read(many()))
    assert story.how_to_read(reports.findings()) == story.HOW_TO_READ
    for text in (reports.rendered("html", "strategies"), reports.rendered("markdown", "strategies")):
        assert "the simplest that is not proven worse than the best wins" in text


def test_the_rule_is_stated_too_where_limits_alone_decide() -> None:
    found = reports.findings(blocks=1)
    limited = replace(found, run=replace(found.run, limits=Limits(max_connections=20)))
    assert len(story.how_to_read(limited)) > len(story.HOW_TO_READ)


def test_where_usable_connections_are_not_named_the_rule_of_growth_is_stated() -> None:
    found = reports.findings(blocks=1)
    arm = found.arms[0]
    deployed = replace(arm, case=replace(arm.case, server=Config(name=EXTERNAL), usable_connections=None), usable=None)
    growing = replace(found, arms=(deployed,))
    assert story.how_to_read(growing) == (*story.HOW_TO_READ, *story.HOW_GROWTH_IS_JUDGED)
    for usable in (None, 8):
        shown = reports.called("age 60")
        shown = replace(shown, case=replace(shown.case, usable_connections=usable))
        (told,) = story.answer(replace(growing, answer=(shown,)))
        assert (BY_GROWTH in told) is (usable is None)
        assert "and no leak seen" in told


def test_a_card_shows_recommendation_runner_up_and_ranking() -> None:
    item = advice("sync")
    assert item.recommendation == "CONN_MAX_AGE = 60 with health checks"
    assert item.second is not None
    assert item.second.setting == "close_on_thread_exit"
    assert [rank.place for rank in item.ranks[:2]] == ["recommended", "runner_up"]
    assert {rank.place for rank in item.ruled_out} == {"over_limit"}
    assert [*item.in_question, *item.ruled_out] == list(item.ranks)


def test_what_leaks_is_ruled_out_in_words_and_by_its_mark() -> None:
    rank = next(rank for rank in advice("gevent").ranks if rank.name == "CONN_MAX_AGE = None")
    assert (rank.leaks, rank.place) == (True, "unfit")
    assert rank.against == "leaks, 60 open, only 8 usable"
    assert rank.in_short == "ruled out: leaks"


def test_production_arithmetic_is_shown_for_accepted_and_rejected() -> None:
    needs = {rank.name: rank.need for rank in advice("sync").ranks}
    assert needs["pool, max_size=4"] == "2 hosts × 4 workers × 4 (max_size) × 2 overlap = 64 > 60 − 3"
    assert needs["CONN_MAX_AGE = 60"] == "2 hosts × 4 workers × 1 (usable at once) × 2 overlap = 16 ≤ 60 − 3"
    assert needs["pgbouncer"] == "2 hosts × 1 PgBouncer × 5 (pool_size) = 10 ≤ 60 − 3"
    for text in (
        reports.rendered("html", "strategies").replace("&gt;", ">"),
        reports.rendered("markdown", "strategies").replace("&gt;", ">"),
    ):
        assert needs["pool, max_size=4"] in text
        assert needs["pgbouncer"] in text
    flat = " ".join(Terminal(width=160).render(many()).split())
    assert needs["pool, max_size=4"] in flat
    assert needs["pgbouncer"] in flat


def test_the_figures_of_a_ranking_are_all_there() -> None:
    table = advice("gevent").figures
    rows = {row[0]: dict(zip([column.title for column in table.columns], row, strict=True)) for row in table.rows}
    assert len(rows) == 11
    bouncer, pool = rows["pgbouncer"], rows["pool, max_size=4"]
    assert (bouncer["Peak in PostgreSQL"], bouncer["Clients of the pooler"]) == ("5", "peak 8, left 8")
    assert bouncer["Waits for a connection"].endswith("longest 80.0 ms")
    assert pool["Waits for a connection"] == "1,920 asked, 0.25 ms each"
    assert (pool["Per process"], pool["Clients of the pooler"]) == ("1.00", "–")
    assert "needs psycopg 3 and Django 5.1 or newer" in pool["Drawbacks"]
    assert rows["CONN_MAX_AGE = None"]["Failed to connect"] == "too_many_connections 48"
    assert rows["CONN_MAX_AGE = None"]["Failed requests"] == "500 48"
    assert rows["CONN_MAX_AGE = 0"]["Throughput"] == "baseline"


def test_a_run_of_ages_alone_has_no_ranking() -> None:
    found = reports.findings()
    assert all(item.ranks == () and item.figures.rows == () for item in verdicts.build(found))
    assert verdicts.overview(found).rows == ()


def test_ages_alone_are_ranked_where_production_has_limits() -> None:
    analysed = reports.strategies(("sync",), (0.0,), 6)
    ages = [standing for standing in analysed.verdicts[0].ranking if standing.case.strategy.name == "max_age"]
    verdict = replace(analysed.verdicts[0], ranking=tuple(ages))
    assert len(ranking.ranks(analysed, verdict)) == 3
    unlimited = replace(analysed, run=replace(analysed.run, limits=Limits()))
    assert ranking.ranks(unlimited, verdict) == ()


def test_the_overview_has_a_line_for_every_verdict() -> None:
    table = verdicts.overview(many())
    assert len(table.rows) == len(many().verdicts) == 9
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_the_matrix_is_modes_by_strategies_and_names_the_latency() -> None:
    content = matrix.build(many())
    labels = [heading.label for heading in content.headings]
    assert labels[:3] == ["CONN_MAX_AGE = 0", "CONN_MAX_AGE = 60", "CONN_MAX_AGE = None"]
    assert labels[3:] == sorted(labels[3:])
    assert len(content.rows) == 9
    assert str(content.rows[1].mode) == "gunicorn sync (round trip +1 ms)"
    missing = [cell for row in content.rows if row.mode.server != "gevent" for cell in row.cells if cell is None]
    assert len(missing) == 6  # geventpool, in two modes at three latencies


def test_every_strategy_is_drawn_differently() -> None:
    columns = matrix.strategies(many().arms)
    looks = [(h.tone, h.shade, h.mark) for h in matrix.headings(columns, labels.Labels.of(many()))]
    assert len(set(looks)) == len(looks) == 11


def test_the_ninth_other_strategy_has_another_mark_than_the_first() -> None:
    choices = [replace(many().arms[0].case.strategy, name=f"other{i}") for i in range(10)]
    made = matrix.headings(choices, labels.Labels.of(many()))
    assert len({(heading.shade, heading.mark) for heading in made}) == 10


def test_a_table_over_latency_says_from_where_each_strategy_pays() -> None:
    effect = next(one for one in added_latency.build(many()) if one.mode.server == "gevent")
    rows = {row[0]: row[1:] for row in effect.table.rows}
    assert rows["pgbouncer"][-1] == "+0 ms"
    assert rows["pgbouncer"][0].endswith("▲ better")
    assert rows["CONN_MAX_AGE = 60"][-1] == "not proven"
    assert "✕ ruled out" in rows["CONN_MAX_AGE = 60"][0]
    assert rows["Recommended"] == ("pgbouncer", "pgbouncer", "pgbouncer", "")
    words = dict(effect.conclusions)
    assert words["pgbouncer"].startswith("pays at every added latency: 3.")
    assert len(effect.headings) == len(effect.table.rows) - 1


def test_charts_over_latency_have_a_line_per_strategy_and_no_zero() -> None:
    series = charts.build(many())
    assert [one.mode.server for one in series.added_latency] == list(reports.THREE_MODES)
    (_, _, gevent) = series.added_latency
    assert gevent.round_trips == ("+0 ms", "+1 ms", "+5 ms")
    assert all(len(line.ratios) == 3 and 0 not in line.ratios for line in gevent.lines)
    assert series.latencies == ("round trip +0 ms", "round trip +1 ms", "round trip +5 ms")


def test_every_format_shows_the_effect_of_latency() -> None:
    for text in (
        reports.rendered("html", "strategies"),
        reports.rendered("markdown", "strategies"),
        Terminal().render(many()),
    ):
        assert "With added latency" in text
        assert "not proven" in text
    for text in (HtmlPage().render(reports.findings()), Markdown().render(reports.findings())):
        assert "With added latency" not in text


def test_snippets_of_several_files_are_named_and_of_one_are_not() -> None:
    bouncer = advice("gevent")
    assert [snippet.file for snippet in bouncer.snippets] == ["settings.py", "pgbouncer.ini"]
    assert bouncer.several_files
    assert not advice("sync").several_files
    text = reports.rendered("markdown", "strategies")
    assert "In `pgbouncer.ini`:\n\n```ini\n[databases]" in text


def test_json_carries_ranking_runner_up_snippets_and_latencies() -> None:
    document = json.loads(reports.rendered("json", "strategies"))
    verdict = next(one for one in document["verdicts"] if one["server"] == "sync" and one["round_trip_ms"] == 0)
    assert verdict["runner_up"]["strategy"] == "close_on_thread_exit"
    assert verdict["recommend"]["parameters"] == {"max_age": 60, "conn_health_checks": True}
    standing = next(one for one in verdict["ranking"] if one["name"] == "pool, max_size=4")
    assert standing["parameters"]["max_size"] == 4
    assert standing["need"]["fits"] is False
    assert standing["case"] in {arm["case"] for arm in document["arms"]}
    assert document["distances"][0]["strategies"][0]["strategy"] == "max_age"
    assert document["run"]["limits"]["max_connections"] == 60
    assert document["run"]["left_out"][0]["strategy"] == "geventpool"
    bouncer = next(trial for trial in document["trials"] if trial["strategy"] == "pgbouncer")
    assert bouncer["connections"]["pooler"]["at_rest"]["servers_open"] == 5


def test_long_tables_are_put_away_and_short_ones_are_not() -> None:
    page = reports.rendered("html", "strategies")
    rows = len(comparisons.build(many()).judged.rows)
    assert rows > 40
    assert f"<summary>{rows} rows</summary>" in page
    assert " rows</summary>" not in HtmlPage().render(reports.findings())


@every("width", [80, 100, 140])
def test_the_terminal_keeps_every_strategy_readable(width: int) -> None:
    text = Terminal(width=width).render(reports.strategies(("sync", "gevent"), (0.0,), 12))
    flat = " ".join(text.split())
    for name in ("close_on_thread_exit", "max_age_if_not_debug", "pool, max_size=16"):
        assert name in flat
    assert "LEAK," in flat
    assert max(map(len, text.splitlines())) <= width


def test_wording_of_places_covers_them_all() -> None:
    assert {numbers.place(standing.place) for verdict in many().verdicts for standing in verdict.ranking} >= {
        "recommended",
        "runner-up",
        "baseline",
        "eligible",
        "over the limit",
        "ruled out",
    }
