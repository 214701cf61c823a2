"""Every format goes through the same life cycle."""

from __future__ import annotations

from dataclasses import replace

from every import every
from factories import reports

from loadlab.report import REPORTS


@every("variant", reports.VARIANTS)
@every("name", list(REPORTS))
def test_every_format_renders_every_kind_of_run(name: str, variant: str) -> None:
    findings = reports.VARIANTS[variant]()
    text = REPORTS[name]().render(findings)
    assert text.endswith("\n")
    assert str(findings.run.seed) in text
    text.encode()


@every("name", list(REPORTS))
def test_rendering_twice_gives_the_same_text(name: str) -> None:
    assert REPORTS[name]().render(reports.findings()) == REPORTS[name]().render(reports.findings())


@every("name", list(REPORTS))
def test_every_format_gives_answer_and_recommendations(name: str) -> None:
    text = " ".join(REPORTS[name]().render(reports.findings()).split())
    assert "Unlimited age: in sync, 1.01× the throughput of 60 s (0.99–1.03; 8 blocks), equivalent" in text
    for server in reports.SERVERS:
        assert server in text


def test_kept_formats_have_distinct_file_names() -> None:
    names = [REPORTS[name].filename for name in REPORTS]
    assert sorted(name for name in names if name) == ["report.html", "report.json", "report.md"]
    assert names.count(None) == 1


@every("name", list(REPORTS))
def test_every_format_says_where_it_cannot_tell_of_a_leak(name: str) -> None:
    made = reports.findings()
    arms = tuple(replace(arm, leak="cannot tell", leaks=False) if arm.leaks else arm for arm in made.arms)
    text = REPORTS[name]().render(replace(made, arms=arms))
    assert "cannot tell" in text


@every("name", ["terminal", "markdown", "html"])
@every("leaks", [True, False])
def test_prose_formats_say_leak_exactly_where_an_arm_leaks(name: str, leaks: bool) -> None:  # noqa: FBT001
    text = REPORTS[name]().render(reports.findings() if leaks else reports.all_failed())
    body = text.partition("How to read this</h2>")[0].partition("## How to read this")[0]
    visible = body.partition("</style>")[2] or body
    assert ("LEAK" in visible) is leaks


def test_a_lone_surrogate_in_a_name_does_not_stop_the_file() -> None:
    for name in REPORTS:
        findings = reports.with_answer("caf\udce9")
        text = REPORTS[name]().render(findings)
        assert "caf?" in text, name
        text.encode()
