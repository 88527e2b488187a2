"""The dashboard in a real browser: every page, on homes with everything, with a breach, and with nothing; signing in and acting."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_tests.dashboard.asking import PASSWORD, with_users
from mech_exo_tests.dashboard.publishing import copy_of, mart_of, with_drift
from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM
from mech_exo_tests.e2e.dashboard_server import dashboard

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not there; on Debian: apt install chromium"),
]

PAGES = ("/", "/factors", "/strategy", "/weights", "/learning", "/lifecycle", "/reports")
DEEP = ("/factors/planted_01", "/strategy/SIM001", "/lifecycle/2")
IN_THE_DARK = ("/", "/factors", "/weights", "/lifecycle/2")
"""Pages that have all that is coloured: badges, a grid, plots, a form of text."""
SIZES = ((2560, 1440), (390, 844))


@pytest.fixture(scope="module")
def browser(retrained_home: Path, learned_home: Path) -> Generator[Any]:
    """A browser, after the homes were filled: a run of Dagster in this thread and Playwright's event loop exclude each other."""
    assert retrained_home != learned_home
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Any) -> Generator[Any]:
    """A tab that fails the test when anything on its pages goes wrong, or one of them asks another host."""
    faults: list[str] = []
    page = watched(browser.new_page(viewport={"width": 1400, "height": 900}), faults)
    yield page
    page.close()
    assert faults == []


def watched(page: Any, faults: list[str]) -> Any:
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda request: None if "//127.0.0.1" in request.url or not request.url.startswith("http") else faults.append(request.url),
    )
    return page


@pytest.fixture(scope="module")
def full(retrained_home: Path) -> Generator[str]:
    """Of a home in which everything but learning has happened."""
    with dashboard(retrained_home) as address:
        yield address


@pytest.fixture(scope="module")
def learned(learned_home: Path) -> Generator[str]:
    with dashboard(learned_home) as address:
        yield address


def opened(tab: Any, address: str) -> None:
    """Open a page, and wait until it is drawn."""
    tab.goto(address)
    tab.wait_for_selector("#page-title")
    until(tab, "[...document.querySelectorAll('.picture')].every((each) => each.querySelector('.main-svg'))")


def until(tab: Any, true: str) -> None:
    """Wait for an expression: Playwright's own way would evaluate text on the page, which the page's policy forbids."""
    deadline = time.monotonic() + 30
    while not tab.evaluate(true):
        assert time.monotonic() < deadline, true
        tab.wait_for_timeout(100)


