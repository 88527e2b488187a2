"""The Dagster UI of a finished home, in a real browser, as a reviewer sees it."""

import json
import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest

from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM, served
from mech_exo_tests.e2e.market_folder import mech_exo

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not there; on Debian: apt install chromium"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    done = mech_exo("run", "--source", "simulator:names=12,sessions=420", "--home", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(home: Path) -> Generator[str]:
    with served(home, "--read-only") as where:
        yield where


@pytest.fixture(scope="module")
def browser() -> Generator["playwright.Browser"]:
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "playwright.Browser") -> Generator["playwright.Page"]:
    """A page that fails the test when anything on it goes wrong, or it asks another host."""
    faults: list[str] = []
    tab = browser.new_page(viewport={"width": 1500, "height": 950})
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    tab.on(
        "request",
        lambda request: None if "//127.0.0.1" in request.url or not request.url.startswith("http") else faults.append(request.url),
    )
    yield tab
    tab.close()
    assert faults == []


def test_the_lineage_page_shows_the_groups(page: "playwright.Page", address: str):
    page.goto(f"{address}/asset-groups")
    for group in ("market", "factors", "decay", "strategy", "reporting"):
        playwright.expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=30_000)


def test_an_asset_page_shows_description_checks_columns_and_metadata(page: "playwright.Page", address: str):
    page.goto(f"{address}/assets/strategy/backtest")
    for text in (
        "One session of the simulated portfolio.",
        "Latest check results",
        "Net asset value at the close, after costs: cash and positions.",
        "max_drawdown",
        "table_version",
    ):
        playwright.expect(page.get_by_text(text).first).to_be_visible(timeout=30_000)


def test_the_checks_of_an_asset_are_listed_with_what_they_mean(page: "playwright.Page", address: str):
    page.goto(f"{address}/assets/decay/ic?view=checks")
    playwright.expect(page.get_by_text("within_bounds").first).to_be_visible(timeout=30_000)


def test_the_picture_of_the_backtest_is_drawn(page: "playwright.Page", address: str):
    page.goto(f"{address}/assets/strategy/backtest")
    page.get_by_text("equity", exact=True).first.wait_for(timeout=30_000)
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[alt^='Growth of 1']")
    picture.wait_for(timeout=30_000)
    assert picture.evaluate("image => image.complete && image.naturalWidth > 400")


LAUNCH = """
mutation {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "mech_exo_assets.definitions", repositoryName: "__repository__", jobName: "market_refresh"}
    runConfigData: "{}"
    mode: "default"
  }) { __typename }
}
"""


def test_a_reviewers_ui_refuses_to_launch(address: str):
    request = urllib.request.Request(f"{address}/graphql", json.dumps({"query": LAUNCH}).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["data"]["launchRun"]["__typename"] == "UnauthorizedError"
