"""What the models gain on markets whose truth is known: with interactions, and without.

`python -m mech_exo_tests.quant.learning.gain_market` prints the tables of docs/learning.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant.factors.tables import score_table
from mech_exo_assets.quant.features import dataset_table
from mech_exo_assets.quant.forward_returns import forward_return_table
from mech_exo_assets.quant.learning import gate, judge, learned_score_table
from mech_exo_assets.quant.models.prediction import prediction_table
from mech_exo_assets.quant.models.tables import model_table, stacking_table
from mech_exo_assets.quant.models.training import train
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.prices import total_return_index
from mech_exo_assets.quant.simulator import Interaction, Planted, simulate_planted
from mech_exo_assets.settings import Strategy, load_strategy

NAMES, SESSIONS, SEEDS = 200, 1260, 20
FACTORS = 6
LINEAR_IC, INTERACTION_IC = 0.02, 0.025
INTERACTIONS = (("planted_1", "planted_2"), ("planted_3", "planted_4"), ("planted_5", "planted_6"))


@dataclass(frozen=True)
class Gain:
    """Mean information coefficients out of sample on one market, and whether the gate passed."""

    ensemble: float
    lightgbm: float
    xgboost: float
    ridge: float
    composite: float
    blended: float
    passed: bool

    @property
    def ratio(self) -> float:
        """Of the ensemble to the linear composite."""
        return self.ensemble / self.composite


def chosen() -> Strategy:
    """The default strategy for labels of one session: the market's ICs are with the next one."""
    default = load_strategy()
    learning = default.learning.model_copy(
        update={
            "horizon": 1,
            "train_months": 24,
            "refit_months": 12,
            "features": ("scores", "sector"),
            "tuning": default.learning.tuning.model_copy(update={"trials": 0}),
        }
    )
    return default.model_copy(update={"learning": learning, "horizons": (1,)})


def gain_of(seed: int, *, interactions: bool) -> Gain:
    """One market: six factors that all work, and where wanted the products of three pairs, which work too."""
    strategy = chosen()
    market = simulate_planted(
        [Planted(name=f"planted_{number + 1}", ic=LINEAR_IC) for number in range(FACTORS)],
        names=NAMES,
        sessions=SESSIONS,
        seed=seed,
        interactions=[Interaction(*pair, INTERACTION_IC) for pair in INTERACTIONS] if interactions else (),
    )
    prices = total_return_index(market.prices)
    values = market.features.pivot("feature", index=["date", "symbol"], values="value")
    scores = score_table(values, market.universe, **strategy.scores.model_dump())
    years = (prices["date"].dt.year().min(), prices["date"].dt.year().max())
    dataset = dataset_table(scores, prices, market.universe, strategy, years=years).table
    done = train(dataset.lazy(), strategy)
    predictions = prediction_table(dataset, model_table(done), stacking_table(done), threads=strategy.learning.threads)
    forward = forward_return_table(Panel.from_frame(prices, ["total_return_index"]), horizons=(1,), execution_lag=1, years=years)
    judged = judge(
        predictions,
        learned_score_table(predictions, market.universe, strategy),
        dataset.select("date", "symbol", "label"),
        forward.lazy(),
        scores.lazy(),
        strategy,
    )
    verdict = gate(judged.ic["composite"], judged.ic["blended"], strategy.learning.gate, horizon=1)
    return Gain(**{model: float(np.nanmean(ic)) for model, ic in judged.ic.items()}, passed=verdict.passed)


def gains(*, interactions: bool, seeds: int = SEEDS) -> list[Gain]:
    """One for each seed."""
    return [gain_of(seed, interactions=interactions) for seed in range(seeds)]


def interval(values: np.ndarray, *, resamples: int = 9999) -> tuple[float, float]:
    """95 % interval of the median, by resampling the seeds."""
    drawn = np.random.default_rng(0).choice(values, (resamples, len(values)))
    return tuple(np.quantile(np.median(drawn, axis=1), [0.025, 0.975]))


def print_tables() -> None:
    """The tables of docs/learning.md."""
    for interactions in (True, False):
        found = gains(interactions=interactions)
        table = pl.DataFrame([each.__dict__ for each in found])
        ratios = np.array([each.ratio for each in found])
        low, high = interval(ratios)
        medians = ", ".join(f"{name} {table[name].median():.4f}" for name in table.columns if name != "passed")
        told = f"ensemble / composite {np.median(ratios):.3f} ({low:.3f} to {high:.3f}), gate passed {table['passed'].sum()} of {SEEDS}"
        print(f"{'with' if interactions else 'without'} interactions, medians: {medians}; {told}")  # noqa: T201


if __name__ == "__main__":
    print_tables()
