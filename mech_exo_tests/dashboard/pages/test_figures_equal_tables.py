"""What stands on a page is what stands in the table that the page names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.dashboard.pages.factors import health, shown_horizon
from mech_exo_assets.dashboard.pages.name import explanation
from mech_exo_assets.dashboard.router import content
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.quant.lifecycle.reigns import champion, versions
from mech_exo_assets.reports.explained_name import explained_name
from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.dashboard.asking import named, rows, text
from mech_exo_tests.dashboard.publishing import mart_of, with_drift

Page = Callable[[str], Any]


@pytest.fixture
def page(watch: Watch) -> Page:
    def made(path: str) -> Any:
        with watch.view() as view:
            return content(view, path)

    return made


@pytest.fixture
def table(retrained_home: Path) -> Callable[[str], pl.DataFrame]:
    return lambda sql: pl.DataFrame(mart_of(retrained_home).sql(sql).to_arrow_table())


def curve(component: Any, name: str, trace: int) -> np.ndarray:
    return np.asarray(named(component, name).figure.data[trace].y, dtype=float)


def test_overview_has_champion_drift_and_counts(page: Page, table: Any, watch: Watch):
    made = page("/")
    with watch.view() as view:
        assert champion(view.events).version in text(named(made, "champion"))
    drift = table('SELECT * FROM live.drift WHERE date = (SELECT max(date) FROM live.drift) ORDER BY "window"')
    shown = text(named(made, "drift"))
    for row in drift.iter_rows(named=True):
        assert f"{row['window']} sessions" in shown
        assert percent(row["live_return"]) in shown
        assert percent(row["backtest_return"]) in shown
    counts = dict(table("SELECT status, count(*) FROM decay.status GROUP BY status").iter_rows())
    assert {status: int(count) for status, count in rows(made, "factor-counts")} == counts


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [(("OK", "OK", "OK"), "OK"), (("OK", "WARN", "OK"), "WARN"), (("WARN", "OK", "BREACH"), "BREACH"), (("NO DATA",), "NO DATA")],
)
def test_the_badge_is_that_of_the_worst_window(home: Path, statuses: tuple[str, ...], worst: str):
    with_drift(home, *statuses)
    with Watch(Settings(home=home)).view() as view:
        badge = named(content(view, "/"), "drift-status")
    assert text(badge).split(":")[-1].strip() == worst
    assert (
        badge.className
        == {"OK": "badge badge-ok", "WARN": "badge badge-warn", "BREACH": "badge badge-breach", "NO DATA": "badge badge-none"}[worst]
    )


def test_factor_health_has_each_factor_with_its_statistics_and_its_share_of_the_champion(watch: Watch, table: Any):
    with watch.view() as view:
        frame, horizon = health(view), shown_horizon(view)
        weights = versions(view.events)[champion(view.events).version].weights
    wanted = table(
        "SELECT s.factor, s.status, s.since, t.mean_ic, t.t_hac, t.q_value, t.horizon FROM decay.status s "
        "JOIN decay.statistics t ON s.factor = t.factor"
    ).filter(horizon=horizon)
    assert frame.height == wanted.height
    for row in wanted.iter_rows(named=True):
        shown = frame.filter(factor=f"[{row['factor']}](/factors/{row['factor']})").row(0, named=True)
        assert (shown["status"], shown["since"], shown["ic"], shown["t_hac"], shown["q_value"]) == (
            *(row["status"], row["since"], row["mean_ic"], row["t_hac"], row["q_value"]),
        )
        held = weights.get(row["factor"])
        assert shown["weight"] == (None if held is None else pytest.approx(held / sum(map(abs, weights.values()))))


def test_a_factors_page_has_its_ic_by_horizon_and_over_time(page: Page, table: Any):
    made = page("/factors/planted_01")
    wanted = table("SELECT horizon, mean_ic, t_hac, q_value, n_sessions FROM decay.statistics WHERE factor = 'planted_01' ORDER BY horizon")
    assert rows(made, "horizon-table") == [
        [str(row["horizon"]), number(row["mean_ic"], 4), number(row["t_hac"]), number(row["q_value"], 3), f"{row['n_sessions']:,}"]
        for row in wanted.iter_rows(named=True)
    ]
    monitor = table("SELECT ic, statistic FROM decay.monitor WHERE factor = 'planted_01' ORDER BY date")
    drawn = named(made, "rolling-ic").figure.data
    mean = next(trace for trace in drawn if str(trace.name).startswith("mean of"))
    statistic = next(trace for trace in drawn if trace.name == "CUSUM")
    wanted_mean = monitor["ic"].rolling_mean(252, min_samples=126).to_numpy()
    np.testing.assert_allclose(np.asarray(mean.y, float), wanted_mean, rtol=1e-4, atol=1e-6, equal_nan=True)
    np.testing.assert_allclose(np.asarray(statistic.y, float), monitor["statistic"].to_numpy(), rtol=1e-5)


def test_the_strategys_curves_are_the_products_of_its_returns(page: Page, table: Any):
    made = page("/strategy")
    book = table("SELECT net_return FROM strategy.backtest ORDER BY date")["net_return"].to_numpy()
    np.testing.assert_allclose(curve(made, "equity", 0), np.cumprod(1 + book), rtol=1e-5)
    wealth = np.cumprod(1 + book)
    np.testing.assert_allclose(curve(made, "drawdown", 0), wealth / np.maximum(np.maximum.accumulate(wealth), 1) - 1, rtol=1e-4, atol=1e-6)
    live = table("SELECT live_return FROM live.nav n JOIN live.backtest b ON n.date = b.date ORDER BY n.date")["live_return"].to_numpy()
    np.testing.assert_allclose(curve(made, "live-growth", 0), np.cumprod(1 + live), rtol=1e-5)
    targets = table("SELECT symbol, weight FROM live.targets WHERE date = (SELECT max(date) FROM live.targets)")
    shown = {row["symbol"].partition("]")[0][1:]: row["weight"] for row in named(made, "targets-grid").rowData}
    assert shown == dict(targets.iter_rows())


def test_a_names_page_adds_up_the_champions_score(watch: Watch, table: Any):
    symbol = table("SELECT symbol FROM live.targets WHERE date = (SELECT max(date) FROM live.targets) ORDER BY weight DESC LIMIT 1").item()
    with watch.view() as view:
        made = content(view, f"/strategy/{symbol}")
        weights = versions(view.events)[champion(view.events).version].weights
    scores = table("SELECT * FROM factors.scores ORDER BY date").filter(symbol=symbol).row(-1, named=True)
    there = {name: weight for name, weight in weights.items() if weight and scores.get(name) is not None}
    wanted = {name: scores[name] * weight / sum(map(abs, there.values())) for name, weight in there.items()}
    shown = {row[0]: row[3] for row in rows(made, "contribution-table")}
    assert shown == {name: number(value, 3) for name, value in wanted.items()}


def test_what_the_models_say_of_a_name_adds_up_to_its_prediction(learned_home: Path):
    lake = Lake(Settings(home=learned_home).lake_uri)
    predictions = lake.read("learning/predictions")
    day, symbol = predictions["date"].max(), predictions["symbol"][0]
    made = explanation(lake, symbol, str(day))
    for model, value in predictions.filter(date=day, symbol=symbol).select("model", "value").iter_rows():
        if model in ("lightgbm", "xgboost"):
            assert number(value, 4) in text(made)
            shown = [float(row[2].replace("−", "-")) for row in rows(made, f"shap-{model}-table")]
            whole = explained_name(lake, symbol, day, model=model)["models"][0]
            assert sum(shown) == pytest.approx(whole["prediction"] - whole["base"], abs=2e-3)
    assert "There are, among others" in text(explanation(lake, "NOBODY AT ALL", str(day)))
    assert "It cannot be explained" in text(explanation(lake, symbol, "no day"))


def test_weights_are_those_of_the_champion_and_of_the_search(page: Page, table: Any, watch: Watch):
    made = page("/weights")
    with watch.view() as view:
        weights = versions(view.events)[champion(view.events).version].weights
    total = sum(map(abs, weights.values()))
    shown = {row[0]: row[1] for row in rows(made, "champion-weight-table")}
    assert {name: value for name, value in shown.items() if weights.get(name)} == {
        name: percent(weight / total, 1) for name, weight in weights.items() if weight
    }
    holdout = table("SELECT weights, sharpe FROM weights.comparison")
    assert {row[0]: row[2] for row in rows(made, "holdout-table")} == {name: number(value) for name, value in holdout.iter_rows()}


def test_lifecycle_has_every_event_and_an_events_page_its_gates(watch: Watch):
    with watch.view() as view:
        made = content(view, "/lifecycle")
        assert len(named(made, "timeline-grid").rowData) == len(view.events)
        assert text(named(made, "ledger-verified")) == "verified"
        judged = next(event for event in view.events if event.kind == "validation_passed")
        shown = content(view, f"/lifecycle/{judged.id}")
    gates = {row[0]: (row[1], row[3]) for row in rows(shown, "gates")}
    words = {True: "passed", False: "failed", None: "not judged"}
    assert gates == {gate["gate"].replace("_", " "): (number(gate["value"], 3), words[gate["passed"]]) for gate in judged.payload["gates"]}
    assert f"mech-exo replay {judged.id}" in text(shown)


def test_reports_list_every_published_table_with_its_rows(page: Page, table: Any):
    held = dict(table("SELECT table_name, row_count FROM meta.tables").iter_rows())
    assert {row[0]: row[1] for row in rows(page("/reports"), "tables-list")} == {key: f"{count:,}" for key, count in held.items()}


def test_models_are_those_of_the_comparison(learned_home: Path):
    with Watch(Settings(home=learned_home)).view() as view:
        made = content(view, "/learning")
        wanted = view.query("SELECT model, ic, t_hac FROM learning.comparison WHERE fold = 0")
        again = view.query("SELECT max(horizon) FROM market.forward_returns WHERE horizon <= 21").item()
        joined = view.query(
            "SELECT p.date, p.symbol, p.value, r.value AS ret FROM learning.predictions p JOIN market.forward_returns r "
            "ON p.date = r.date AND p.symbol = r.symbol AND r.horizon = ? WHERE p.model = 'ensemble' AND r.value IS NOT NULL",
            again,
        )
    shown = {row[0]: (row[1], row[3]) for row in rows(made, "model-table")}
    assert shown == {model: (number(ic, 4), number(t)) for model, ic, t in wanted.iter_rows()}
    # Names with the same prediction stand in the order of their symbols.
    excess = joined.sort("date", "value", "symbol").with_columns(
        excess=pl.col("ret") - pl.col("ret").mean().over("date"), place=pl.int_range(1, pl.len() + 1).over("date")
    )
    names = excess.with_columns(n=pl.len().over("date"))
    # ntile(10) of twelve names: the first two deciles have two names each.
    extra = names.with_columns(
        decile=pl.when(pl.col("place") <= (pl.col("n") % 10) * (pl.col("n") // 10 + 1))
        .then((pl.col("place") - 1) // (pl.col("n") // 10 + 1) + 1)
        .otherwise((pl.col("place") - 1 - pl.col("n") % 10) // (pl.col("n") // 10) + 1)
    )
    means = extra.group_by("date", "decile").agg(pl.col("excess").mean()).group_by("decile").agg(pl.col("excess").mean()).sort("decile")
    np.testing.assert_allclose(curve(made, "calibration-picture", 0), means["excess"].to_numpy(), rtol=1e-6, atol=1e-9)