def violations(tab: Any) -> list[str]:
    """Faults of accessibility that axe calls serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab).response["violations"]
    return [
        f"{each['impact']} {each['id']}: {each['help']}: {[node['target'] for node in each['nodes']][:4]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("path", "scheme"), [*((path, "light") for path in (*PAGES, *DEEP)), *((path, "dark") for path in IN_THE_DARK)])
def test_every_page_is_drawn_without_a_fault_is_accessible_and_fits_its_screen(browser: Any, full: str, path: str, scheme: str):
    faults: list[str] = []
    page = watched(browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme), faults)
    opened(page, full + path)
    title = page.text_content("#page-title")
    assert page.title() == f"{title} · Mech-Exo"
    assert not title.startswith("No such")
    assert violations(page) == []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        # Plots follow a moment later.
        until(page, f"document.documentElement.scrollWidth <= {width}")
    page.close()
    assert faults == []


def test_the_page_of_learning_is_drawn_where_models_were_trained(tab: Any, learned: str):
    opened(tab, f"{learned}/learning")
    assert tab.locator("#model-table tbody tr").count() == 6
    assert tab.locator(".dash-graph .main-svg").count() > 4
    assert violations(tab) == []


def test_what_the_models_say_of_a_name_is_computed_when_somebody_asks(tab: Any, learned: str):
    opened(tab, f"{learned}/strategy/SIM001")
    tab.click("text=Explain by SHAP")
    tab.wait_for_selector("#shap-lightgbm-table", state="attached", timeout=60_000)
    until(tab, "[...document.querySelectorAll('.picture')].every((each) => each.querySelector('.main-svg'))")
    assert "rank in the ensemble" in tab.text_content("#explained")
    assert violations(tab) == []


def test_an_empty_home_says_how_to_begin(tab: Any, tmp_path: Path):
    with dashboard(tmp_path) as address:
        for path in PAGES:
            opened(tab, address + path)
            assert tab.locator(".nothing").count() >= 1, path
            assert "NO DATA" in tab.text_content("#badges")
        opened(tab, address)
        assert violations(tab) == []


def test_a_breach_is_told_by_word_and_colour_on_every_page(tab: Any, retrained_home: Path, tmp_path: Path):
    home = copy_of(retrained_home, tmp_path / "home")
    with_drift(home, "OK", "OK", "BREACH")
    settings = Settings(home=home)
    ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
    ledger.append(Entry("drift_detected", "test", {"summary": "Live has drifted.", "as_of": "2020-01-02"}, version="x"))
    with dashboard(home) as address:
        for path in PAGES:
            opened(tab, address + path)
            badge = tab.locator("#badges .badge-breach").first
            assert "BREACH" in badge.text_content()
        opened(tab, address)
        assert "Live has drifted." in tab.text_content("#alerts")
        assert violations(tab) == []


def test_numbers_on_pages_are_those_of_the_mart(tab: Any, full: str, retrained_home: Path):
    mart = mart_of(retrained_home)
    opened(tab, full)
    shown = {
        row.locator("td").nth(0).text_content(): int(row.locator("td").nth(1).text_content())
        for row in tab.locator("#factor-counts tbody tr").all()
    }
    assert shown == dict(mart.execute("SELECT status, count(*) FROM decay.status GROUP BY status").fetchall())
    opened(tab, f"{full}/factors")
    for factor, mean, t in mart.execute(
        "SELECT factor, mean_ic, t_hac FROM decay.statistics WHERE horizon = (SELECT max(horizon) FROM decay.statistics)"
    ).fetchall():
        row = tab.locator(f'.ag-row:has(a[href="/factors/{factor}"])')
        assert row.locator('[col-id="ic"]').text_content() == f"{mean:.4f}".replace("-", "−")
        assert row.locator('[col-id="t_hac"]').text_content() == f"{t:.2f}".replace("-", "−")
    opened(tab, f"{full}/reports")
    row = tab.locator("#tables-list tbody tr", has_text="market/prices")
    count = mart.execute("SELECT count(*) FROM market.prices").fetchone()[0]
    assert row.locator("td").nth(1).text_content() == f"{count:,}"


def test_a_table_is_sorted_by_a_click_and_a_link_leads_to_a_factor(tab: Any, full: str):
    opened(tab, f"{full}/factors")

    def first() -> str:
        return tab.locator('.ag-row[row-index="0"] [col-id="ic"]').text_content().replace("−", "-")

    header = tab.locator('.ag-header-cell[col-id="ic"] .ag-header-cell-label')
    header.click()
    tab.wait_for_selector('.ag-header-cell[col-id="ic"][aria-sort="ascending"]')
    low = float(first())
    header.click()
    tab.wait_for_selector('.ag-header-cell[col-id="ic"][aria-sort="descending"]')
    assert low < float(first())
    tab.locator(".ag-row a").first.click()
    tab.wait_for_url("**/factors/planted_*")
    tab.wait_for_selector("#factor-status")


def test_the_keyboard_is_enough(tab: Any, full: str):
    opened(tab, full)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "To the content"
    for _ in range(4):
        tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Strategy"
    tab.keyboard.press("Enter")
    until(tab, "document.title.startsWith('Strategy')")
    assert tab.evaluate("document.activeElement.id") == "page-title"


def test_light_and_dark_are_switched_and_remembered(tab: Any, full: str):
    opened(tab, full)
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert tab.get_attribute("html", "data-scheme") == "light"
    tab.click("#scheme")
    until(tab, f"getComputedStyle(document.body).backgroundColor !== '{before}'")
    after = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    opened(tab, full)
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_a_page_that_is_no_longer_the_newest_says_so_and_does_not_change_by_itself(tab: Any, retrained_home: Path, tmp_path: Path):
    home = copy_of(retrained_home, tmp_path / "home")
    settings = Settings(home=home)
    tab.clock.install()
    with dashboard(home) as address:
        tab.goto(address)
        tab.wait_for_selector("#page-title")
        tab.clock.run_for(61_000)
        assert tab.locator("#news").is_hidden()
        ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
        ledger.append(Entry("drift_detected", "test", {"summary": "Live has drifted.", "as_of": "2020-01-02"}, version="x"))
        # The server reads the ledger again after two seconds.
        time.sleep(3)
        tab.clock.run_for(61_000)
        tab.wait_for_selector("#news:not([hidden])")
        assert "Live has drifted." not in tab.text_content("#main")
        tab.click("#news")
        tab.wait_for_selector("#alerts table")
        assert "Live has drifted." in tab.text_content("#alerts")
        assert tab.locator("#news").is_hidden()


def test_who_clicks_on_after_the_session_has_ended_is_led_to_the_sign_in_and_back(browser: Any, retrained_home: Path, tmp_path: Path):
    users = with_users(tmp_path / "users.yaml", ann="viewer")
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    with dashboard(retrained_home, variables={"MECH_EXO_AUTH": str(users)}) as address:
        page.goto(address)
        page.fill("#name", "ann")
        page.fill("#password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_selector("#page-title")
        page.context.clear_cookies()
        page.click("nav >> text=Strategy")
        page.wait_for_selector("#password")
        assert page.url == f"{address}/sign-in?next=%2Fstrategy"
    page.close()


def test_a_page_that_cannot_be_fetched_says_so(browser: Any, full: str):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    opened(page, full)
    page.route("**/content?*", lambda route: route.fulfill(status=500, body=""))
    page.click("nav >> text=Strategy")
    until(page, "document.getElementById('page-title').textContent === 'This page could not be fetched'")
    assert "The server answered 500." in page.text_content("[role=alert]")
    page.close()


def test_a_plot_and_a_table_are_downloaded(tab: Any, full: str):
    opened(tab, f"{full}/strategy")
    tab.hover("#equity")
    with tab.expect_download() as picture:
        tab.click('#equity [data-title^="Download plot"]')
    assert picture.value.suggested_filename == "equity.png"
    opened(tab, f"{full}/reports")
    with tab.expect_download() as file:
        tab.click('a[href="/download/decay/status.csv"]')
    assert file.value.suggested_filename.startswith("decay_status_v")


def test_the_tear_sheet_is_drawn_apart_from_the_dashboard(tab: Any, full: str):
    tab.goto(f"{full}/reports/tear-sheet")
    tab.wait_for_selector(".main-svg")
    assert tab.evaluate("window.origin") == "null"


def test_an_operator_signs_in_acts_and_signs_out(tab: Any, retrained_home: Path, tmp_path: Path):
    home = copy_of(retrained_home, tmp_path / "home")
    users = with_users(tmp_path / "users.yaml", ann="viewer", bob="operator")
    settings = Settings(home=home)
    ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
    with dashboard(home, variables={"MECH_EXO_AUTH": str(users)}) as address:
        tab.goto(f"{address}/strategy")
        assert tab.url == f"{address}/sign-in?next=%2Fstrategy"
        assert violations(tab) == []
        tab.fill("#name", "bob")
        tab.fill("#password", PASSWORD)
        tab.click("button[type=submit]")
        tab.wait_for_selector("#page-title")
        assert tab.text_content("#page-title") == "Strategy"
        assert tab.text_content("#user") == "bob (operator)"
        tab.click("text=Actions")
        tab.wait_for_selector("#retrain-reason")
        assert violations(tab) == []
        tab.fill("#retrain-reason", "a new data vendor")
        tab.click("#retrain button")
        tab.wait_for_selector(".done")
        event = ledger.last()
        assert (event.kind, event.actor, event.payload["reason"]) == ("retrain_requested", "bob (dashboard)", "a new data vendor")
        tab.click(".done a")
        tab.wait_for_selector("#page-title")
        assert "a new data vendor" in tab.text_content("#main")
        tab.click("text=Sign out")
        tab.wait_for_selector("#password")
        tab.fill("#name", "ann")
        tab.fill("#password", PASSWORD)
        tab.click("button[type=submit]")
        tab.wait_for_selector("#page-title")
        assert tab.locator("text=Actions").count() == 0
