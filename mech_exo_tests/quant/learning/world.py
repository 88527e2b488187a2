"""A small world of labels, factor scores and predictions, and a strategy that judges it: for tests of `quant.learning`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant.learning import ML_ALPHA, Judged, judge, learned_score_table
from mech_exo_assets.settings import Strategy, load_strategy

HORIZON, LAG = 5, 1
MODELS = ("lightgbm", "xgboost", "ridge", "ensemble")


def strategy(*, gate: dict[str, Any] | None = None, blend: dict[str, Any] | None = None, **changes: Any) -> Strategy:
    """The default strategy with a horizon of five sessions and a gate and blend that short histories can pass."""
    plain = load_strategy().model_dump()
    plain["horizons"] = [1, HORIZON]
    plain["learning"]["gate"] |= {"sessions": 126} | (gate or {})
    plain["learning"]["blend"] |= {"sessions": 63} | (blend or {})
    plain["learning"] |= changes.pop("learning", {})
    return Strategy.model_validate(plain | changes)


@dataclass(frozen=True)
class World:
    """Tables as the lake has them."""

    predictions: pl.DataFrame
    labels: pl.DataFrame
    forward_returns: pl.DataFrame
    scores: pl.DataFrame
    universe: pl.DataFrame

    def learned(self, chosen: Strategy) -> pl.DataFrame:
        return learned_score_table(self.predictions, self.universe, chosen)

    def judge(self, chosen: Strategy) -> Judged:
        return judge(self.predictions, self.learned(chosen), self.labels, self.forward_returns.lazy(), self.scores.lazy(), chosen)

    def shuffled(self, seed: int) -> World:
        return World(*(table.sample(fraction=1, shuffle=True, seed=seed) for table in vars(self).values()))

    def renamed(self, names: dict[str, str]) -> World:
        return World(*(table.with_columns(pl.col("symbol").replace(names)) for table in vars(self).values()))

    def changed_after(self, date: np.datetime64, seed: int) -> World:
        """Other predictions, scores and returns after the session, and other labels of all sessions that were not known by then."""
        rng = np.random.default_rng(seed)

        def redrawn(table: pl.DataFrame, since: Any, columns: list[str]) -> pl.DataFrame:
            after = pl.col("date") > since
            noise = {name: rng.standard_normal(table.height) for name in columns}
            return table.with_columns(
                pl.when(after & pl.col(name).is_not_null()).then(pl.Series(name, values)).otherwise(pl.col(name)).cast(table[name].dtype)
                for name, values in noise.items()
            )

        axis = self.labels["date"].unique().sort()
        at = int(axis.search_sorted(date.astype(object)))
        known = axis[max(at - LAG - HORIZON, 0)]
        now = date.astype(object)
        factors = [name for name in self.scores.columns if name not in ("date", "symbol")]
        return replace(
            self,
            predictions=redrawn(self.predictions, now, ["value"]),
            labels=redrawn(self.labels, known, ["label"]),
            forward_returns=redrawn(self.forward_returns, known, ["value"]),
            scores=redrawn(self.scores, now, factors),
        )

    def until(self, date: np.datetime64) -> World:
        """What was there on that session: later rows are not, and labels that reach beyond it are null."""
        axis = self.labels["date"].unique().sort()
        now = date.astype(object)
        known = axis[int(axis.search_sorted(now)) - LAG - HORIZON]
        there = pl.col("date") <= now
        labels = self.labels.filter(there).with_columns(pl.when(pl.col("date") <= known).then("label"))
        return replace(
            self,
            predictions=self.predictions.filter(there),
            labels=labels,
            forward_returns=self.forward_returns.filter(pl.col("date") <= known),
            scores=self.scores.filter(there),
        )


def world(
    *,
    sessions: int = 500,
    names: int = 30,
    first_prediction: int = 60,
    skill: float = 0.1,
    composite_skill: float = 0.05,
    missing: float = 0.0,
    seed: int = 0,
) -> World:
    """Labels over overlapping sessions; two factors and four models, each the label times its skill and noise."""
    rng = np.random.default_rng(seed)
    dates = np.busday_offset("2010-01-04", np.arange(sessions), roll="forward").astype("datetime64[D]")
    symbols = np.array([f"S{number:03}" for number in range(names)])
    steps = np.cumsum(rng.standard_normal((sessions + HORIZON + LAG, names)), axis=0)
    label = (steps[LAG + HORIZON :] - steps[LAG:-HORIZON]) / np.sqrt(HORIZON)
    guessed = label.copy()
    label[sessions - HORIZON - LAG :] = np.nan
    base = pl.DataFrame({"date": pl.Series(np.repeat(dates, names)).cast(pl.Date), "symbol": np.tile(symbols, sessions)})

    def seen(share: float) -> pl.Series:
        values = share * guessed + rng.standard_normal(guessed.shape)
        values[rng.random(values.shape) < missing] = np.nan
        return pl.Series(values.ravel(), nan_to_null=True)

    labels = base.with_columns(label=pl.Series(label.ravel().astype(np.float32), nan_to_null=True))
    returns = base.with_columns(horizon=pl.lit(HORIZON, pl.Int32), value=pl.Series(0.03 * label.ravel() + 0.002, nan_to_null=True))
    other = returns.with_columns(horizon=pl.lit(1, pl.Int32), value=-pl.col("value"))
    predictions = [
        base[first_prediction * names :].with_columns(model=pl.lit(model), value=seen(skill)[first_prediction * names :])
        for model in MODELS
    ]
    return World(
        pl.concat(predictions).drop_nulls(),
        labels,
        pl.concat([returns, other]).drop_nulls(),
        base.with_columns(a=seen(composite_skill), b=seen(composite_skill)),
        pl.DataFrame({"symbol": symbols, "sector": [f"sector {number % 3}" for number in range(names)]}),
    )


def folds(found: World, *, every: int = 150) -> pl.DataFrame:
    """A training every so many sessions from the first prediction on, for two models; the last is open."""
    dates = found.predictions["date"].unique().sort()
    starts = list(range(0, len(dates), every))
    rows = [
        (model, number, dates[start], dates[start + every - 1] if start + every < len(dates) else None)
        for model in ("lightgbm", "ridge")
        for number, start in enumerate(starts, 1)
    ]
    return pl.DataFrame(rows, schema={"model": pl.String, "fold": pl.Int32, "test_from": pl.Date, "test_to": pl.Date}, orient="row")


def nothing(found: World) -> World:
    """The same world before the first prediction."""
    return replace(found, predictions=found.predictions.clear())


__all__ = ["HORIZON", "LAG", "ML_ALPHA", "MODELS", "World", "folds", "nothing", "strategy", "world"]
