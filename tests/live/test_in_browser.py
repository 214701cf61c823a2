"""The live page in Chromium: it moves, needs no mouse, fits a phone, and shows names as nothing but text."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
from browser import PIXELS, Tab, scheme, size
from factories.made_runs import BEGAN, MadeRun, made_run
from selenium.webdriver.common.keys import Keys

from loadlab.live.hosting import hosted
from loadlab.model.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver

HOSTILE: Final = "<img src=x onerror=\"document.title='owned'\">"
OF_COLOUR: Final = """
const [place, name] = arguments;
const canvas = place.querySelector("canvas");
if (!canvas || !canvas.width) return 0;
const probe = document.createElement("canvas").getContext("2d");
probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
probe.fillRect(0, 0, 1, 1);
const wanted = probe.getImageData(0, 0, 1, 1).data;
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
let found = 0;
for (let i = 0; i < data.length; i += 4) {
  found += data[i + 3] > 250 && [0, 1, 2].every((part) => Math.abs(data[i + part] - wanted[part]) < 12);
}
return found;
"""
PLOTS: Final = ("requests", "response", "connections", "holders", "opened", "closed", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with hosted(folder, port=0) as page:
        yield page


@pytest.fixture
def tab(browser: WebDriver) -> Iterator[Tab]:
    size(browser, 1280)
    scheme(browser, "light")
    browser.get_log("browser")
    browser.get_log("performance")
    yield Tab(browser)
    browser.get("about:blank")


@pytest.fixture
def going(folder: Path, request: pytest.FixtureRequest) -> MadeRun:
    """A run with six trials done and one under way."""
    made = made_run(folder / request.node.name[:60].translate(str.maketrans("[]", "  ")).strip(), blocks=3)
    made.begins(at=BEGAN)
    for order in range(6):
        made.trial(order, at=BEGAN + 5 * order)
    made.trial(6, at=BEGAN + 30, ended=False)
    return made


def opened(tab: Tab, url: str, made: MadeRun) -> None:
    """The run's page, once it has heard everything."""
    tab.driver.get(f"{url}/runs/{quote(made.name, safe='')}")
    tab.wait(lambda: tab.all(".card"))


def text(tab: Tab, field: str) -> str:
    return tab.find(f"[data-field={field}]").get_attribute("textContent") or ""


def drawn(tab: Tab, plot: str, colour: str) -> int:
    """How many pixels of a chart have very nearly this colour, as the page names it."""
    return int(tab.driver.execute_script(OF_COLOUR, tab.find(f"[data-plot={plot}]"), colour))


def test_a_fault_is_a_line_and_a_band_on_every_chart(tab: Tab, url: str, going: MadeRun) -> None:
    """On one where nothing else has its colour, the line is looked for."""
    opened(tab, url, going)
    tab.driver.execute_script("arguments[0].scrollIntoView()", tab.find("[data-plot=response]"))
    tab.wait(lambda: drawn(tab, "response", "finite"))
    assert drawn(tab, "response", "leak") == 0
    going.fault(6, at=BEGAN + 32, until=BEGAN + 32.6, words="connections_exhausted (free=0) at 1 s for 0.6 s")
    tab.wait(lambda: drawn(tab, "response", "leak"))
    for plot in PLOTS:
        figure = tab.find(f"[data-plot={plot}]")
        tab.driver.execute_script("arguments[0].scrollIntoView()", figure)
        tab.wait(lambda figure=figure: "2 to 2.6 s fault" in " ".join(figure.text.split()))  # type: ignore[misc]
    going.fault(6, at=BEGAN + 33, until=BEGAN + 33.001, words="database_restart (mode=fast) at 2 s")
    tab.wait(lambda: " 3 s fault" in " ".join(tab.find("[data-plot=cpu]").text.split()))
    assert tab.complaints() == []


def test_the_page_moves_as_trials_begin_and_end(tab: Tab, url: str, going: MadeRun) -> None:
    opened(tab, url, going)
    assert text(tab, "state") == "running"
    assert text(tab, "counts") == "6 of 21 trials"
    assert tab.find("[role=progressbar]").get_attribute("aria-valuenow") == "6"
    assert text(tab, "trial").startswith("Trial 7: ")
    assert "left" in text(tab, "remaining")
    assert len(tab.all(".matrix td.running")) == 1
    going.trial(6, at=BEGAN + 35)
    going.trial(7, at=BEGAN + 40, ended=False)
    tab.wait(lambda: text(tab, "counts") == "7 of 21 trials" and text(tab, "trial").startswith("Trial 8: "))
    tab.wait(lambda: "7 of 21 trials" in text(tab, "basis"))
    assert tab.driver.title.startswith("7 of 21 · ")
    going.ends("failed", "PostgreSQL went away.", at=BEGAN + 50)
    tab.wait(lambda: text(tab, "state") == "failed")
    assert text(tab, "doing").startswith("PostgreSQL went away. ")
    assert text(tab, "remaining") == ""
    assert tab.complaints() == []
    assert all(address.startswith((url, "data:")) for address in tab.requests())


