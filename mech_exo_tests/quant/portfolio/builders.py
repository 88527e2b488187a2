"""Constructions, panels of scores and markets for the tests of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio import target_table, target_weights
from mech_exo_assets.schemas import TARGETS
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.settings.portfolio import Construction

NAN = np.nan


def construct(**choices: Any) -> Construction:
    """The default construction with some keys changed; of a nested section, just the keys that are given."""
    default = load_strategy().construction.model_dump()
    merged = {key: {**default[key], **value} if isinstance(default[key], dict) else value for key, value in choices.items()}
    return Construction.model_validate({**default, **merged})


def matrix(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=float)


def symbols(count: int) -> np.ndarray:
    return np.array([f"S{number:02}" for number in range(count)])


def score_panel(scores: np.ndarray, start: str = "2020-01-02") -> Panel:
    """Scores on consecutive sessions of New York."""
    days = sessions(np.datetime64(start), np.datetime64(start) + 2 * len(scores) + 10)[: len(scores)]
    return Panel(days, symbols(scores.shape[1]), {"score": scores})


def random_scores(days: np.ndarray, count: int, *, seed: int = 0, missing: float = 0.03) -> Panel:
    """Slow scores, standardised over each session, with gaps; a session without any."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(len(days), count))
    values = np.array(steps)
    for t in range(1, len(days)):
        values[t] = 0.97 * values[t - 1] + 0.25 * steps[t]
    values[rng.random(values.shape) < missing] = NAN
    values = (values - np.nanmean(values, axis=1, keepdims=True)) / np.nanstd(values, axis=1, keepdims=True)
    values[len(days) // 3] = NAN
    return Panel(days, symbols(count), {"score": values})


def random_market(days: np.ndarray, count: int, *, seed: int = 1, missing: float = 0.02) -> Panel:
    """Prices with a common move, gaps, a late listing, a delisting, a stale name, a split, and no ranges in the first third."""
    rng = np.random.default_rng(seed)
    shape = (len(days), count)
    volatility = rng.uniform(0.005, 0.03, count)
    moves = rng.normal(size=shape) * volatility + rng.normal(size=(len(days), 1)) * 0.01 * rng.uniform(0.5, 1.5, count)
    moves[:, 2] = 0.0
    index = np.exp(np.cumsum(moves, axis=0))
    close = index * rng.uniform(10, 100, count)
    close[len(days) // 2 :, 3] /= 2.0
    high = close * np.exp(np.abs(rng.normal(size=shape)) * 0.005)
    low = close * np.exp(-np.abs(rng.normal(size=shape)) * 0.005)
    gone = rng.random(shape) < missing
    gone[: 2 * len(days) // 3, 0] = True
    gone[5 * len(days) // 6 :, 1] = True
    fields = {"total_return_index": index, "close": close, "high": high, "low": low}
    for values in fields.values():
        values[gone] = NAN
    high[: len(days) // 3], low[: len(days) // 3] = NAN, NAN
    return Panel(days, symbols(count), fields)


def still_market(panel: Panel) -> Panel:
    """The market of a test whose construction needs none."""
    return Panel(panel.sessions, panel.symbols, {"total_return_index": np.ones(panel.shape)})


def sectors_of(panel: Panel, count: int) -> dict[str, str]:
    """`count` sectors in turn; the last name has none."""
    return {symbol: f"sector {number % count}" for number, symbol in enumerate(panel.symbols.tolist()[:-1])}


def weights_of(scores: Panel, market: Panel | None = None, **given: Any) -> np.ndarray:
    return _built(target_weights, scores, market, **given)


def table_of(scores: Panel, market: Panel | None = None, **given: Any) -> pl.DataFrame:
    return _built(target_table, scores, market, **given)


def _built(build: Any, scores: Panel, market: Panel | None, *, sectors: dict[str, str] | None = None, previous=None, **choices: Any) -> Any:
    return build(
        scores,
        market or still_market(scores),
        construct(**choices),
        sectors=sectors or {},
        calendar="XNYS",
        previous=TARGETS.empty() if previous is None else previous,
    )
