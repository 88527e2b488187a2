"""Pictures of a weight search: they follow their tables, and say so in words where there is nothing to draw."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.reports import search_figures
from mech_exo_assets.reports.search_figures import MOST_LINES, NOTHING, ordered_weights
from mech_exo_tests.reports.search_tables import search_tables

TABLES = search_tables()
TRIALS, WEIGHTS, OPTIMISED = (TABLES[f"weights/{name}"] for name in ("trials", "trial_weights", "optimised"))
RETURNS, COMPARISON = (TABLES[f"weights/{name}"] for name in ("holdout_returns", "comparison"))
CHOSEN = int(TABLES["weights/frontier"].filter("chosen")["trial"].item())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Axes of the figures that are drawn."""
    kept: list[Any] = []

    def keep(figure: Any, text: str) -> str:
        kept.append(figure.axes[0])
        return text

    monkeypatch.setattr(search_figures, "as_markdown", keep)
    return kept


def labels(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize(
    "markdown",
    [
        pytest.param(lambda: search_figures.pareto(TRIALS, CHOSEN), id="pareto"),
        pytest.param(lambda: search_figures.history(TRIALS), id="history"),
        pytest.param(lambda: search_figures.importances({"a": 0.9, "b": 0.1}), id="importances"),
        pytest.param(lambda: search_figures.parallel_coordinates(TRIALS, WEIGHTS, CHOSEN), id="parallel"),
        pytest.param(lambda: search_figures.weights_by_factor(OPTIMISED), id="weights"),
        pytest.param(lambda: search_figures.growth_on_holdout(RETURNS, COMPARISON), id="growth"),
    ],
)
def test_each_picture_is_a_png_with_a_text_for_those_who_cannot_see_it(markdown: Any):
    text, data = markdown().removeprefix("![").removesuffix(")").split("](data:image/png;base64,")
    assert text
    assert base64.b64decode(data).startswith(b"\x89PNG")


def test_every_trial_that_was_judged_stands_in_the_plot_once_besides_its_marks(drawn: list[Any]):
    search_figures.pareto(TRIALS, CHOSEN)
    (axes,) = drawn
    plain = [points for points in axes.collections if "start" not in points.get_label() and "chosen" not in points.get_label()]
    found = np.vstack([points.get_offsets() for points in plain])
    judged = TRIALS.filter(state="complete")
    expected = np.column_stack([100 * judged["max_drawdown"].to_numpy(), judged["sharpe"].to_numpy()])
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(expected, axis=0))
    assert {"start: configured", "start: equal", f"chosen: trial {CHOSEN}", "outside of a limit (1)", "on the front (2)"} <= set(
        labels(axes)
    )


def test_warm_starts_are_named_beside_the_plot_and_not_among_the_trials(drawn: list[Any]):
    search_figures.pareto(TRIALS, CHOSEN)
    assert len(drawn[0].texts) == 0


def test_the_best_until_then_is_of_trials_that_keep_the_limits(drawn: list[Any]):
    spoilt = TRIALS.with_columns(sharpe=pl.when("feasible").then("sharpe").otherwise(99.0), state=pl.lit("complete"))
    search_figures.history(spoilt)
    (line,) = drawn[0].lines
    kept = TRIALS.filter("feasible")["sharpe"].to_numpy()
    assert line.get_ydata()[-1] == kept.max()
    np.testing.assert_array_equal(line.get_ydata()[: len(kept)], np.maximum.accumulate(kept))


def test_all_factors_are_named_in_the_order_of_the_best_tenth(drawn: list[Any]):
    search_figures.parallel_coordinates(TRIALS, WEIGHTS, CHOSEN)
    wide, names = ordered_weights(TRIALS, WEIGHTS)
    assert [tick.get_text() for tick in drawn[0].get_xticklabels()] == names
    best = wide.tail(wide.height // 10).select(names).mean().row(0)
    assert list(best) == sorted(best, reverse=True)
    assert len(drawn[0].collections[0].get_segments()) == TRIALS.filter(state="complete").height


def test_of_very_many_trials_the_best_are_lines():
    many = search_tables(trials=MOST_LINES + 50, factors=2)
    wide, _ = ordered_weights(many["weights/trials"], many["weights/trial_weights"])
    assert wide["sharpe"].to_list() == sorted(many["weights/trials"]["sharpe"].drop_nulls())[-MOST_LINES:]


def test_the_curves_of_the_holdout_are_running_products_in_the_order_of_the_comparison(drawn: list[Any]):
    search_figures.growth_on_holdout(RETURNS, COMPARISON)
    names = COMPARISON["weights"].to_list()
    for line, name in zip(drawn[0].lines, names, strict=False):
        np.testing.assert_allclose(line.get_ydata(), np.cumprod(1 + RETURNS.filter(weights=name)["net_return"].to_numpy()))
    assert [label.partition(":")[0] for label in labels(drawn[0])] == names


def test_bars_are_the_optimised_weights_in_per_cent(drawn: list[Any]):
    search_figures.weights_by_factor(OPTIMISED)
    widths = [bar.get_width() for bar in drawn[0].patches]
    np.testing.assert_allclose(widths, np.sort(100 * OPTIMISED["weight"].to_numpy()))
    assert {"optimised", "strategy file", "equal"} <= set(labels(drawn[0]))


def test_where_no_trial_was_judged_a_sentence_says_so():
    failed = TRIALS.with_columns(state=pl.lit("failed"), sharpe=None)
    assert search_figures.pareto(failed, 0) == search_figures.history(failed) == NOTHING
    assert search_figures.parallel_coordinates(failed, WEIGHTS, 0) == NOTHING
    assert search_figures.parallel_coordinates(failed, WEIGHTS.clear(), 0) == NOTHING
    assert search_figures.importances({}).startswith("Too few trials")
    assert search_figures.weights_by_factor(OPTIMISED.clear()) == "There are no weights to draw."
    assert search_figures.growth_on_holdout(RETURNS.clear(), COMPARISON) == "The hold-out has no sessions."


def test_trials_that_are_all_the_same_and_weights_below_zero_are_drawn(drawn: list[Any]):
    same = TRIALS.with_columns(sharpe=pl.when(pl.col("state") == "complete").then(1.0))
    search_figures.parallel_coordinates(same, WEIGHTS.with_columns(weight=pl.lit(-0.5)), CHOSEN)
    search_figures.history(same)
    assert len(drawn) == 2
