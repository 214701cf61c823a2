"""The tab in Locust's own page: a real Locust, and Chromium where a page is to be looked at."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from answering import answering
from patience import PATIENCE_SECONDS, await_that
from selenium.webdriver.common.by import By

from loadlab.lab.application import ServerSetup, serving
from loadlab.load.locust_plugins.site_metrics import TOKEN_VARIABLE
from loadlab.plan.members import config_of
from loadlab.plan.scenarios import SCENARIO_FOLDER
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES
from loadlab.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver

    from loadlab.lab.lab import Lab

pytestmark = pytest.mark.process

SECRET: Final = "canary-token"
HOSTILE: Final = "<img src=x onerror=\"document.title='taken'\">"
FORMULA: Final = "=1+1"
ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
BEHIND_A_LOGIN: Final = """
from locust import User, events, task
from loadlab.load.locust_plugins import web

@events.init.add_listener
def admit_nobody(environment, web_ui, **_):
    web_ui.app.secret_key = "a key for a test"
    web_ui.login_manager.user_loader(lambda name: None)

class Idle(User):
    @task
    def idle(self):
        pass
"""


@dataclass
class Metrics:
    """A site's metrics as a test wants them; `heard` are the tokens that came with each look."""

    url: str = ""
    opened: int = 0
    step: int = 5  # more are opened between two looks
    alias: str = HOSTILE
    down: bool = False
    heard: list[str | None] = field(default_factory=list)

    def text(self) -> str:
        self.opened += self.step
        names = [self.alias.translate(ESCAPES), FORMULA]
        lines = ['loadlab_build_info{version="0",django="5",python="3"} 1.0']
        for name in names:
            lines += [
                f'loadlab_db_connections_open{{alias="{name}"}} 7.0',
                f'loadlab_db_connections_opened_total{{alias="{name}"}} {self.opened}',
                f'loadlab_db_connections_closed_total{{alias="{name}",reason="max_age"}} {self.opened}',
                f'loadlab_db_requests_total{{alias="{name}",connection="opened"}} {self.opened}',
                f'loadlab_db_requests_total{{alias="{name}",connection="reused"}} {3 * self.opened}',
            ]
        return "\n".join(lines) + "\n"