def test_every_chart_is_drawn_says_its_latest_figures_and_has_a_table(tab: Tab, url: str, going: MadeRun) -> None:
    opened(tab, url, going)
    for name in PLOTS:
        plot = tab.find(f"[data-plot={name}]")
        assert tab.run(PIXELS, tab.drawn(plot)) > 500, name
        assert any(character.isdigit() for character in plot.text)
        tab.press(tab.find(f"[data-plot={name}] summary"))
        rows = tab.wait(lambda name=name: tab.all(f"[data-plot={name}] tbody tr"))
        assert len(rows) > 3, name
    assert not tab.find("[data-plot=pooler]").is_displayed()
    tab.driver.execute_script("arguments[0].scrollIntoView()", tab.find("[data-plot=holders]"))
    tab.wait(lambda: drawn(tab, "holders", "leak"))
    assert "leaked" in tab.find("[data-plot=holders] .latest").text
    assert tab.find("[data-plot=connections] .latest").text.replace("\n", " ").startswith("1 active")
    assert tab.complaints() == []


def test_until_a_trial_is_seen_the_charts_are_said_to_be_of_the_one_before(tab: Tab, url: str, going: MadeRun) -> None:
    opened(tab, url, going)
    assert tab.all(".plot.earlier") == []
    going.trial(6, at=BEGAN + 35)
    going.trial(7, at=BEGAN + 40, seconds=-1, ended=False)
    tab.wait(lambda: "the charts are of the one before" in text(tab, "case"))
    assert tab.all(".plot.earlier")
    going.trial(7, at=BEGAN + 41, ended=False)
    tab.wait(lambda: text(tab, "case") == going.schedule.cases[going.schedule.steps[7].case].id)
    tab.wait(lambda: tab.all(".plot.earlier") == [])


def test_the_charts_can_show_the_whole_run(tab: Tab, url: str, going: MadeRun) -> None:
    opened(tab, url, going)
    place = tab.drawn(tab.find("[data-plot=requests]"))
    before = tab.picture(place)
    whole = tab.find("[data-line=run]")
    whole.send_keys(Keys.ENTER)
    assert whole.get_attribute("aria-pressed") == "true"
    assert tab.find("[data-line=trial]").get_attribute("aria-pressed") == "false"
    tab.wait(lambda: tab.picture(place) != before)


def test_a_reload_shows_the_same_again(tab: Tab, url: str, going: MadeRun) -> None:
    def seen() -> list[str]:
        return [text(tab, field) for field in ("state", "counts", "trial", "case", "basis", "opinions")]

    opened(tab, url, going)
    before = seen()
    tab.driver.refresh()
    tab.wait(lambda: tab.all(".card"))
    tab.wait(lambda: seen() == before)


def test_a_page_that_has_lost_its_process_goes_on_when_there_is_one_again(
    tab: Tab, tmp_path: Path, folder: Path
) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    made.trial(0, at=BEGAN)
    with hosted(tmp_path, port=0) as first:
        opened(tab, first, made)
    tab.wait(lambda: "loadlab live shows the run again" in text(tab, "message"))
    made.trial(1, at=BEGAN + 5)
    port = int(first.rpartition(":")[2])
    with hosted(tmp_path, port=port):
        tab.wait(lambda: text(tab, "counts") == "2 of 14 trials")
        tab.wait(lambda: text(tab, "message") == "")


def test_what_was_opened_stays_open_when_a_new_verdict_comes(tab: Tab, url: str, going: MadeRun) -> None:
    opened(tab, url, going)
    summary = tab.find(".card summary")
    tab.run("arguments[0].scrollIntoView({block: 'center'})", summary)
    summary.send_keys(Keys.ENTER)
    assert tab.find(".card details").get_attribute("open")
    going.trial(6, at=BEGAN + 35)
    tab.wait(lambda: "7 of 21 trials" in text(tab, "basis"))
    assert tab.find(".card details").get_attribute("open")
    assert tab.run("return document.activeElement === document.querySelector('.card summary')")


def hostile(folder: Path) -> MadeRun:
    """Everything that a run folder may name, named by somebody who means harm."""
    honest = made_run(folder / "honest").schedule.cases
    cases = [
        replace(
            case, scenario=HOSTILE.replace("/", ""), server=Config(name=f"sync{HOSTILE}", parameters={HOSTILE: HOSTILE})
        )
        for case in honest
    ]
    made = made_run(folder / HOSTILE.replace("/", ""), cases=cases)
    made.begins(at=BEGAN)
    made.notice(f"notice {HOSTILE}")
    for order in range(len(made.schedule.steps)):
        made.trial(order, at=BEGAN + 5 * order)
    made.record(0, state="invalid", reason=f"reason {HOSTILE}")
    made.trial(1, at=BEGAN + 500, ended=False)
    made.ends("failed", f"end {HOSTILE}", at=BEGAN + 600)
    return made


