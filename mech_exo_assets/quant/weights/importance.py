"""Which factors' weights made the difference between the trials of a search.

What belongs here: importances by functional analysis of variance. What does not: their picture.
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.quant.optuna_log import quietly

FEWEST_TRIALS = 20
"""With fewer complete trials a forest tells nothing."""
TREES, DEPTH = 64, 6
"""Of the forest. On 200 trials of 32 factors deeper trees take twice as long and move no share by 0.01; another seed moves one by 0.02."""


def importances(trials: pl.DataFrame, weights: pl.DataFrame, *, seed: int, objective: str = "sharpe") -> dict[str, float]:
    """Share of the variance of an objective over the trials that each factor's weight explains by itself.

    Functional analysis of variance on a random forest (Hutter, Hoos, Leyton-Brown 2014), by Optuna, on the scaled weights, with `TREES`
    trees of a depth up to `DEPTH`.

    Parameters
    ----------
    trials, weights : DataFrame
        In `schemas.TRIALS` and `schemas.TRIAL_WEIGHTS`.
    seed : int
        Of the forest.
    objective : str
        A column of `trials`.

    Returns
    -------
    dict of str to float
        Factor to share, the largest first; they add up to 1. Empty for fewer than `FEWEST_TRIALS` complete trials, and where the
        objective or all weights do not vary.
    """
    import optuna

    complete = trials.filter(pl.col("state") == "complete").select("trial", pl.col(objective).alias("_value"))
    wide = weights.pivot("factor", index="trial", values="weight").join(complete, on="trial").sort("trial")
    varying = [name for name in wide.columns if name not in ("trial", "_value") and wide[name].n_unique() > 1]
    if wide.height < FEWEST_TRIALS or wide["_value"].n_unique() < 2 or not varying:
        return {}
    # Absolute weights of a trial add up to 1, whatever the bounds.
    distributions = {name: optuna.distributions.FloatDistribution(-1.0, 1.0) for name in varying}
    with quietly():
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={name: float(row[name]) for name in varying}, distributions=dict(distributions), value=float(row["_value"])
                )
                for row in wide.iter_rows(named=True)
            ]
        )
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=seed)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
