"""The page of a weight search: words, tables and figures are those of its tables, and nothing is fetched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.reports.formats import number
from mech_exo_assets.reports.rendering import external_references
from mech_exo_assets.reports.search_page import SearchContent, gather, search_page
from mech_exo_assets.schemas import TABLES, TRIALS
from mech_exo_tests.reports.books import WRITTEN, lake_with
from mech_exo_tests.reports.pages import Page, numbers
from mech_exo_tests.reports.search_tables import search_tables

SECTIONS = ("verdict", "holdout", "overfitting", "chosen", "front", "trials", "searches", "origin")
EVIL = "</script><script>alert(1)</script>"


def _content(root: Path, tables: dict[str, pl.DataFrame]) -> SearchContent:
    return gather(lake_with(root, tables), source="simulator:seed=1", database="sqlite:////home/studies.db", written=WRITTEN)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> SearchContent:
    return _content(tmp_path_factory.mktemp("lake"), search_tables())


@pytest.fixture(scope="module")
def text(content: SearchContent) -> str:
    return search_page(content)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_has_every_section_and_its_links_lead_to_them(page: Page):
    assert tuple(attributes.get("id") for tag, attributes in page.elements if tag == "section") == SECTIONS
    assert [attributes["href"] for tag, attributes in page.elements if tag == "a"] == [f"#{name}" for name in SECTIONS]


def test_nothing_on_the_page_would_be_fetched(text: str, page: Page):
    assert external_references(text) == []
    assert not {"link", "img", "iframe"} & {tag for tag, _ in page.elements}
    (policy,) = [each["content"] for tag, each in page.elements if tag == "meta" and "http-equiv" in each]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_verdict_names_what_failed_or_says_that_nothing_did(page: Page, tmp_path: Path):
    assert "The weights fail deflated_sharpe: they are shown, and are no candidate." in page.texts
    passing = Page(search_page(_content(tmp_path, search_tables(passed=True))))
    assert "The weights pass every measure that is judged" in passing.texts


def test_the_holdout_is_told_with_its_looks_and_each_difference_with_its_interval(content: SearchContent, page: Page):
    own = content.comparison.filter(weights="optimised").row(0, named=True)
    said = " ".join(page.texts.split())
    assert f"({own['n_sessions']} sessions), which no search has seen, they have a Sharpe ratio of {number(own['sharpe'])}" in said
    assert "This was look number 3" in said
    equal = content.comparison.filter(weights="equal")["sharpe"].item()
    assert (
        f"0.20 ahead of equal weights (Sharpe ratio {number(equal)}); 95% interval −1.00 to 1.40. The interval holds 0: this may be chance."
        in said
    )
    assert page.tables["comparison"][1][1] == number(own["sharpe"])


def test_a_difference_that_chance_does_not_explain_or_has_no_interval_is_told_as_that(content: SearchContent):
    sure = content.comparison.with_columns(difference_low=pl.lit(0.1), difference=pl.lit(-0.5))
    said = " ".join(Page(search_page(replace(content, comparison=sure))).texts.split())
    assert "0.50 behind equal weights" in said
    assert "The interval does not hold 0." in said
    unknown = content.comparison.with_columns(difference_low=pl.lit(None, pl.Float64))
    assert "an interval could not be computed" in Page(search_page(replace(content, comparison=unknown))).texts


def test_every_measure_stands_in_the_table_with_its_verdict(content: SearchContent, page: Page):
    rows = page.tables["measures"][1:]
    assert [row[0] for row in rows] == content.overfitting["measure"].to_list()
    assert [row[1] for row in rows] == ["failed", "passed", "not judged"]
    assert [row[4] for row in rows] == content.overfitting["meaning"].to_list()


def test_the_figures_hold_the_numbers_of_the_tables(content: SearchContent, page: Page):
    judged = content.trials.filter(state="complete")
    points = {trace["name"]: trace for trace in page.figure("pareto")["data"]}
    shown = [numbers(points[name]["y"]) for name in ("dominated", "outside of a limit", "on the front")]
    np.testing.assert_allclose(np.sort(np.concatenate(shown)), np.sort(judged["sharpe"].to_numpy()))
    assert {"start: configured", "start: equal", "chosen"} <= set(points)
    (lines,) = page.figure("parallel")["data"]
    assert [each["label"] for each in lines["dimensions"]][-1] == "Sharpe ratio"
    assert len(lines["dimensions"]) == content.optimised.height + 1
    np.testing.assert_allclose(numbers(lines["line"]["color"]), np.sort(judged["sharpe"].to_numpy()), atol=1e-4)
    grown = {trace["name"]: numbers(trace["y"])[-1] - 1 for trace in page.figure("growth")["data"]}
    assert grown == pytest.approx(dict(content.comparison.select("weights", "total_return").iter_rows()))
    (bars,) = page.figure("importances")["data"]
    np.testing.assert_allclose(numbers(bars["x"]), list(content.importances.values()))
    np.testing.assert_allclose(numbers(page.figure("shrinkage")["data"][0]["y"]), content.shrinkage["sharpe"].to_numpy())


def test_importances_find_the_factor_that_the_sharpe_ratio_depends_on(content: SearchContent):
    assert next(iter(content.importances)) == "factor_00"
    assert sum(content.importances.values()) == pytest.approx(1)


def test_the_command_for_optunas_dashboard_stands_on_the_page(page: Page):
    assert "optuna-dashboard sqlite:////home/studies.db" in page.texts


def test_a_name_that_looks_like_html_stays_a_name(content: SearchContent, page: Page):
    named = {
        name: getattr(content, name).with_columns(pl.col("factor").replace("factor_00", EVIL)) for name in ("optimised", "trial_weights")
    }
    measure = content.overfitting.with_columns(measure=pl.lit(EVIL))
    evil = Page(search_page(replace(content, **named, overfitting=measure, source=EVIL, database=EVIL, importances={EVIL: 1.0})))
    scripts = [sum(tag == "script" for tag, _ in each.elements) for each in (page, evil)]
    assert scripts[0] == scripts[1]
    assert evil.tables["measures"][1][0] == EVIL


def test_what_is_missing_is_told_in_a_sentence(content: SearchContent):
    bare = replace(
        content,
        trials=content.trials.with_columns(state=pl.lit("failed")),
        shrinkage=content.shrinkage.with_columns(sharpe=pl.lit(None, pl.Float64)),
        importances={},
    )
    found = Page(search_page(bare))
    assert "No share of equal weights could be validated" in found.texts
    assert "No trial could be judged." in found.texts
    assert "importances are not computed" in found.texts
    assert "40 of 40 trials could not be judged" in found.texts


def test_without_a_search_there_is_one_line(tmp_path: Path):
    tables = search_tables()
    del tables["weights/comparison"]
    with pytest.raises(MechExoError, match=r"weights/comparison is not in the lake .* Run `mech-exo search` first"):
        _content(tmp_path, tables)


def test_tables_of_two_searches_are_not_put_together(tmp_path: Path):
    lake = lake_with(tmp_path, search_tables())
    lake.write(TABLES["weights/optimised"], search_tables(seed=1)["weights/optimised"], note={f"read:{TRIALS.key}": "1"})
    with pytest.raises(MechExoError, match="computed from version 1 of weights/trials, now at 0: the last search was not completed"):
        gather(lake, source="sample", database="sqlite:////x.db", written=WRITTEN)
