"""The figures of every factor, horizon and session, against alphalens doing the same; and what `decay.statistics` makes of them.

What belongs here: IC, quintile returns, spread, turnover and rank autocorrelation together, for which the targets are set (`ic` has the IC
alone), and the time of the tests and bootstraps over their history, which nobody else does.
"""

from __future__ import annotations

import statistics as of_list

import numpy as np
import polars as pl

from mech_exo_assets.quant.decay import statistics
from mech_exo_assets.quant.decay.half_life import _curves, _drawn
from mech_exo_assets.quant.hac import _eigenvalues
from mech_exo_assets.quant.ic import information_coefficients
from mech_exo_assets.quant.quintiles import quintile_figures
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.settings import load_strategy
from mech_exo_tests.benchmarks.ic import HORIZONS, LARGE, ask_alphalens, market
from mech_exo_tests.benchmarks.measurement import Measurement, median_seconds

N_FACTORS = 30


def ours(prices: np.ndarray, scores: list[np.ndarray]) -> None:
    returns = [forward_returns(prices, horizon=h, execution_lag=0) for h in HORIZONS]
    information_coefficients(scores, returns)
    for score in scores:
        figures = quintile_figures(score, returns, HORIZONS)
        _ = figures.returns[:, :, -1] - figures.returns[:, :, 0]


def alphalens(prices: np.ndarray, scores: list[np.ndarray]) -> tuple[str, float, float]:
    """Version, and median seconds for one factor: all horizons in one call, and one horizon."""
    answer = ask_alphalens("alphalens_statistics", prices, scores)
    return answer["version"], of_list.median(answer["all_horizons"]), of_list.median(answer["one_horizon"])


def tables(n_sessions: int, lags: tuple[int, ...]) -> dict[str, pl.DataFrame]:
    """What `statistics` reads, of factors whose IC is 0.02 and is used up over 20 sessions, with noise as of 400 names."""
    rng = np.random.default_rng(0)
    dates = np.busday_offset(np.datetime64("2010-01-04"), np.arange(n_sessions)).astype("datetime64[D]")
    keys = pl.DataFrame({"date": pl.Series(dates).cast(pl.Date)}).join(
        pl.DataFrame({"factor": [f"f{k:02d}" for k in range(N_FACTORS)]}), how="cross"
    )
    by_horizon = keys.join(pl.DataFrame({"horizon": pl.Series(HORIZONS, dtype=pl.Int32)}), how="cross")
    by_lag = keys.join(pl.DataFrame({"lag": pl.Series(lags, dtype=pl.Int32)}), how="cross")

    def noise(rows: int) -> pl.Series:
        return pl.Series(0.05 * rng.standard_normal(rows))

    quintiles = by_horizon.with_columns(
        *(noise(by_horizon.height).alias(f"quintile_{k}") for k in range(1, 6)),
        turnover=pl.Series(rng.random(by_horizon.height)),
        rank_autocorrelation=pl.Series(rng.random(by_horizon.height)),
    )
    return {
        "ic": by_horizon.with_columns(ic=0.02 + noise(by_horizon.height)),
        "residual_ic": by_horizon.with_columns(ic=0.02 + noise(by_horizon.height)),
        "lagged_ic": by_lag.with_columns(ic=0.02 * 0.5 ** (pl.col("lag") / 20) + noise(by_lag.height)),
        "quintile_returns": quintiles.with_columns(spread=pl.col("quintile_5") - pl.col("quintile_1")),
    }


def seconds_of_statistics(n_sessions: int, *, rounds: int) -> dict[str, float]:
    """With empty caches of eigenvalues, draws and curves, as in a new process (but compiled and imported), and with full ones."""
    chosen = load_strategy().decay
    given = tables(n_sessions, chosen.lags)

    def work() -> None:
        table = statistics(**given, cost_bps=5.0, resamples=chosen.resamples, seed=0)
        assert table.height == N_FACTORS * len(HORIZONS)

    def afresh() -> None:
        for cached in (_curves, _drawn, _eigenvalues):
            cached.cache_clear()
        work()

    return {"empty caches": median_seconds(afresh, rounds=rounds), "full caches": median_seconds(work, rounds=rounds)}


def measure(n_sessions: int, n_symbols: int, *, rounds: int) -> list[Measurement]:
    """Two rows against alphalens, whose clean-up serves all horizons of a call, and two of our own."""
    size, large = f"{n_sessions} x {n_symbols}", n_sessions * n_symbols >= LARGE
    n_measured = 1 if large else 2
    prices, scores = market(n_sessions, n_symbols, n_factors=N_FACTORS)
    version, all_horizons, one_horizon = alphalens(prices, scores[:n_measured])
    seconds, n_pairs = median_seconds(lambda: ours(prices, scores), rounds=rounds), N_FACTORS * len(HORIZONS)
    work = f"forward returns, IC, quintile returns, spread, turnover, rank autocorrelation: {N_FACTORS} factors x {len(HORIZONS)} horizons"
    scaled = {
        f"one factor with all horizons in one call, times {N_FACTORS}": N_FACTORS * all_horizons,
        f"one factor with one horizon, times {n_pairs}": n_pairs * one_horizon,
    }
    return [
        *(
            Measurement(
                work=f"{work} (peer: {how}; median of {n_measured})",
                size=size,
                peer=f"alphalens {version}",
                ours=seconds,
                theirs=peer_seconds,
                target=100.0 if large else 200.0,
            )
            for how, peer_seconds in scaled.items()
        ),
        *(
            Measurement(
                work=f"decay.statistics of {n_pairs} rows: HAC tests, half-lives, {load_strategy().decay.resamples} resamples, {which}",
                size=f"{n_sessions} sessions",
                peer=None,
                ours=own,
            )
            for which, own in seconds_of_statistics(n_sessions, rounds=rounds).items()
        ),
    ]
