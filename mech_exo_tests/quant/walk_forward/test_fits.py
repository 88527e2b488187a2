"""Factor weights of a window, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.walk_forward import Window, configured, fits_of, mean_ic
from mech_exo_assets.schemas import IC
from mech_exo_assets.settings import Strategy, load_strategy

DAYS = np.datetime64("2020-01-01") + np.arange(300)


def window(first: int, last: int) -> Window:
    return Window(1, slice(first, last + 1), slice(last + 10, 300), DAYS[first], DAYS[last], DAYS[last + 10], DAYS[299])


def table(*, horizon: int = 21, **factors: np.ndarray) -> pl.DataFrame:
    parts = [
        pl.DataFrame({"date": DAYS, "factor": name, "ic": values}).with_columns(pl.lit(horizon).alias("horizon"), pl.lit(20).alias("n"))
        for name, values in factors.items()
    ]
    joined = pl.concat(parts).filter(pl.col("ic").is_not_nan())
    return joined.select(pl.col(name).cast(kind) for name, kind in IC.dtypes().items())


def known(value: float, sessions: int = 300) -> np.ndarray:
    return np.where(np.arange(300) < sessions, value, np.nan)


def test_configured_weights_add_up_to_one_and_are_the_same_in_every_window():
    fit = configured({"a": 2.0, "b": -1.0, "c": 1.0, "d": 0.0})
    assert fit(window(0, 100)) == fit(window(100, 200)) == {"a": 0.5, "b": -0.25, "c": 0.25}


def test_without_any_configured_weight_there_is_nothing_to_judge():
    with pytest.raises(InputError, match=r"no factor has a weight in composite\.weights"):
        configured({})


def test_weights_are_mean_coefficients_and_keep_their_sign():
    ic = table(a=known(0.03), b=known(-0.01))
    assert mean_ic(ic, horizon=21)(window(0, 99)) == pytest.approx({"a": 0.75, "b": -0.25})


def test_a_factor_that_flips_is_turned_when_the_training_has_seen_it():
    flipping = np.where(np.arange(300) < 100, 0.02, -0.02)
    fit = mean_ic(table(a=flipping, b=known(0.02)), horizon=21)
    assert fit(window(0, 99)) == pytest.approx({"a": 0.5, "b": 0.5})
    assert fit(window(100, 199)) == pytest.approx({"a": -0.5, "b": 0.5})


def test_only_the_trainings_sessions_and_the_horizon_count():
    drawn = np.random.default_rng(0).normal(0.02, 0.1, 300)
    spoilt = drawn.copy()
    spoilt[:20], spoilt[101:] = 9.0, -9.0
    plain = mean_ic(table(a=drawn, b=known(0.02)), horizon=21)(window(20, 100))
    other = pl.concat([table(a=spoilt, b=known(0.02)), table(horizon=5, a=known(7.0), b=known(7.0))]).sample(
        fraction=1.0, shuffle=True, seed=1
    )
    assert mean_ic(other, horizon=21)(window(20, 100)) == plain
    assert plain["a"] / plain["b"] == pytest.approx(drawn[20:101].mean() / 0.02)


def test_a_factor_with_fewer_than_sixty_coefficients_gets_no_weight():
    ic = table(a=known(0.03, 59), b=known(0.01, 60))
    assert mean_ic(ic, horizon=21)(window(0, 99)) == {"b": 1.0}


def test_a_training_without_any_coefficient_is_refused():
    fit = mean_ic(table(a=known(0.03, 59), b=known(0.0)), horizon=21)
    with pytest.raises(InputError, match=r"training of window 1 \(2020-01-01 to 2020-04-09\) no factor has .* over 21 sessions on 60"):
        fit(window(0, 99))
    with pytest.raises(InputError, match="no factor has"):
        mean_ic(IC.empty(), horizon=21)(window(0, 99))


def chosen(fit: str, weights: object) -> Strategy:
    plain = load_strategy()
    return plain.model_copy(
        update={
            "walk_forward": plain.walk_forward.model_copy(update={"fit": fit}),
            "composite": plain.composite.model_copy(update={"weights": weights}),
        }
    )


def test_the_chosen_fit_is_judged_beside_the_configured_weights():
    ic = table(a=known(0.03), b=known(-0.01), gone=known(0.5))
    fits = fits_of(chosen("mean_ic", {"a": 1.0}), ic, factors=["a", "b"])
    assert fits["configured"](window(0, 99)) == {"a": 1.0}
    assert fits["mean_ic"](window(0, 99)) == pytest.approx({"a": 0.75, "b": -0.25})
    assert fits_of(chosen("configured", "equal"), ic, factors=["a", "b"])["configured"](window(0, 99)) == {"a": 0.5, "b": 0.5}
    assert list(fits_of(chosen("configured", "equal"), ic, factors=["a", "b"])) == ["configured"]