@contextmanager
def shown(metrics: Metrics) -> Iterator[Metrics]:
    """Serves them, as Prometheus would read them."""

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        metrics.heard.append(request.headers["Authorization"])
        return (503, "gone") if metrics.down else (200, metrics.text())

    with answering(answer) as metrics.url:
        yield metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Locust's page, and the process behind it."""

    url: str
    popen: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  our own process
            body: bytes = answer.read()
        return body.decode()

    def rows(self) -> list[dict[str, str]]:
        """The tab's table, as the page gets it."""
        extended = json.loads(self.get("/stats/requests"))["extended_stats"]
        ((key, found),) = [(entry["key"], entry["data"]) for entry in extended]
        assert key == "connections"
        data: list[dict[str, str]] = found
        return data

    def row(self, alias: str, figure: str) -> dict[str, str]:
        """One row; an empty one while it is not there."""
        return next((row for row in self.rows() if (row["alias"], row["figure"]) == (alias, figure)), {})

    def await_row(self, alias: str, figure: str, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        return awaited(lambda: self.row(alias, figure), lambda row: bool(row) and holds(row), self.log)


def awaited(look: Callable[[], Any], holds: Callable[[Any], bool], log: Path) -> Any:
    """What is seen once it holds."""
    seen: list[Any] = [None]

    def seen_to_hold() -> bool:
        seen[0] = look()
        return holds(seen[0])

    await_that(seen_to_hold, lambda: (seen[0], log.read_text()))
    return seen[0]


@contextmanager
def locust(folder: Path, file: Path, *options: str, **environment: str) -> Iterator[Page]:
    """Locust with its web page, which drives `file`."""
    port = free_port()
    log = folder / "locust.log"
    argv = [sys.executable, "-m", "locust", "-f", str(file), "--web-host", "127.0.0.1", "--web-port", str(port)]
    variables = {**os.environ, "PYTHONPATH": str(SCENARIO_FOLDER.parent), **environment}
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [*argv, *options], cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    page = Page(url=f"http://127.0.0.1:{port}", popen=popen, log=log)
    try:
        awaited(lambda: answers(page), bool, log)
        yield page
    finally:
        popen.kill()
        popen.wait()


def answers(page: Page) -> bool:
    assert page.popen.poll() is None, page.log.read_text()
    try:
        page.get("/login")
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    with shown(Metrics()) as served:
        yield served


@pytest.fixture
def page(metrics: Metrics, tmp_path: Path) -> Iterator[Page]:
    """Locust while it drives a site; where its requests go is of no interest here."""
    options = ["--host", metrics.url.removesuffix("/metrics"), "--autostart", "--users", "1"]
    options += ["--target-metrics", metrics.url, "--target-metrics-every", "0.2", "--think-seconds", "0.1"]
    with locust(tmp_path, SCENARIO_FOLDER / "think_time.py", *options, **{TOKEN_VARIABLE: SECRET}) as started:
        yield started


def cells(browser: WebDriver) -> list[list[str]]:
    """The open tab's table as a reader sees it; taken at once, since the page is drawn anew all the time."""
    script = "return [...document.querySelectorAll('tbody tr')].map(r => [...r.children].map(c => c.textContent))"
    found: list[list[str]] = browser.execute_script(script)
    return found


def now(browser: WebDriver, alias: str, figure: str) -> list[str]:
    return next((row for row in cells(browser) if row[:2] == [alias, figure]), [])


def test_the_tabs_figures_move_and_a_hostile_alias_is_only_text(page: Page, browser: WebDriver) -> None:
    browser.get(page.url)
    tabs = awaited(lambda: browser.find_elements(By.CSS_SELECTOR, "[role=tab]"), bool, page.log)
    (tab,) = (tab for tab in tabs if tab.text.lower() == "connections")
    tab.click()
    first = awaited(lambda: now(browser, HOSTILE, "opened/s"), bool, page.log)
    later = awaited(lambda: now(browser, HOSTILE, "opened/s"), lambda row: bool(row) and row[5] != first[5], page.log)
    assert int(later[5].replace(",", "")) > int(first[5].replace(",", ""))
    assert now(browser, HOSTILE, "requests that reused one")[2] == "75.0%"
    assert now(browser, HOSTILE, "open")[2] == "7"
    assert float(now(browser, HOSTILE, "closed/s: max_age")[2]) > 0
    assert now(browser, "", "metrics")[2].startswith("read at ")
    assert browser.find_elements(By.CSS_SELECTOR, "td img") == []
    assert browser.title != "taken"
    heads = [head.text for head in browser.find_elements(By.CSS_SELECTOR, "thead th")]
    assert heads == ["Alias", "Figure", "Now", "Last samples", "Min – max", "Total"]


def test_the_downloads_are_linked_in_the_page_and_come(page: Page, browser: WebDriver) -> None:
    browser.get(f"{page.url}/?tab=reports")
    selector = "a[href*=loadlab]"
    links = awaited(lambda: browser.find_elements(By.CSS_SELECTOR, selector), lambda found: len(found) == 2, page.log)
    targets = {link.text: link.get_attribute("href") for link in links}
    assert targets == {
        "Download connections CSV": f"{page.url}/loadlab/connections.csv",
        "Download exact percentiles CSV": f"{page.url}/loadlab/percentiles.csv",
    }


def test_the_percentiles_that_are_downloaded_are_of_all_requests(page: Page) -> None:
    def counted() -> list[dict[str, str]]:
        return list(csv.DictReader(page.get("/loadlab/percentiles.csv").splitlines()))

    entry, everything = awaited(counted, lambda found: len(found) > 1 and int(found[0]["Request Count"]) > 3, page.log)
    assert entry["Name"] == "/entries/[number]/"
    assert everything["Request Count"] == entry["Request Count"]
    shares = [float(entry[share]) for share in ("50%", "90%", "99%", "100%")]
    assert shares == sorted(shares)
    assert shares[0] > 0


def test_locusts_own_downloads_carry_the_same_percentiles(page: Page) -> None:
    page.await_row(HOSTILE, "open", lambda row: row["now"] == "7")
    awaited(lambda: json.loads(page.get("/stats/requests"))["stats"], lambda found: len(found) > 1, page.log)
    urllib.request.urlopen(f"{page.url}/stop", data=b"", timeout=PATIENCE_SECONDS).close()  # noqa: S310  our own process
    ours = list(csv.DictReader(page.get("/loadlab/percentiles.csv").splitlines()))
    theirs = list(csv.DictReader(page.get("/stats/requests/csv").splitlines()))
    for share in ("50%", "95%", "99.9%", "100%"):
        assert [line[share] for line in theirs] == [line[share] for line in ours]
    assert all("." in line["50%"] for line in theirs)
    (entry,) = (line for line in theirs if line["Name"] == "/entries/[number]/")
    assert float(entry["100%"]) == pytest.approx(float(entry["Max Response Time"]), abs=0.001)
    (report,) = re.findall(r"window.templateArgs = (.*)", page.get("/stats/report"))
    statistics = json.loads(report)["response_time_statistics"]
    assert [f"{line['0.95']:.3f}" for line in statistics] == [line["95%"] for line in ours]
    # The page's own figures are Locust's again.
    shown_again = json.loads(page.get("/stats/requests"))["stats"]
    assert all(isinstance(line["response_time_percentile_0.95"], int) for line in shown_again)


def test_the_history_is_downloaded_without_a_formula_in_it(page: Page) -> None:
    page.await_row(FORMULA, "opened/s", lambda row: row["total"] != "0")
    lines = list(csv.DictReader(page.get("/loadlab/connections.csv").splitlines()))
    assert {line["Alias"] for line in lines} == {HOSTILE, f"'{FORMULA}"}
    assert {"open", "opened/s", "requests that reused one", "closed/s: max_age"} == {line["Figure"] for line in lines}


def test_a_restart_of_the_site_makes_nothing_negative_and_is_said(page: Page, metrics: Metrics) -> None:
    before = page.await_row(HOSTILE, "opened/s", lambda row: int(row["total"].replace(",", "")) > 50)
    metrics.opened = 0
    page.await_row("", "metrics", lambda row: row["now"].endswith("counters were reset 1×"))
    after = page.row(HOSTILE, "opened/s")
    assert int(after["total"].replace(",", "")) >= int(before["total"].replace(",", ""))
    assert float(after["now"]) >= 0


def test_a_site_that_cannot_be_reached_is_said_and_found_again(page: Page, metrics: Metrics) -> None:
    page.await_row(HOSTILE, "open", lambda row: row["now"] == "7")
    metrics.down = True
    state = page.await_row("", "metrics", lambda row: row["now"].startswith("not read since "))
    assert "the address answers 503" in state["now"]
    assert page.row(HOSTILE, "open")["now"] == "–"
    metrics.down = False
    page.await_row(HOSTILE, "open", lambda row: row["now"] == "7")
    assert "✗" in page.row("", "metrics")["trend"]


def test_the_token_goes_to_the_site_alone_and_is_shown_nowhere(page: Page, metrics: Metrics) -> None:
    page.await_row(HOSTILE, "open", lambda row: row["now"] == "7")
    assert f"Bearer {SECRET}" in metrics.heard
    served = [page.get(path) for path in ("/", "/stats/requests", "/loadlab/connections.csv", "/logs")]
    assert not any(SECRET in text for text in [*served, page.log.read_text()])


def test_the_tab_shows_a_real_site(lab: Lab, tmp_path: Path) -> None:
    target = ServerSetup(
        server=config_of(SERVERS, "sync", {}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": None}, "strategy"),
        database=lab.database,
        ledgers=tmp_path / "ledgers",
        project=lab.project,
    )
    with serving(target, lab.register, tmp_path / "server.log") as site:
        options = ["--host", site.url, "--autostart", "--users", "2", "--target-metrics", f"{site.url}/metrics"]
        options += ["--target-metrics-every", "0.3"]
        with locust(tmp_path, SCENARIO_FOLDER / "multi_database.py", *options) as page:
            for alias in ("default", "second"):
                page.await_row(alias, "open", lambda row: row["now"] == "2")
                page.await_row(alias, "requests that reused one", lambda row: row["now"] == "100.0%")


def test_without_the_option_locusts_page_is_as_it_was(tmp_path: Path) -> None:
    with locust(tmp_path, SCENARIO_FOLDER / "read_one.py", "--host", "http://127.0.0.1:9") as page:
        assert "extended_tabs" not in page.get("/")
        assert "extended_stats" not in page.get("/stats/requests")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            page.get("/loadlab/percentiles.csv")


def test_a_master_shows_the_tab_without_percentiles(tmp_path: Path, metrics: Metrics) -> None:
    options = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(free_port())]
    options += ["--target-metrics", metrics.url, "--target-metrics-every", "0.2"]
    with locust(tmp_path, SCENARIO_FOLDER / "read_one.py", *options) as page:
        page.await_row(HOSTILE, "open", lambda row: row["now"] == "7")
        assert "loadlab/connections.csv" in page.get("/")
        assert "percentiles" not in page.get("/").replace("percentiles_to", "")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            page.get("/loadlab/percentiles.csv")


def test_behind_locusts_login_nothing_of_it_is_shown(tmp_path: Path, metrics: Metrics) -> None:
    file = tmp_path / "behind_a_login.py"
    file.write_text(BEHIND_A_LOGIN)
    options = ["--web-login", "--target-metrics", metrics.url, "--target-metrics-every", "0.2"]
    with locust(tmp_path, file, *options) as page:
        awaited(lambda: len(metrics.heard), lambda looks: looks > 2, page.log)
        for path in ("/loadlab/connections.csv", "/loadlab/percentiles.csv", "/stats/requests"):
            text = page.get(path)  # after the way to the login has been followed
            assert FORMULA not in text
            assert "Aggregated" not in text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://127.0.0.1/metrics", "should be an address such as http://127.0.0.1:8000/metrics"),
        ("http://me:canary@127.0.0.1/metrics", f"put a token into {TOKEN_VARIABLE}"),
    ],
)
def test_an_address_that_is_none_or_holds_a_password_is_refused(tmp_path: Path, url: str, words: str) -> None:
    argv = [sys.executable, "-m", "locust", "-f", str(SCENARIO_FOLDER / "read_one.py"), "--target-metrics", url]
    variables = {**os.environ, "PYTHONPATH": str(SCENARIO_FOLDER.parent)}
    done = subprocess.run(
        argv, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "canary" not in done.stderr
