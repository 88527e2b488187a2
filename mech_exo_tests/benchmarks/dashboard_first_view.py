"""How long a page takes until it can be read, and until all is drawn: `python -m mech_exo_tests.benchmarks.dashboard_first_view HOME`.

What belongs here: times in a real browser, from the click to the paint, with nothing kept by the browser and with its scripts kept. Not
timed in CI: see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM
from mech_exo_tests.e2e.dashboard_server import dashboard

PAGES = ("/", "/factors", "/strategy", "/weights", "/learning", "/lifecycle", "/reports")
_WATCH = """(() => {
  const seen = window.seenAt = {};
  const look = () => {
    const title = document.getElementById("page-title");
    if (title && !seen.read) seen.read = performance.now();
    const plots = [...document.querySelectorAll(".picture")].every((each) => each.querySelector(".main-svg"));
    const grids = [...document.querySelectorAll(".grid")].every((each) => each.querySelector(".ag-row"));
    if (title && plots && grids) { seen.drawn = performance.now(); return; }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""


def view(tab: Any, address: str) -> tuple[float, float]:
    """Seconds until the page can be read, and until all plots and tables stand."""
    tab.goto(address, wait_until="commit")
    while not tab.evaluate("window.seenAt && window.seenAt.drawn"):
        tab.wait_for_timeout(50)
    found = tab.evaluate("window.seenAt")
    return found["read"] / 1000, found["drawn"] / 1000


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("paths", nargs="*", default=PAGES)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with dashboard(options.home) as address, sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        print(f"{'page':24} {'first: read':>12} {'drawn':>7} {'again: read':>12} {'drawn':>7}   seconds, medians of {options.rounds}")
        for path in options.paths:
            first, again = [], []
            for _ in range(options.rounds):
                context = chromium.new_context(viewport={"width": 1400, "height": 900})
                tab = context.new_page()
                tab.add_init_script(_WATCH)
                first.append(view(tab, address + path))
                again.append(view(tab, address + path))
                context.close()
            columns = [statistics.median(each[at] for each in times) for times in (first, again) for at in (0, 1)]
            print(f"{path:24} {columns[0]:12.2f} {columns[1]:7.2f} {columns[2]:12.2f} {columns[3]:7.2f}")
        chromium.close()


if __name__ == "__main__":
    main()
