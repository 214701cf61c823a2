"""Headless Chromium for the tests of pages: one for all tests, skipped where it is not installed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from patience import PATIENCE_SECONDS
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

LOOK_SECONDS: Final = 0.05  # Selenium's own 0.5 would be most of what a test of a page takes
PIXELS: Final = """
const [place] = arguments;
const canvas = place.querySelector("canvas");
if (!canvas || !canvas.width) return 0;
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
let drawn = 0;
for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0;
return drawn;
"""

QUIET: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """Chromium with a new profile; records the errors and the requests of a page."""
    started = chromium(tmp_path_factory.mktemp("profile"))
    if started is None:
        pytest.skip("chromium and chromedriver are not installed")
    yield started
    started.quit()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Leave a page that the next test does not need: it asks and draws, and complains once its server has gone."""
    stays = nextitem is not None and nextitem.path == item.path and "browser" in getattr(nextitem, "fixturenames", ())
    if not stays and (driver := getattr(item, "funcargs", {}).get("browser")):
        driver.get("about:blank")


def chromium(profile: Path) -> WebDriver | None:
    program, control = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not control:
        return None
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(control))


def size(driver: WebDriver, width: int, height: int = 900, scale: float = 1) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def scheme(driver: WebDriver, name: str) -> None:
    """Light or dark, as the visitor's system has it."""
    features = [{"name": "prefers-color-scheme", "value": name}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@dataclass(frozen=True)
class Tab:
    """The browser's tab, with a page open."""

    driver: WebDriver

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def complaints(self) -> list[str]:
        said = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in said if "willReadFrequently" not in message]  # of the tests' own looks

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last look."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        sent = (m["params"] for m in messages if m["method"] == "Network.requestWillBeSent")
        return [params["request"]["url"] for params in sent]

    def press(self, button: WebElement) -> None:
        self.run("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def wait(self, condition: Callable[[], object]) -> Any:
        """What the condition gives, once it gives anything that is true."""
        stale = [StaleElementReferenceException]
        patience = WebDriverWait(self.driver, PATIENCE_SECONDS, LOOK_SECONDS, ignored_exceptions=stale)
        return patience.until(lambda _: condition())

    def drawn(self, place: WebElement) -> WebElement:
        """A chart's place, scrolled to, once there is something in it."""
        self.run("arguments[0].scrollIntoView({block: 'center'})", place)
        self.wait(lambda: self.run(PIXELS, place) > 0)
        return place

    def picture(self, place: WebElement) -> str:
        image: str = self.run("return arguments[0].querySelector('canvas').toDataURL()", place)
        return image