def test_hostile_names_are_shown_and_do_nothing(tab: Tab, url: str, folder: Path) -> None:
    made = hostile(folder)
    opened(tab, url, made)
    for field, word in (("notices", "notice"), ("broken", "reason"), ("doing", "end")):
        tab.wait(lambda field=field, word=word: f"{word} {HOSTILE}" in text(tab, field))
    assert HOSTILE in tab.find("h1").text
    assert HOSTILE in text(tab, "case")
    for name in PLOTS:
        tab.drawn(tab.find(f"[data-plot={name}]"))
    tab.driver.get(url)
    tab.wait(lambda: HOSTILE in tab.find("tbody").text)
    for page in ("", f"/beside/{quote(made.name, safe='')}/honest"):
        tab.driver.get(url + page)
        assert tab.all("img") == []
        assert tab.driver.title != "owned"
    assert [one for one in tab.complaints() if "Content Security Policy" in one] == []


def test_runs_are_chosen_by_keys_alone_one_or_two_side_by_side(tab: Tab, url: str, folder: Path) -> None:
    names = ["side a", "side b"]
    for name in names:
        made_run(folder / name).begins(at=BEGAN)
    tab.driver.get(url)
    tab.wait(lambda: all(name in tab.find("tbody").text for name in names))
    button = tab.find("#beside button")
    assert not button.is_enabled()
    for name in names:
        tab.find(f"input[aria-label='Show {name} beside another']").send_keys(Keys.SPACE)
    assert button.is_enabled()
    button.send_keys(Keys.ENTER)
    tab.wait(lambda: len(tab.all(".run-view")) == 2)
    assert [one.text for one in tab.all("h1")] == names
    tab.wait(lambda: [one.text for one in tab.all("[data-field=state]")] == ["preparing", "preparing"])
    tab.find(".top nav a").send_keys(Keys.ENTER)
    tab.wait(lambda: tab.all("tbody a"))
    next(link for link in tab.all("tbody a") if link.text == "side a").send_keys(Keys.ENTER)
    tab.wait(lambda: tab.find("h1").text == "side a")


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_scrolls_sideways(tab: Tab, url: str, going: MadeRun, width: int) -> None:
    size(tab.driver, width)
    opened(tab, url, going)
    tab.run("for (const details of document.querySelectorAll('details')) details.open = true")
    assert tab.run("return document.documentElement.scrollWidth") <= width
    tab.driver.get(url)
    tab.wait(lambda: tab.all("tbody tr"))
    assert tab.run("return document.documentElement.scrollWidth") <= width


def test_dark_mode_darkens_the_page_and_its_charts(tab: Tab, url: str, going: MadeRun) -> None:
    opened(tab, url, going)
    place = tab.drawn(tab.find("[data-plot=cpu]"))
    light = tab.picture(place)
    scheme(tab.driver, "dark")
    assert tab.run("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(19, 21, 25)"
    tab.wait(lambda: tab.picture(place) != light)


def test_a_screen_reader_finds_landmarks_headings_and_names(tab: Tab, url: str, going: MadeRun) -> None:
    opened(tab, url, going)
    assert len(tab.all("main")) == len(tab.all("header.top")) == len(tab.all("nav[aria-label]")) == 1
    assert tab.find("a.skip").get_attribute("href").endswith("#main")
    for region in tab.all("section, figure, article.run-view"):
        label = region.get_attribute("aria-labelledby")
        assert tab.find(f"[id='{label}']").get_attribute("textContent")
    levels = [int(one.tag_name[1]) for one in tab.all("h1, h2, h3, h4")]
    assert levels[0] == 1
    assert len(tab.all("[role=status], [aria-live]")) == 1
    said = tab.wait(lambda: text(tab, "spoken"))
    assert said == "running: 6 of 21 trials"
    going.trial(6, at=BEGAN + 35)
    tab.wait(lambda: text(tab, "counts") == "7 of 21 trials")
    assert text(tab, "spoken") == said  # not a word for each trial
    going.ends(at=BEGAN + 50)
    tab.wait(lambda: text(tab, "spoken") == "complete: 7 of 21 trials")


@pytest.mark.slow  # what a page is sent of it is counted in reading/test_run_view.py
def test_an_hour_of_a_large_run_answers_clicks(
    tab: Tab, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = made_run(folder / "an hour", blocks=12, users=[1, 2, 4, 8, 16, 32, 64, 96, 128, 256])
    made.begins(at=BEGAN)
    for order in range(len(made.schedule.steps) - 1):
        made.trial(order, at=BEGAN + order * 5, seconds=4.5)
    opened(tab, url, made)
    tab.find("[data-line=run]").click()
    place = tab.drawn(tab.find("[data-plot=requests]"))
    tab.press(tab.find("[data-plot=requests] summary"))
    assert tab.wait(lambda: tab.all("[data-plot=requests] tbody tr"))
    before = tab.picture(place)
    tab.find("[data-line=trial]").send_keys(Keys.ENTER)
    tab.wait(lambda: tab.picture(place) != before)
    assert len(tab.all(".matrix tbody td")) == 61 - 1
    assert tab.run("return document.getElementsByTagName('*').length") < 10_000
