import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.quant.performance import drawdowns, monthly_returns, rolling_sharpe
from mech_exo_assets.reports.formats import in_unit, percent
from mech_exo_assets.reports.tear_sheet import TearSheet, gather, tear_sheet
from mech_exo_assets.schemas import BACKTEST, PERFORMANCE, TABLES
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.storage.lake import CHOICES
from mech_exo_tests.reports.books import WRITTEN, book, lake_with
from mech_exo_tests.reports.pages import Page, numbers

EVIL = "</script><script>alert(1)</script>"
SECTIONS = (
    "headline",
    "equity",
    "months",
    "sharpe",
    "trading",
    "contributions",
    "walk-forward",
    "worst",
    "holdings",
    "origin",
)


def _content(root: Path, tables: dict[str, pl.DataFrame]) -> TearSheet:
    return gather(lake_with(root, tables), source="simulator:seed=1", written=WRITTEN)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> TearSheet:
    return _content(tmp_path_factory.mktemp("lake"), book(symbols=30))


@pytest.fixture(scope="module")
def text(content: TearSheet) -> str:
    return tear_sheet(content)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_has_every_section_and_its_links_lead_to_them(page: Page):
    sections = [attributes.get("id") for tag, attributes in page.elements if tag == "section"]
    assert tuple(sections) == SECTIONS
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == [f"#{name}" for name in SECTIONS]


def test_nothing_on_the_page_would_be_fetched(text: str, page: Page):
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"@import|url\(", style)
    (policy,) = [each["content"] for tag, each in page.elements if tag == "meta" and "http-equiv" in each]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert text.count("plotly.js v") == 1


def test_the_cards_and_the_table_are_the_figures_of_the_performance_table(content: TearSheet, page: Page):
    rows = {row["metric"]: row for row in content.performance.iter_rows(named=True)}
    assert set(page.cards) >= {"cagr", "volatility", "sharpe", "max_drawdown", "alpha", "beta"}
    for metric, shown in page.cards.items():
        assert shown == in_unit(rows[metric]["net"], rows[metric]["unit"])
    table = page.tables["all-figures"][1:]
    assert [row[1:4] for row in table] == [
        [in_unit(row[name], row["unit"]) for name in ("net", "gross", "benchmark")] for row in rows.values()
    ]


def test_the_curves_are_the_running_products_of_the_returns(content: TearSheet, page: Page):
    traces = {trace["name"]: numbers(trace["y"]) for trace in page.figure("growth")["data"]}
    for label, name in (("after costs", "net_return"), ("before costs", "gross_return")):
        np.testing.assert_allclose(traces[label], np.cumprod(1 + content.backtest[name].to_numpy()), rtol=1e-12)
    depth = traces["drawdown after costs"]
    assert depth.min() == pytest.approx(content.performance.filter(metric="max_drawdown")["net"].item(), rel=1e-12)


def test_months_and_years_are_compounded_returns(content: TearSheet, page: Page):
    returns = content.backtest["net_return"].to_numpy()
    expected = monthly_returns(returns, content.backtest["date"].to_numpy().astype("datetime64[D]"))
    table = {row[0]: row[1:] for row in page.tables["monthly-returns"][1:]}
    for year, month, value in expected.iter_rows():
        assert table[str(year)][month - 1] == percent(value, 1)
    in_2016 = content.backtest.filter(pl.col("date").dt.year() == 2016)["net_return"]
    assert table["2016"][-1] == percent(float((in_2016 + 1).product()) - 1, 1)
    assert sum(cell != "" for row in table.values() for cell in row[:-1]) == len(expected)


def test_the_rolling_sharpe_ratio_is_that_of_252_sessions(content: TearSheet, page: Page):
    traces = {trace["name"]: numbers(trace["y"]) for trace in page.figure("rolling")["data"]}
    expected = rolling_sharpe(content.backtest["net_return"].to_numpy(), window=252)
    np.testing.assert_allclose(traces["Sharpe ratio after costs"], expected, rtol=1e-12)
    np.testing.assert_array_equal(traces["gross exposure"], content.backtest["exposure"].to_numpy())


def test_the_waterfall_adds_up_from_gross_to_net(content: TearSheet, page: Page):
    (trace,) = page.figure("waterfall")["data"]
    steps = numbers(trace["y"])
    assert steps[0] == pytest.approx(252 * content.backtest["gross_return"].mean())
    assert steps[:-1].sum() == pytest.approx(steps[-1], rel=1e-9)
    assert steps[-1] == pytest.approx(252 * content.backtest["net_return"].mean())


