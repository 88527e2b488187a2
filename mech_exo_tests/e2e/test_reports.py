"""The tear sheet in a real browser that has no network, on a screen, on a telephone and on paper."""

from collections.abc import Generator
from pathlib import Path

import pytest

from mech_exo_assets.reports.tear_sheet import gather, tear_sheet
from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM
from mech_exo_tests.reports.books import WRITTEN, book, lake_with

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not there; on Debian: apt install chromium"),
]

DRAWN = "Array.from(document.querySelectorAll('.plot')).map(place => [place.id, place.querySelectorAll('.main-svg').length])"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    content = gather(lake_with(folder / "lake", book(symbols=30)), source="simulator:seed=1", written=WRITTEN)
    path = folder / "tear_sheet.html"
    path.write_text(tear_sheet(content), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Generator["playwright.Browser"]:
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, browser: "playwright.Browser") -> Generator["playwright.Page"]:
    """A page without network that fails the test when anything on it goes wrong, or it asks for anything."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": request.param, "height": 900}, offline=True)
    tab = context.new_page()
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("request", lambda asked: None if asked.url.startswith(("file:", "data:", "blob:")) else faults.append(asked.url))
    yield tab
    context.close()
    assert faults == []


def test_every_figure_is_drawn_and_the_page_is_never_wider_than_the_screen(page: "playwright.Page", address: str):
    page.goto(address)
    page.wait_for_function("document.querySelectorAll('.plot').length === document.querySelectorAll('.plot .main-svg:first-child').length")
    drawn = dict(page.evaluate(DRAWN))
    assert len(drawn) == 11
    assert all(count > 0 for count in drawn.values()), drawn
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    wider = "p.querySelector('.main-svg').clientWidth > p.clientWidth + 1"
    too_wide = f"Array.from(document.querySelectorAll('.plot')).filter(p => {wider}).map(p => p.id)"
    assert page.evaluate(too_wide) == []


def test_on_paper_every_figure_is_within_the_page(page: "playwright.Page", address: str, tmp_path: Path):
    page.goto(address)
    page.wait_for_function("document.querySelectorAll('.plot .main-svg').length >= 11")
    before = page.evaluate("document.getElementById('growth').clientHeight")
    page.pdf(path=tmp_path / "sheet.pdf", prefer_css_page_size=True, print_background=True)
    document = pdfium.PdfDocument(tmp_path / "sheet.pdf")
    text = " ".join(sheet.get_textpage().get_text_range() for sheet in document)
    width, height = document[0].get_size()
    pages = len(document)
    document.close()
    assert (round(width), round(height)) == (595, 842)
    assert 6 <= pages <= 14
    for words in ("growth of 1 (log)", "annual Sharpe ratio", "basis points", "Where it comes from"):
        assert words in text
    # After printing the page is as it was.
    page.wait_for_timeout(300)
    assert page.evaluate("document.getElementById('growth').clientHeight") == before
