"""The pictures of the lifecycle: `python -m mech_exo_tests.e2e.lifecycle_pictures HOME`, of a home in which an episode has run.

The home that `test_lifecycle` leaves is one.
"""

import io
import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM, served
from mech_exo_tests.e2e.living_market import ask
from mech_exo_tests.e2e.pictures import PICTURES, of_metadata

RUNS = "{ runsOrError { ... on Runs { results { runId jobName } } } }"
WIDTH = 132


def terminal(page: Page, home: Path, *words: str, name: str) -> None:
    """What a command prints, as a terminal shows it."""
    environment = os.environ | {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1"}
    command = [sys.executable, "-m", "mech_exo_assets.cli", *words, "--home", str(home)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout
    from rich.ansi import AnsiDecoder
    from rich.console import Console

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(f"$ mech-exo {' '.join(words)}", style="bold")
    for line in AnsiDecoder().decode(shown):
        console.print(line)
    page.set_viewport_size({"width": 1300, "height": 900})
    page.set_content(f"<body style='margin:0'>{console.export_svg(title='mech-exo')}</body>")
    page.locator("svg").first.screenshot(path=PICTURES / f"{name}.png")


def retraining(page: Page, address: str) -> None:
    """The run of the retraining, with its tags."""
    runs = ask(address, RUNS)["runsOrError"]["results"]
    run = next(each["runId"] for each in runs if each["jobName"] == "retrain")
    page.set_viewport_size({"width": 1700, "height": 950})
    page.goto(f"{address}/runs/{run}")
    expect(page.get_by_text("lifecycle__decision").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="View tags and config").click()
    page.wait_for_timeout(2500)
    page.screenshot(path=PICTURES / "retrain-run.png")


def asset(page: Page, address: str, key: str, name: str) -> None:
    """The page of one asset, from its metadata on."""
    page.set_viewport_size({"width": 1500, "height": 1000})
    page.goto(f"{address}/assets/{key}")
    expect(page.get_by_text("Latest materialization")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(2500)
    page.screenshot(path=PICTURES / f"{name}.png")


def main() -> None:
    """Take all of them."""
    home = Path(sys.argv[1])
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page()
        terminal(page, home, "ledger", "show", name="ledger")
        terminal(page, home, "ledger", "verify", name="ledger-verify")
        terminal(page, home, "replay", "--all", name="replay")
        with served(home) as address:
            retraining(page, address)
            asset(page, address, "live/drift", "live-drift-page")
            of_metadata(page, address, "live/drift", "Live account against", "live-drift")
            of_metadata(page, address, "live/attribution", "Why live", "live-attribution")
            asset(page, address, "lifecycle/validation", "lifecycle-validation")
            asset(page, address, "lifecycle/champion", "lifecycle-champion")
            of_metadata(page, address, "lifecycle/ab_returns", "Challenger and champion", "lifecycle-ab-test")
        browser.close()


if __name__ == "__main__":
    main()
