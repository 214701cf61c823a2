"""fleet.html in Chromium: it draws both charts, reacts, fits a phone and fetches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import PIXELS, Tab, scheme, size
from every import every
from factories import fleet_answers
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from loadlab.report.fleet.html import as_html

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver

CHARTS = ("fleet-open", "fleet-opens")


@pytest.fixture
def tab(browser: WebDriver, tmp_path: Path) -> Tab:
    size(browser, 1280)
    scheme(browser, "light")
    file = tmp_path / "fleet.html"
    file.write_text(as_html(fleet_answers.answer()))
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(file.as_uri())
    return Tab(browser)


def chart(tab: Tab, name: str) -> object:
    return tab.drawn(tab.find(f"[data-chart={name}]"))


@every("wanted", ["light", "dark"])
def test_both_charts_are_drawn_in_both_schemes(tab: Tab, wanted: str) -> None:
    scheme(tab.driver, wanted)
    for name in CHARTS:
        assert tab.run(PIXELS, chart(tab, name)) > 1000
    assert tab.complaints() == []
    assert [url for url in tab.requests() if not url.startswith("data:")] in ([tab.driver.current_url], [])


def test_a_phone_does_not_scroll_sideways(tab: Tab) -> None:
    size(tab.driver, 390)
    for name in CHARTS:
        chart(tab, name)
    assert tab.run("return document.documentElement.scrollWidth") <= 390


def test_a_hidden_strategy_leaves_the_charts(tab: Tab) -> None:
    place = tab.drawn(tab.find("[data-chart=fleet-opens]"))
    before = tab.picture(place)
    tab.press(tab.find("[data-strategy='0']"))
    assert tab.picture(place) != before
    for number in (1, 2):
        tab.press(tab.find(f"[data-strategy='{number}']"))
    assert tab.complaints() == []


def test_pointing_at_a_chart_shows_its_figures(tab: Tab) -> None:
    for name in CHARTS:
        place = tab.drawn(tab.find(f"[data-chart={name}]"))
        ActionChains(tab.driver).move_to_element_with_offset(place, 20, -25).perform()
        tip = tab.wait(lambda at=place: at.find_elements(By.CSS_SELECTOR, ".tip"))
        assert "minutes" in tip[0].text
        assert "age unlimited" in tip[0].text
