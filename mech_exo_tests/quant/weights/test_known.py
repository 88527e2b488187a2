"""What was known of the factors when a search ended."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.hac import t_of_mean
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.rotation import evidence_of
from mech_exo_assets.quant.weights.candidate import Space
from mech_exo_assets.quant.weights.known import decayed_multipliers, require_factors, warm_starts
from mech_exo_tests.quant.weights.builders import NAN, History, history, monitor, strategy

PAST = history()
DAYS = PAST.market.sessions
SEEN = DAYS[:200]


def coefficients(**series: np.ndarray) -> pl.DataFrame:
    """One factor after the other, over the first horizon, and noise over another."""
    parts = [
        pl.DataFrame({"date": DAYS[: len(values)], "factor": name, "horizon": horizon, "ic": values if horizon == 1 else -values})
        for name, values in series.items()
        for horizon in (1, 5)
    ]
    return pl.concat(parts).cast({"horizon": pl.Int32})


def strong(count: int = 300, mean: float = 0.05) -> np.ndarray:
    return np.random.default_rng(0).normal(mean, 0.1, count)


def test_a_decayed_factor_keeps_its_evidence_times_the_probability_that_it_works():
    series = strong()
    found = decayed_multipliers(monitor(SEEN, f000="decayed", f001="healthy"), coefficients(f000=series, f001=series), SEEN, strategy())
    # Sessions 0 to 197 have coefficients over one session whose return had ended by session 199.
    known = series[:198]
    evidence = evidence_of(float(known.mean()), float(t_of_mean(known, horizon=1)), prior_ic=0.02)
    assert 0 < evidence < 1
    assert found == {"f000": pytest.approx(evidence * 0.4, rel=1e-12)}


def test_without_coefficients_or_with_a_negative_mean_nothing_is_left_of_it():
    states = monitor(SEEN, f000="decayed", f001="decayed")
    assert decayed_multipliers(states, coefficients(f001=-strong()), SEEN, strategy()) == {"f000": 0.0, "f001": 0.0}


def test_the_newest_state_that_was_known_counts():
    states = pl.concat([monitor(DAYS[:150], f000="decayed"), monitor(DAYS[150:200], f000="probation")])
    assert decayed_multipliers(states, coefficients(f000=strong()), SEEN, strategy()) == {}
    assert set(decayed_multipliers(states, coefficients(f000=strong()), DAYS[:150], strategy())) == {"f000"}


def test_nothing_after_the_last_session_changes_what_is_known():
    series = strong()
    other = series.copy()
    other[198:] = -1.0
    plain = decayed_multipliers(monitor(SEEN, f000="decayed"), coefficients(f000=series[:198]), SEEN, strategy())
    later = pl.concat([monitor(SEEN, f000="decayed"), monitor(DAYS[200:], f000="healthy", f001="decayed")])
    assert decayed_multipliers(later, coefficients(f000=other), SEEN, strategy()) == plain
    other[197] = -1.0
    assert decayed_multipliers(later, coefficients(f000=other), SEEN, strategy()) != plain


def test_the_order_of_rows_does_not_matter_to_the_last_bit():
    states, table = monitor(SEEN, f000="decayed"), coefficients(f000=strong())
    plain = decayed_multipliers(states, table, SEEN, strategy())
    for seed in range(3):
        assert (
            decayed_multipliers(
                states.sample(fraction=1, shuffle=True, seed=seed), table.sample(fraction=1, shuffle=True, seed=seed), SEEN, strategy()
            )
            == plain
        )


def space(past: History = PAST, **search: object) -> Space:
    return Space.of(past.names, strategy(search=search).search, multipliers={})


def test_warm_starts_are_configured_equal_ic_and_inverse_variance():
    chosen, judged = strategy(), PAST.objective(strategy())
    ic = PAST.ic(5)
    found = warm_starts(judged, space(), ic, SEEN, chosen, configured={"f000": 3.0, "f002": -1.0, "other": 4.0})
    assert list(found) == ["configured", "equal", "mean_ic", "inverse_variance"]
    assert found["configured"].weights == {"f000": 0.75, "f001": 0.0, "f002": -0.25}
    assert set(found["equal"].weights.values()) == {1 / 3}
    last = SEEN[len(SEEN) - 1 - 1 - 5].item()
    means = [max(ic.filter(pl.col("factor") == name, pl.col("date") <= last)["ic"].mean(), 0.0) for name in PAST.names]
    np.testing.assert_allclose(found["mean_ic"].vector(PAST.names), np.array(means) / sum(means), rtol=1e-12)
    alone = [judged.require(each) for each in [type(found["equal"])({name: 1.0}) for name in PAST.names]]
    inverse = np.array([1 / each.net_return[each.start :].var() for each in alone])
    np.testing.assert_allclose(found["inverse_variance"].vector(PAST.names), inverse / inverse.sum(), rtol=1e-12)


def test_a_start_that_gives_no_factor_of_the_space_a_weight_is_left_out():
    worthless = PAST.ic(5).with_columns(ic=-pl.col("ic").abs())
    found = warm_starts(PAST.objective(strategy()), space(), worthless, SEEN, strategy(), configured={"other": 1.0})
    assert list(found) == ["equal", "inverse_variance"]


def test_a_factor_that_cannot_be_traded_alone_has_no_inverse_variance():
    past = PAST.with_scores(f002=np.full(PAST.market.shape, NAN))
    found = warm_starts(past.objective(strategy()), space(past), past.ic(5), SEEN, strategy(), configured={"f000": 1.0})
    assert found["inverse_variance"].weights["f002"] == 0.0


def test_coefficients_of_what_was_not_over_yet_do_not_weigh():
    ic = PAST.ic(5)
    spoilt = ic.with_columns(ic=pl.when(pl.col("date") > SEEN[193].item()).then(pl.lit(1.0)).otherwise(pl.col("ic")))
    judged = PAST.objective(strategy())
    plain, other = (warm_starts(judged, space(), table, SEEN, strategy(), configured={}) for table in (ic, spoilt))
    assert plain == other


def test_opened_parameters_start_where_the_strategy_has_them():
    chosen = strategy(
        construction={"no_trade_band": 0.002},
        search={"construction": {"no_trade_band": [0.0, 0.01], "top_n.names": [5, 30], "volatility_target": [0.05, 0.2]}},
    )
    opened = Space.of(PAST.names, chosen.search, multipliers={})
    found = warm_starts(PAST.objective(strategy()), opened, PAST.ic(5), SEEN, chosen, configured={"f000": 1.0})
    # No volatility target is chosen: a search starts from the middle.
    assert found["equal"].construction == {"no_trade_band": 0.002, "top_n.names": 20.0}
    assert opened.parameters({}, found["equal"].construction)["construction.volatility_target"] == 0.125


def test_a_history_without_scores_has_no_factor_alive():
    require_factors(PAST.objective(strategy()))
    bare = History(PAST.market, Panel(DAYS, PAST.market.symbols, {}))
    with pytest.raises(InputError, match="no factor alive: factors/scores holds none"):
        require_factors(bare.objective(strategy()))


def test_the_monitor_of_the_tests_is_by_day():
    assert monitor(DAYS[:2], f000="decayed").rows() == [
        (dt.date(2015, 1, 2), "f000", "decayed", 0.4),
        (dt.date(2015, 1, 5), "f000", "decayed", 0.4),
    ]
