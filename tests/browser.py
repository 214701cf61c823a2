"""Headless Chromium for the tests of pages: one for all tests of a module, skipped where it is not installed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest
from selenium import webdriver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver

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


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """Chromium with a profile of its own, which notes what a page complains of and what it asks for."""
    started = chromium(tmp_path_factory.mktemp("profile"))
    if started is None:
        pytest.skip("chromium and chromedriver are not installed")
    yield started
    started.quit()


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


def complaints(driver: WebDriver) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser")]


def requested(driver: WebDriver) -> list[str]:
    """The addresses that were asked for since the last look."""
    messages: list[dict[str, Any]] = [
        json.loads(entry["message"])["message"] for entry in driver.get_log("performance")
    ]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
