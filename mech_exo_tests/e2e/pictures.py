"""Take the pictures of README and docs from the real UI: `python -m mech_exo_tests.e2e.pictures HOME`, after a run on the sample."""

import sys
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, expect, sync_playwright

from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM, served

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
GROUPS = ("market", "factors", "decay", "strategy", "reporting")


def lineage(page: Page, address: str) -> None:
    """All assets, each group opened."""
    page.set_viewport_size({"width": 2100, "height": 1400})
    opened = ",".join(f"global@global:{group}" for group in GROUPS)
    page.goto(f"{address}/asset-groups?expanded={quote(opened)}")
    expect(page.get_by_text("composite").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="panel_show_right", exact=True).click()
    for _ in range(2):
        page.get_by_role("button", name="zoom_out").click()
    page.wait_for_timeout(3000)
    page.screenshot(path=PICTURES / "lineage.png", clip={"x": 310, "y": 60, "width": 1480, "height": 1220})


def asset(page: Page, address: str, key: str, name: str, *, show: str | None = None) -> None:
    """The page of one asset; with `show`, scrolled to its metadata, with the picture of that entry opened."""
    page.set_viewport_size({"width": 1500, "height": 1000})
    page.goto(f"{address}/assets/{key}")
    expect(page.get_by_text("Latest materialization")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(2000)
    if show is not None:
        entry = page.get_by_text(show, exact=True).first
        entry.scroll_into_view_if_needed()
        page.get_by_text("[Show Markdown]").last.click()
        page.wait_for_timeout(1500)
    page.screenshot(path=PICTURES / f"{name}.png")


def main() -> None:
    """All pictures, from the home that is named."""
    PICTURES.mkdir(exist_ok=True)
    with served(Path(sys.argv[1]), "--read-only") as address, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page()
        lineage(page, address)
        asset(page, address, "decay/statistics", "statistics")
        asset(page, address, "decay/statistics", "statistics-picture", show="overview")
        asset(page, address, "strategy/backtest", "backtest-picture", show="equity")
        browser.close()


if __name__ == "__main__":
    main()