def test_monthly_costs_add_up_to_all_costs_in_basis_points(content: TearSheet, page: Page):
    traces = {trace["name"]: numbers(trace["y"]) for trace in page.figure("costs")["data"]}
    assert sum(traces[name].sum() for name in ("commission", "spread", "impact", "borrow")) == pytest.approx(
        1e4 * content.backtest["cost"].sum()
    )
    assert traces["turnover"].sum() == pytest.approx(content.backtest["turnover"].sum())


def test_of_many_members_the_best_and_the_worst_are_shown_and_the_page_says_so(content: TearSheet, page: Page):
    trace, labels = page.figure("by-name")["data"]
    total = content.contributions.filter(dimension="name").group_by("member").agg(pl.col("contribution").sum()).sort("contribution")
    expected = np.concatenate([total["contribution"].to_numpy()[-10:][::-1], total["contribution"].to_numpy()[:10][::-1]])
    np.testing.assert_allclose(numbers(trace["x"]), expected, rtol=1e-12)
    assert [text.strip() for text in labels["text"]] == [percent(value) for value in expected]
    assert "Contribution by name, the best 10 and the worst 10 of 30" in page.texts
    assert "Contribution by side, all 3" in page.texts


def test_a_name_that_looks_like_html_stays_a_name(tmp_path: Path, page: Page):
    tables = book(300)
    positions = tables["strategy/positions"]
    tables["strategy/positions"] = positions.with_columns(symbol=pl.col("symbol").replace("S00", EVIL))
    named = pl.col("member").replace({"S00": EVIL, "Energy": "<img src=x onerror=alert(1)>"})
    tables["strategy/contributions"] = tables["strategy/contributions"].with_columns(member=named)
    evil = tear_sheet(replace(_content(tmp_path, tables), title=EVIL, source=EVIL, configuration=EVIL, benchmark=f"<b>{EVIL}</b>"))
    found = Page(evil)
    drawn = sum(tag == "div" and attributes.get("class") == "plot" for tag, attributes in found.elements)
    assert sum(tag == "script" for tag, _ in found.elements) == drawn + 2
    assert not any(tag in ("img", "b") for tag, _ in found.elements)
    assert EVIL in [row[0] for row in found.tables["holdings"]]
    assert "&lt;img src=x onerror" in str(found.figure("by-sector")["layout"]["yaxis"]["ticktext"])


def test_worst_days_and_drawdowns_are_those_of_the_returns(content: TearSheet, page: Page):
    worst = content.backtest.sort("net_return").head(10)
    assert [row[:2] for row in page.tables["worst-sessions"][1:]] == [
        [str(d), percent(r)] for d, r in worst.select("date", "net_return").rows()
    ]
    sessions = content.backtest["date"].to_numpy().astype("datetime64[D]")
    expected = drawdowns(content.backtest["net_return"].to_numpy(), sessions, count=5)
    assert [row[3] for row in page.tables["worst-drawdowns"][1:]] == [percent(depth) for depth in expected["depth"]]


def test_every_window_has_its_row_and_its_bar(content: TearSheet, page: Page):
    windows = content.walk_forward_windows
    assert len(page.tables["windows"]) == len(windows) + 1
    bars = {trace["name"]: trace for trace in page.figure("window-sharpe")["data"]}
    for fit in ("configured", "mean_ic"):
        rows = windows.filter(fit=fit).sort("window")
        np.testing.assert_array_equal(numbers(bars[fit]["y"]), rows["sharpe"].to_numpy())
        np.testing.assert_array_equal(numbers(bars[fit]["error_y"]["array"]), rows["sharpe_error"].to_numpy())
    curves = {trace["name"]: numbers(trace["y"]) for trace in page.figure("stitched")["data"]}
    stitched = content.walk_forward.filter(fit="mean_ic").sort("date")["net_return"].to_numpy()
    np.testing.assert_allclose(curves["mean_ic"], np.cumprod(1 + stitched), rtol=1e-12)


def test_only_fits_that_change_their_weights_are_drawn(page: Page):
    assert "weights-0-data" in page.data
    assert "weights-1-data" not in page.data
    assert "as fitted by mean_ic" in page.texts


def test_a_walk_forward_without_a_window_says_why(tmp_path: Path):
    said = Page(tear_sheet(_content(tmp_path, book(300)))).texts
    assert "No window fits: one takes 36 months of training and 12 months of test" in said
    assert "the backtest runs from 2015-01-02 to 2016-02-25" in said


def test_a_walk_forward_that_was_not_computed_says_so(tmp_path: Path):
    tables = {key: frame for key, frame in book(300).items() if "walk_forward" not in key}
    assert "strategy/walk_forward_windows is not in the lake" in Page(tear_sheet(_content(tmp_path, tables))).texts


