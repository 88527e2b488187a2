"""The tables of a weight search, made of random numbers and consistent with each other, for tests of its pictures and its page."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import polars as pl

from mech_exo_assets.schemas import TABLES


def search_tables(*, trials: int = 40, factors: int = 6, seed: int = 0, passed: bool = False) -> dict[str, pl.DataFrame]:
    """Tables of the group `weights` by key; the first two trials are warm starts, the last but one breaks a limit, the last failed."""
    rng = np.random.default_rng(seed)
    names = [f"factor_{number:02}" for number in range(factors)]
    weights = rng.dirichlet(np.ones(factors), trials)
    sharpe, depth = 2 * weights[:, 0] + 0.2 * rng.standard_normal(trials), 0.1 + 0.3 * rng.random(trials)
    when = dt.datetime(2020, 3, 7, 14, 0, tzinfo=dt.UTC)
    failed = np.arange(trials) == trials - 1
    feasible = np.arange(trials) < trials - 2
    best, safest = int(np.argmax(np.where(feasible, sharpe, -9))), int(np.argmin(np.where(feasible, depth, 9)))
    on_front = np.isin(np.arange(trials), [best, safest])
    table = pl.DataFrame(
        {
            "trial": np.arange(trials),
            "state": np.where(failed, "failed", "complete"),
            "start": ["configured", "equal"] + [None] * (trials - 2),
            "sharpe": sharpe,
            "max_drawdown": depth,
            "calmar": sharpe / depth / 10,
            "turnover": 0.1,
            "factor_share": weights.max(axis=1),
            "feasible": feasible,
            "on_front": on_front,
            "construction": "{}",
            "why": [None] * (trials - 1) + ["nothing is traded"],
            "completed_at": when,
        }
    ).with_columns(pl.when(pl.col("state") == "complete").then(pl.col(name)) for name in ("sharpe", "max_drawdown", "calmar", "turnover"))
    picked, equal = weights[best], np.full(factors, 1 / factors)
    days = np.busday_offset("2019-09-02", np.arange(120), roll="forward")
    compared = ("optimised", "configured", "equal", "mean_ic")
    returns = {name: rng.normal(0.0004, 0.01, len(days)) for name in compared}
    comparison = [
        {
            "weights": name,
            "first_date": days[0].item(),
            "last_date": days[-1].item(),
            "n_sessions": len(days),
            "sharpe": each.mean() / each.std(ddof=1) * 252**0.5,
            "sharpe_in_search": 0.5,
            "total_return": np.prod(1 + each) - 1,
            "max_drawdown": 0.1,
            "turnover": 0.1,
            "looks": 3,
            **({} if name == "optimised" else {"difference": 0.2, "difference_low": -1.0, "difference_high": 1.4, "p_value": 0.7}),
        }
        for name, each in returns.items()
    ]
    measures = [("deflated_sharpe", 0.97 if passed else 0.31, 0.95, passed), ("pbo", 0.1, 0.5, True), ("effective_trials", 3.2, None, None)]
    own = comparison[0]
    history = {
        "study": "weights/2019-08-01/0123456789abcdef",
        "searched_at": when,
        "searched_from": dt.date(2010, 1, 4),
        "searched_to": dt.date(2019, 8, 1),
        "holdout_from": days[0].item(),
        "decided_on": days[-1].item(),
        "scores_version": 0,
        "prices_version": 0,
        "seed": 7,
        "sampler": "tpe",
        "trials": trials,
        "trials_ever": 3 * trials,
        "share": 0.25,
        "sharpe": 0.8,
        "max_drawdown": 0.12,
        "calmar": 0.6,
        "holdout_sharpe": own["sharpe"],
        "holdout_equal_sharpe": comparison[2]["sharpe"],
        "looks": 3,
        "passed": passed,
        "weights": json.dumps(dict(zip(names, picked, strict=True))),
        "construction": "{}",
        "realised_sessions": 0,
        "realised_sharpe": None,
        "realised_return": None,
    }
    tables = {
        "weights/trials": table,
        "weights/trial_weights": pl.DataFrame(
            {"trial": np.repeat(np.arange(trials), factors), "factor": names * trials, "weight": weights.ravel()}
        ),
        "weights/frontier": table.filter("on_front").with_columns((pl.col("trial") == best).alias("chosen")),
        "weights/shrinkage": pl.DataFrame({"share": [0.0, 0.25, 1.0], "sharpe": [0.2, 0.3, 0.1], "chosen": [False, True, False]}),
        "weights/optimised": pl.DataFrame(
            {
                "factor": names,
                "weight": 0.75 * picked + 0.25 * equal,
                "searched": picked,
                "equal": equal,
                "configured": equal,
                "share_limit": np.full(factors, 0.5),
            }
        ),
        "weights/overfitting": pl.DataFrame(
            [(name, value, threshold, outcome, f"{value} is what {name} is.") for name, value, threshold, outcome in measures],
            schema=TABLES["weights/overfitting"].dtypes(),
            orient="row",
        ),
        "weights/comparison": pl.DataFrame(comparison, schema=TABLES["weights/comparison"].dtypes()),
        "weights/holdout_returns": pl.concat(
            [pl.DataFrame({"date": days, "weights": name, "net_return": each}) for name, each in returns.items()]
        ),
        "weights/history": pl.DataFrame([history], schema=TABLES["weights/history"].dtypes()),
    }
    return {key: frame.select(TABLES[key].names).cast(TABLES[key].dtypes()) for key, frame in tables.items()}
