"""Every address gives a page: on a home with everything, on an empty one, and for names that nobody has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mech_exo_assets.dashboard import router
from mech_exo_assets.dashboard.shell import PAGES, badges, navigation
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.settings import Settings
from mech_exo_tests.dashboard.asking import named, parts, text

ALL = [*PAGES, "/factors/planted_01", "/strategy/SIM001", "/lifecycle/1"]


def sections(component: Any) -> Iterator[Any]:
    return (each for each in parts(component) if type(each).__name__ == "Section")


@pytest.mark.parametrize("path", ALL)
def test_each_page_has_a_title_and_sections_that_say_where_their_numbers_come_from(watch: Watch, path: str):
    with watch.view() as view:
        page = router.content(view, path)
    assert text(named(page, "page-title"))
    found = list(sections(page))
    assert found
    for section in found:
        inside = text(section)
        captioned = any(getattr(each, "className", None) in ("caption", "nothing") for each in parts(section))
        assert captioned or section.id == "payload", inside[:200]


@pytest.mark.parametrize("path", ALL)
def test_every_plot_has_titles_on_its_axes_and_a_sentence(watch: Watch, path: str):
    with watch.view() as view:
        page = router.content(view, path)
    for figure in (each for each in parts(page) if type(each).__name__ == "Figure" and hasattr(each, "className")):
        graph = next(each for each in parts(figure) if type(each).__name__ == "Graph")
        layout = graph.figure.layout
        titled = [axis for axis in layout if axis.startswith(("xaxis", "yaxis")) and layout[axis].title.text]
        assert titled, graph.id
        assert len(text(figure)) > 20


@pytest.mark.parametrize("path", [*PAGES, "/factors/x", "/strategy/x", "/lifecycle/1"])
def test_an_empty_home_says_what_is_missing_and_how_to_get_it(tmp_path: Path, path: str):
    with Watch(Settings(home=tmp_path / "empty")).view() as view:
        page = router.content(view, path)
        assert text(badges(view)[0]).endswith("NO DATA")
    said = text(page)
    assert "mech-exo" in said or "no event" in said
    assert not [each for each in parts(page) if type(each).__name__ == "Graph"]


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/factors/no_such_factor",
        "/factors/' OR 1=1 --",
        "/factors/<script>alert(1)</script>",
        "/strategy/NOBODY",
        "/strategy/'; DROP TABLE market.prices; --",
        "/lifecycle/99999",
        "/lifecycle/-1",
        "/lifecycle/1 OR 1=1",
        "/factors/a/b",
        "/../etc/passwd",
    ],
)
def test_a_name_that_nobody_has_is_said_to_be_none(watch: Watch, path: str):
    with watch.view() as view:
        page = router.content(view, path)
        prices = view.query("SELECT count(*) FROM market.prices").item()
    title = text(named(page, "page-title"))
    assert title.startswith("No such")
    assert prices > 0


def test_the_page_that_is_open_is_marked_and_no_other():
    for path, name in (("/", "Overview"), ("/factors", "Factor health"), ("/factors/x", "Factor health"), ("/lifecycle/3", "Lifecycle")):
        marked = [each for each in navigation(path) if getattr(each, "aria-current", None) == "page"]
        assert [text(each) for each in marked] == [name]


def test_a_mart_of_another_release_is_said_and_the_other_pages_work(watch: Watch, monkeypatch: pytest.MonkeyPatch):
    def older(_view: object) -> None:
        raise duckdb.CatalogException("Table with name statistics does not exist!")

    monkeypatch.setitem(router._BUILDERS, "/factors", older)
    with watch.view() as view:
        assert "does not hold what it needs" in text(router.page_at(view, "/factors"))
        assert text(named(router.page_at(view, "/"), "page-title")) == "Overview"
