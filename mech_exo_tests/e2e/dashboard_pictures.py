"""Pictures of the dashboard for docs/: `python -m mech_exo_tests.e2e.dashboard_pictures HOME [--episode]`.

HOME is the sample's, after `mech-exo run`, `search` and `learn`; with `--episode` it is the one that `test_lifecycle` leaves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM
from mech_exo_tests.e2e.dashboard_server import dashboard

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SAMPLE = {
    "dashboard-overview": ("/", (1400, 1000), "light"),
    "dashboard-factors": ("/factors", (1400, 900), "light"),
    "dashboard-factor": ("/factors/momentum_12_1", (1400, 1150), "light"),
    "dashboard-learning": ("/learning", (1400, 1000), "light"),
}
EPISODE = {
    "dashboard-lifecycle": ("/lifecycle", (1400, 1150), "light"),
    "dashboard-event": ("/lifecycle/8", (1400, 1100), "light"),
    "dashboard-phone": ("/", (390, 844), "dark"),
}


def main(home: Path, wanted: dict[str, tuple[str, tuple[int, int], str]]) -> None:
    """Draw what is wanted."""
    with dashboard(home) as address, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for name, (path, (width, height), scheme) in wanted.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # ty: ignore[invalid-argument-type]
            page.goto(address + path)
            page.wait_for_selector("#page-title")
            page.wait_for_timeout(4000)
            page.screenshot(path=PICTURES / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), EPISODE if "--episode" in sys.argv else SAMPLE)