def test_a_history_shorter_than_a_window_says_what_is_missing(tmp_path: Path):
    short = Page(tear_sheet(_content(tmp_path, book(100))))
    (note,) = short.figure("rolling")["layout"]["annotations"]
    assert note["text"] == "needs 252 sessions; there are 100"


def test_empty_tables_say_that_they_are(content: TearSheet):
    nothing = replace(
        content,
        contributions=content.contributions.clear(),
        holdings=content.holdings.clear(),
        trades=content.trades.clear(),
        walk_forward_windows=content.walk_forward_windows.clear(),
        backtest=content.backtest.with_columns(net_return=pl.lit(0.001), benchmark_return=pl.lit(None, pl.Float64)),
    )
    said = Page(tear_sheet(nothing))
    for sentence in (
        "strategy/contributions has no rows for the dimension factor",
        "Nothing was held at the last close",
        "The backtest made no trades",
        "The table strategy/walk_forward has no rows",
        "The value after costs was never below an earlier one",
        "The benchmark's return is not known on 900 of 900 sessions",
    ):
        assert sentence in said.texts
    assert "benchmark" not in " ".join(trace["name"] for trace in said.figure("growth")["data"])


def test_the_page_names_configuration_and_versions(content: TearSheet, page: Page):
    assert yaml.safe_load(content.configuration) == load_strategy().model_dump(mode="json")
    assert content.configuration in page.texts
    assert ["strategy/backtest", "shown here", "0"] in page.tables["versions"]
    assert "Written 2026-11-22 21:30 UTC" in page.texts


def test_versions_of_what_the_backtest_read_are_named(tmp_path: Path):
    lake = lake_with(tmp_path, book(60))
    frame = lake.read("strategy/backtest")
    lake.write(BACKTEST, frame, note={CHOICES: lake.note(BACKTEST.key, 0)[CHOICES], "read:market/prices": "7", "read:strategy/trades": "0"})
    content = gather(lake, source="sample", written=WRITTEN)
    assert content.versions["strategy/backtest"] == 1
    assert content.inputs == {"market/prices": 7}
    assert ["market/prices", "what those were computed from", "7"] in Page(tear_sheet(content)).tables["versions"]


def test_the_benchmark_is_named_as_the_configuration_chose_it(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("backtest: {benchmark: SPY}\n")
    lake = lake_with(tmp_path / "lake", book(60), config=tmp_path / "mine.yaml")
    content = gather(lake, source="sample", written=WRITTEN)
    assert "Benchmark: SPY." in Page(tear_sheet(content)).texts


def test_a_backtest_whose_choices_are_not_noted_is_refused_with_the_mend(tmp_path: Path):
    lake = lake_with(tmp_path, book(60))
    lake.write(BACKTEST, lake.read("strategy/backtest"))
    with pytest.raises(MechExoError, match=r"version 1, was computed by another version of Mech-Exo.*Run `mech-exo run` first"):
        gather(lake, source="sample", written=WRITTEN)


def test_tables_of_two_backtests_make_no_page(tmp_path: Path):
    lake = lake_with(tmp_path, book(60))
    choices = {CHOICES: lake.note(BACKTEST.key, 0)[CHOICES]}
    lake.write(PERFORMANCE, lake.read(PERFORMANCE.key), note={**choices, "read:strategy/backtest": "0"})
    gather(lake, source="sample", written=WRITTEN)
    lake.write(BACKTEST, lake.read(BACKTEST.key), note=choices)
    with pytest.raises(MechExoError, match=r"was computed from version 0 of strategy/backtest, now at 1: the last run was not completed"):
        gather(lake, source="sample", written=WRITTEN)


def test_a_missing_table_is_named_with_the_mend(tmp_path: Path):
    tables = {key: frame for key, frame in book(60).items() if key != "strategy/performance"}
    with pytest.raises(MechExoError, match=r"strategy/performance is not in the lake .* Run `mech-exo run` first"):
        _content(tmp_path, tables)


def test_a_backtest_without_sessions_makes_no_page(tmp_path: Path, content: TearSheet):
    empty = {key: TABLES[key].empty() for key in book(60)}
    lake = lake_with(tmp_path, {key: frame for key, frame in empty.items() if TABLES[key].time_column is None})
    lake.write(TABLES["strategy/contributions"], empty["strategy/contributions"], years=[2015])
    with pytest.raises(InputError, match="has no sessions"):
        gather(lake, source="sample", written=WRITTEN)
    with pytest.raises(InputError, match="no tear sheet was made"):
        tear_sheet(replace(content, backtest=content.backtest.clear()))


def test_a_single_session_is_enough(tmp_path: Path):
    assert "1 sessions" in Page(tear_sheet(_content(tmp_path, book(1)))).texts
