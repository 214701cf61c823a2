"""The pictures of the dashboards: drawn from what Prometheus answers, every panel with something in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import Tab, size

from dashboards.evidence.committed import DASHBOARDS, panels
from dashboards.evidence.preview import NOTE, page

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver

    from dashboards.evidence.answers import Span
    from dashboards.evidence.api import Api


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_is_drawn_and_the_page_says_who_drew_it(
    name: str, api: Api, span: Span, browser: WebDriver, tmp_path: Path
) -> None:
    size(browser, 1600)
    file = tmp_path / "preview.html"
    file.write_text(page(name, api, span), encoding="utf-8")
    browser.get_log("browser")
    browser.get(file.as_uri())
    tab = Tab(browser)
    assert tab.complaints() == []
    assert NOTE in tab.find("header").text
    titles = [place.text for place in tab.all("section:not(.row) h2")]
    assert titles == [panel["title"] for panel in panels(name)]
    assert not tab.all(".body:empty")
    for place in tab.all(".body:has(canvas)"):
        tab.drawn(place)
