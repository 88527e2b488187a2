"""Take the pictures of README and docs from the real UI: `python -m mech_exo_tests.e2e.pictures HOME`, after a run on the sample,
`mech-exo learn`, `mech-exo search`, `mech-exo report quantstats` and `mech-exo report search`.

Those of a factor's page are of real prices: `python -m mech_exo_tests.e2e.pictures HOME --factor`, after a run on them. That of MLflow:
`python -m mech_exo_tests.e2e.pictures HOME --mlflow`, after a run that has trained.
"""

import sys
from base64 import b64decode
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from mech_exo_assets.settings import load_settings
from mech_exo_assets.storage.models import ModelRegistry
from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM, served, wait_until_answered
from mech_exo_tests.ports import free_port

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def lineage(page: Page, address: str) -> None:
    """The groups; with all assets opened no word could be read."""
    page.set_viewport_size({"width": 1700, "height": 1000})
    page.goto(f"{address}/asset-groups?expanded=")
    expect(page.get_by_text("reporting").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="panel_show_right", exact=True).click()
    page.wait_for_timeout(3000)
    page.screenshot(path=PICTURES / "lineage.png", clip={"x": 270, "y": 250, "width": 1100, "height": 540})


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


def factor_page(page: Page, address: str, key: str) -> None:
    """The page of one factor from its metadata on, and the picture of its health alone."""
    page.set_viewport_size({"width": 1500, "height": 1000})
    page.goto(f"{address}/assets/{key}")
    expect(page.get_by_text("Latest materialization")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(2000)
    page.get_by_text("headline", exact=True).first.scroll_into_view_if_needed()
    page.get_by_text("Metadata", exact=True).first.evaluate("heading => heading.scrollIntoView()")
    page.wait_for_timeout(1000)
    page.screenshot(path=PICTURES / "factor-page.png")
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[alt^='Rolling information coefficient']")
    expect(picture).to_be_visible()
    (PICTURES / "factor-page-picture.png").write_bytes(b64decode(str(picture.get_attribute("src")).split("base64,")[1]))


def mlflow_run(page: Page, address: str, home: Path) -> None:
    """The newest training of LightGBM: its charts of figures by fold, and one of its figures."""
    settings = load_settings(home=home)
    models = ModelRegistry(settings.mlflow_url, settings.mlflow_artifacts)
    run = models._client().get_run(models.aliases("lightgbm")["challenger"])
    page.set_viewport_size({"width": 1500, "height": 1000})
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if not request.url.startswith((address, "data:", "blob:")) else None)
    where = f"{address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    page.goto(where)
    page.get_by_text("Model training", exact=True).click(timeout=30_000)
    # The assistant is not served, and its panel opens by itself.
    page.locator("[data-component-id='mlflow.assistant.chat_panel.close']").click(timeout=30_000)
    for tab, waits_for, name in (
        ("", "Registered models", "mlflow-run"),
        ("/model-metrics", "test_ic", "mlflow-run-folds"),
        ("/artifacts/figures/trainings.png", "trainings.png", "mlflow-run-figures"),
    ):
        page.goto(f"{where}{tab}")
        expect(page.get_by_text(waits_for).first).to_be_visible(timeout=30_000)
        page.wait_for_timeout(3000)
        page.screenshot(path=PICTURES / f"{name}.png")
    assert not outside, outside


def of_metadata(page: Page, address: str, key: str, alt: str, name: str) -> None:
    """One picture of an asset's metadata, as it stands there."""
    page.goto(f"{address}/assets/{key}")
    expect(page.get_by_text("Latest materialization")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(2000)
    for shown in page.get_by_text("[Show Markdown]").all():
        shown.scroll_into_view_if_needed()
        shown.click()
        page.wait_for_timeout(500)
        picture = page.locator(f"img[alt^='{alt}']")
        if picture.count():
            (PICTURES / f"{name}.png").write_bytes(b64decode(str(picture.get_attribute("src")).split("base64,")[1]))
            return
        page.keyboard.press("Escape")
        page.wait_for_timeout(500)
    raise LookupError(f"{key} shows no picture that begins with '{alt}'")


def tear_sheet(page: Page, home: Path) -> None:
    """From the equity curve to the costs."""
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto((home / "reports" / "tear_sheet.html").as_uri())
    page.wait_for_timeout(3000)
    top, bottom = (page.locator(f"#{section}").bounding_box() for section in ("equity", "sharpe"))
    assert top is not None
    assert bottom is not None
    page.screenshot(
        path=PICTURES / "tear-sheet.png",
        full_page=True,
        clip={"x": 90, "y": top["y"] - 10, "width": 1100, "height": bottom["y"] - top["y"]},
    )


def weight_search(page: Page, home: Path) -> None:
    """The hold-out of the page about the newest weight search, and its Pareto front."""
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto((home / "reports" / "weight_search.html").as_uri())
    page.wait_for_timeout(3000)
    for section, name in (("holdout", "weight-search-holdout"), ("front", "weight-search-front")):
        page.locator(f"#{section}").screenshot(path=PICTURES / f"{name}.png")


def quantstats_report(home: Path) -> None:
    """The PDF's first and third page, side by side."""
    import pypdfium2
    from PIL import Image

    document = pypdfium2.PdfDocument(home / "reports" / "quantstats.pdf")
    pages = [document[number].render(scale=1.4).to_pil() for number in (0, 2)]
    width, height = pages[0].size
    both = Image.new("RGB", (2 * width, height), "white")
    for number, each in enumerate(pages):
        both.paste(each, (number * width, 0))
    both.quantize(128).save(PICTURES / "quantstats-report.png")


def main() -> None:
    """All pictures, from the home that is named; its reports must have been made."""
    PICTURES.mkdir(exist_ok=True)
    if "--factor" in sys.argv:
        with served(Path(sys.argv[1]), "--read-only") as address, sync_playwright() as engine:
            browser = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
            factor_page(browser.new_page(), address, "decay/weekly_reversal")
            browser.close()
        return
    if "--mlflow" in sys.argv:
        port = free_port()
        with served(Path(sys.argv[1]), mlflow_port=port), sync_playwright() as engine:
            wait_until_answered(f"http://127.0.0.1:{port}/health")
            browser = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
            mlflow_run(browser.new_page(), f"http://127.0.0.1:{port}", Path(sys.argv[1]))
            browser.close()
        return
    quantstats_report(Path(sys.argv[1]))
    with served(Path(sys.argv[1]), "--read-only") as address, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        lineage(browser.new_page(device_scale_factor=1.5), address)
        page = browser.new_page()
        asset(page, address, "decay/statistics", "statistics")
        asset(page, address, "decay/statistics", "statistics-picture", show="overview")
        asset(page, address, "strategy/backtest", "backtest-picture", show="equity")
        asset(page, address, "learning/comparison", "learning-comparison-page")
        of_metadata(page, address, "learning/comparison", "Cumulative information coefficient", "learning-comparison")
        of_metadata(
            page, address, "learning/explanations", "Importance of the 20 most important features of lightgbm", "learning-importances"
        )
        tear_sheet(page, Path(sys.argv[1]))
        weight_search(page, Path(sys.argv[1]))
        browser.close()


if __name__ == "__main__":
    main()
