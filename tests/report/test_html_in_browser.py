"""report.html in Chromium: it draws, reacts, fits a phone, stays quiet and fetches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest
from browser import PIXELS, Tab, scheme, size
from every import every
from factories import reports
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from loadlab.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement


@dataclass(frozen=True)
class Report(Tab):
    """The tab with a report open."""

    def chart(self, name: str) -> WebElement:
        """The chart's place, scrolled to and drawn."""
        return self.drawn(self.find(f"[data-chart={name}]"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The file of each variant of a report, rendered when it is first asked for."""
    folder = tmp_path_factory.mktemp("pages")

    @cache
    def page(variant: str) -> Path:
        file = folder / f"{variant}.html"
        file.write_text(reports.rendered("html", variant))
        return file

    return page


@pytest.fixture
def tab(browser: WebDriver, pages: Callable[[str], Path], request: pytest.FixtureRequest) -> Report:
    """A report of the variant that the test asks for by a `param`, else of a complete run, 1280 wide."""
    size(browser, 1280)
    scheme(browser, "light")
    file = pages(getattr(request, "param", "complete"))
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(file.as_uri())
    return Report(browser)


CHARTS = ("ratio", "throughput", "open", "latency", "cpu")
TITLES = ("threaded runserver", "gunicorn sync", "gunicorn gevent")
A4_PIXELS = 688  # between its margins
everything = pytest.mark.parametrize("tab", list(reports.VARIANTS), indirect=True)


@everything
def test_the_page_works_without_a_complaint_and_without_a_request(tab: Report) -> None:
    for place in tab.all("[data-chart]"):
        if place.is_displayed():  # of several added latencies, one is shown
            tab.drawn(place)
    assert tab.complaints() == []
    own = [url for url in tab.requests() if not url.startswith("data:")]
    assert own == [tab.driver.current_url]


@everything
def test_the_page_never_scrolls_sideways(tab: Report) -> None:
    tab.run("for (const details of document.querySelectorAll('details')) details.open = true")
    for width in (1280, 390):
        size(tab.driver, width)
        assert tab.run("return document.documentElement.scrollWidth") <= width, width


def test_a_browser_spells_numbers_as_python_does(tab: Report) -> None:
    signs, powers = (1, -1), range(-4, 7)
    values = [
        sign * digits * 10.0**power for sign in signs for power in powers for digits in (1, 1.005, 2.25, 3.996, 9.995)
    ]
    spelt = tab.run(
        "return arguments[0].map((value) => [numbers.figure(value), numbers.exact(value)])", [None, 0, *values]
    )
    assert spelt == [[numbers.figure(value), numbers.exact(value)] for value in (None, 0, *values)]


@every("name", CHARTS)
def test_every_chart_is_drawn(tab: Report, name: str) -> None:
    assert tab.run(PIXELS, tab.chart(name)) > 1000


def test_charts_are_drawn_only_when_they_come_near_the_screen(tab: Report) -> None:
    assert tab.run(PIXELS, tab.find("[data-chart=cpu]")) == 0
    assert tab.run(PIXELS, tab.chart("cpu")) > 0


def test_every_server_mode_shows_its_open_connections_at_once(tab: Report) -> None:
    places = [tab.drawn(place) for place in tab.all("[data-chart=open]")]
    assert len({tab.picture(place) for place in places}) == len(reports.THREE_MODES)
    labels = [place.get_attribute("aria-label") or "" for place in places]
    assert [title in label for title, label in zip(TITLES, labels, strict=True)] == [True, True, True]


def test_what_is_chosen_stands_in_the_address_and_comes_back(tab: Report) -> None:
    tab.press(tab.find("[data-strategy='1']"))
    assert tab.driver.current_url.endswith("#charts?hide=1")
    tab.driver.refresh()
    pressed = [button.get_attribute("aria-pressed") for button in tab.all("[data-strategy]")]
    assert pressed == ["true", "false", "true"]


def test_a_strategy_can_be_hidden_and_shown_again(tab: Report) -> None:
    place = tab.chart("throughput")
    before = tab.picture(place)
    button = tab.find("[data-strategy='1']")
    tab.press(button)
    assert button.get_attribute("aria-pressed") == "false"
    assert tab.picture(place) != before
    tab.press(button)
    assert tab.picture(place) == before


def test_all_strategies_can_be_hidden_without_a_complaint(tab: Report) -> None:
    for name in CHARTS:
        tab.chart(name)
    for button in tab.all("[data-strategy]"):
        tab.press(button)
    assert tab.complaints() == []


@pytest.mark.parametrize("tab", ["complete", "hostile"], indirect=True)
def test_pointing_at_a_chart_shows_figures_without_breaking_the_policy(tab: Report) -> None:
    for name in CHARTS[1:]:  # cases of the hostile run are compared with none
        place = tab.chart(name)
        ActionChains(tab.driver).move_to_element_with_offset(place, 20, -25).perform()
        tip = tab.wait(lambda at=place: at.find_elements(By.CSS_SELECTOR, ".tip"))
        assert any(character.isdigit() for character in tip[0].text), name
    assert tab.all("img") == []
    assert tab.complaints() == []


def test_the_copy_button_copies_the_settings(tab: Report) -> None:
    permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    tab.driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
    button = tab.all(".copy")[1]
    assert button.is_displayed()
    tab.press(button)
    tab.wait(lambda: tab.find("#copied").get_attribute("textContent"))
    assert tab.find("#copied").get_attribute("textContent") == "Copied."
    copied = tab.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == reports.settings(60).rstrip()


def test_charts_follow_the_width_of_the_window(tab: Report) -> None:
    place = tab.chart("throughput")
    size(tab.driver, 390)
    width = "return arguments[0].querySelector('canvas').getBoundingClientRect().width"
    tab.wait(lambda: tab.run(width, place) < 360)


def test_dark_mode_darkens_the_page_and_the_charts(tab: Report) -> None:
    place = tab.chart("throughput")
    light = tab.picture(place)
    paper = "return getComputedStyle(document.documentElement).backgroundColor"
    assert tab.run(paper) == "rgb(251, 251, 249)"
    scheme(tab.driver, "dark")
    assert tab.run(paper) == "rgb(19, 21, 25)"
    tab.wait(lambda: tab.picture(place) != light)


strategies = pytest.mark.parametrize("tab", ["strategies"], indirect=True)


@strategies
def test_each_server_mode_has_a_drawn_chart_over_latency(tab: Report) -> None:
    places = tab.all("[data-chart=added-latency]")
    assert len(places) == len(reports.THREE_MODES)
    assert all(tab.run(PIXELS, tab.drawn(place)) > 1000 for place in places)


@strategies
def test_choosing_a_latency_changes_rows_and_charts(tab: Report) -> None:
    place = tab.chart("throughput")
    before = tab.picture(place)
    assert len([one for one in tab.all(".multiple") if one.is_displayed()]) == 3
    far = tab.all("[data-added]")[2]
    tab.press(far)
    assert [one.get_attribute("aria-pressed") for one in tab.all("[data-added]")] == ["false", "false", "true"]
    assert tab.picture(place) != before
    now = [one.text for one in tab.all(".multiple") if one.is_displayed()]
    assert len(now) == 3
    assert all("round trip +5 ms" in text for text in now)
    assert tab.complaints() == []


@strategies
def test_a_ranking_opens_to_all_figures_in_a_box(tab: Report) -> None:
    size(tab.driver, 390)
    summary = tab.find(".card .all summary")
    tab.press(summary)
    box = tab.find(".card .all .scroll")
    assert box.is_displayed()
    assert tab.run("return arguments[0].scrollWidth > arguments[0].clientWidth", box)
    assert tab.run("return document.documentElement.scrollWidth") <= 390


@strategies
def test_pointing_at_a_chart_over_latency_shows_ratios(tab: Report) -> None:
    place = tab.drawn(tab.all("[data-chart=added-latency]")[2])
    ActionChains(tab.driver).move_to_element(place).perform()
    tip = tab.wait(lambda: place.find_elements(By.CSS_SELECTOR, ".tip"))
    assert "+1 ms" in tip[0].text
    assert "×" in tip[0].text


def column(tab: Report, table: WebElement, number: int) -> list[str]:
    rows = tab.run("return [...arguments[0].tBodies[0].rows].map((row) => row.hidden ? null : [...row.cells])", table)
    return [tab.run("return arguments[0].textContent", row[number]) for row in rows if row]


def test_a_table_is_sorted_by_its_numbers_and_filtered_by_words(tab: Report) -> None:
    table = tab.find(".accounts")
    opened = [int(text.replace(",", "")) for text in column(tab, table, 2)]
    head = table.find_elements(By.CSS_SELECTOR, "button.sort")[2]
    tab.press(head)
    assert [int(text.replace(",", "")) for text in column(tab, table, 2)] == sorted(opened)
    tab.press(head)
    assert [int(text.replace(",", "")) for text in column(tab, table, 2)] == sorted(opened, reverse=True)
    tab.find("#accounts input[type=search]").send_keys("GEVENT 60")
    left = column(tab, table, 0)
    assert len(left) == 1
    assert "gunicorn gevent" in left[0]


@pytest.mark.parametrize("tab", ["hostile"], indirect=True)
def test_a_downloaded_table_holds_no_formula(tab: Report) -> None:
    tab.run(
        "URL.createObjectURL = (blob) => { blob.text().then((text) => (window.saved = text)); return '#'; };"
        "document.querySelector('.accounts tbody th').textContent = '=HYPERLINK(1)';"
    )
    tab.press(tab.find("#accounts .tools button"))
    saved = tab.wait(lambda: tab.run("return window.saved"))
    assert '"\'=HYPERLINK(1)"' in saved
    assert saved.splitlines()[0].startswith('"Case","Trials"')


def test_on_paper_nothing_is_folded_away_and_charts_fit_the_page(tab: Report) -> None:
    tab.run("dispatchEvent(new Event('beforeprint'))")
    assert tab.run("return document.querySelectorAll('details:not([open])').length") == 0
    widths = "return [...document.querySelectorAll('[data-chart] canvas')].map((one) => one.clientWidth)"
    assert len(tab.run(widths)) == len(tab.all("[data-chart]"))
    assert max(tab.run(widths)) <= A4_PIXELS
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})  # whose letters are smaller
    overlapping = "(one) => one.querySelector('canvas').clientWidth > one.clientWidth + 1"
    assert tab.run(f"return [...document.querySelectorAll('.multiple')].filter({overlapping}).length") == 0
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run("return document.querySelectorAll('details[open]').length") == 0
    assert tab.complaints() == []


def test_on_a_phone_every_cell_of_the_matrix_names_its_strategy(tab: Report) -> None:
    size(tab.driver, 390)
    cells = tab.all(".matrix td")
    assert all(cell.find_element(By.CSS_SELECTOR, ".at").is_displayed() for cell in cells)
    assert all(cell.rect["x"] + cell.rect["width"] <= 390 for cell in cells)


def test_a_leak_is_red_and_comes_first_in_its_cell(tab: Report) -> None:
    leaking = tab.all(".matrix td.leaking")
    assert leaking
    for cell in leaking:
        assert next(line for line in cell.text.splitlines() if line) == "LEAK"
        assert "inconclusive" not in cell.text
    red = tab.run("return getComputedStyle(arguments[0]).backgroundColor", leaking[0])
    assert red == "rgb(253, 236, 234)"


@pytest.mark.parametrize("tab", ["hostile"], indirect=True)
def test_hostile_names_are_shown_and_do_nothing(tab: Report) -> None:
    for name in CHARTS:
        tab.chart(name)
    assert tab.driver.title != "owned"
    assert tab.all("img") == []
    assert "<img src=x onerror=" in tab.find("h3").text
    assert tab.run("return document.scripts.length") == 5


def test_without_javascript_verdicts_and_tables_are_shown(tab: Report) -> None:
    tab.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        tab.driver.refresh()
        assert tab.find(".recommendation").is_displayed()
        assert tab.find("table.matrix").is_displayed()
        assert tab.find("noscript p").is_displayed()
        hidden = (*tab.all("[data-chart]"), *tab.all("button"))
        assert not any(element.is_displayed() for element in hidden)
    finally:
        tab.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
