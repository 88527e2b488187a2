"""Rolling factors against wide pandas code for the same definitions, written as a quant would who knows pandas well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mech_exo_assets.quant.factors import compute, registry
from mech_exo_assets.quant.panel import Panel
from mech_exo_tests.benchmarks.measurement import Measurement, median_seconds
from mech_exo_tests.quant.factors.panels import random_panel

TARGET = 8.0
FIELDS = ("open", "high", "low", "close", "volume", "dividend_amount", "total_return_index")


class Frames:
    """What pandas code shares between factors: wide frames, returns, the market, log dollar volume; each made once."""

    def __init__(self, panel: Panel) -> None:
        frame = {name: pd.DataFrame(panel[name]) for name in FIELDS}
        self.index, self.close, self.high, self.low = (frame[name] for name in ("total_return_index", "close", "high", "low"))
        self.open, self.dividend = frame["open"], frame["dividend_amount"]
        self.carried = self.index.ffill(limit=5)
        self.returns = self.index / self.index.shift(1) - 1.0
        self.dollar_volume = (self.close * frame["volume"]).where(lambda product: product > 0)
        self.log_volume = np.log(self.dollar_volume)

    def change(self, since: int, until: int = 0) -> pd.DataFrame:
        return self.carried.shift(until) / self.carried.shift(since) - 1.0


def rolling(frame: pd.DataFrame, sessions: int) -> pd.api.typing.Rolling:
    return frame.rolling(sessions, min_periods=int(np.ceil(0.8 * sessions)))


PANDAS: dict[str, Callable[[Frames], pd.DataFrame]] = {
    "momentum_12_1": lambda f: f.change(252, 21),
    "momentum_6_1": lambda f: f.change(126, 21),
    "momentum_3_1": lambda f: f.change(63, 21),
    "short_term_reversal": lambda f: f.change(21),
    "weekly_reversal": lambda f: f.change(5),
    "long_term_reversal": lambda f: f.change(756, 252),
    "annual_seasonality": lambda f: f.change(252, 231),
    "volatility_21": lambda f: rolling(f.returns, 21).std(),
    "volatility_63": lambda f: rolling(f.returns, 63).std(),
    "volatility_252": lambda f: rolling(f.returns, 252).std(),
    "skewness": lambda f: rolling(f.returns, 252).skew(),
    "maximum_return": lambda f: rolling(f.returns, 21).max(),
    "high_52_week": lambda f: f.index / rolling(f.index, 252).max(),
    "price_to_average_50": lambda f: f.index / rolling(f.index, 50).mean() - 1.0,
    "average_50_to_200": lambda f: rolling(f.index, 50).mean() / rolling(f.index, 200).mean() - 1.0,
    "relative_strength_index": lambda f: 100.0 * rolling(f.returns.clip(lower=0.0), 14).mean() / rolling(f.returns.abs(), 14).mean(),
    "downside_volatility": lambda f: np.sqrt(rolling(f.returns.clip(upper=0.0) ** 2, 252).mean()),
    "parkinson_volatility": lambda f: np.sqrt(rolling(np.log(f.high / f.low) ** 2, 63).mean() / (4.0 * np.log(2.0))),
    "amihud": lambda f: np.log(rolling(f.returns.abs() / f.dollar_volume, 252).mean()),
    "dollar_volume": lambda f: rolling(f.log_volume, 63).mean(),
    "volume_trend": lambda f: rolling(f.log_volume, 21).mean() - rolling(f.log_volume, 252).mean(),
    "volume_volatility": lambda f: rolling(f.log_volume, 252).std(),
    "intraday_return": lambda f: rolling(f.close / f.open - 1.0, 21).mean(),
    "dividend_yield": lambda f: 252.0 * rolling(f.dividend.fillna(0.0) / f.close, 252).mean(),
}


def with_pandas(panel: Panel) -> dict[str, np.ndarray]:
    frames = Frames(panel)
    priced = frames.index.notna()
    return {name: one(frames).where(priced).to_numpy() for name, one in PANDAS.items()}


def assert_equal(panel: Panel) -> None:
    """The same figures from both, to 1e-8."""
    ours, theirs = compute(panel, [registry()[name] for name in PANDAS]), with_pandas(panel)
    for name, expected in theirs.items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-8, atol=1e-8, err_msg=name)


def measure(n_sessions: int, n_symbols: int, *, rounds: int) -> list[Measurement]:
    """Time of the factors that pandas can express with its rolling methods, from a raw panel with 2 % missing; equality first."""
    panel = random_panel(n_sessions, n_symbols, missing=0.02)
    panel = Panel(panel.sessions, panel.symbols, {name: panel[name] for name in FIELDS})
    factors = [registry()[name] for name in PANDAS]
    assert_equal(panel)
    peer_seconds = median_seconds(lambda: with_pandas(panel), rounds=rounds)
    reused = {one.name: np.ones(panel.shape) for one in factors}
    ours = {
        "into fresh memory": median_seconds(lambda: compute(panel, factors), rounds=rounds),
        "into memory that is used again": median_seconds(lambda: compute(panel, factors, out=reused), rounds=rounds),
    }
    return [
        Measurement(
            work=f"{len(PANDAS)} rolling factors, {where}",
            size=f"{n_sessions} x {n_symbols}",
            peer=f"pandas {pd.__version__}",
            ours=seconds,
            theirs=peer_seconds,
            target=TARGET,
        )
        for where, seconds in ours.items()
    ]
