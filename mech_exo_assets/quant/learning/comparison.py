"""Models, the composite and the blend side by side, on the same sessions and names.

What belongs here: the table `learning/comparison`. What does not: the common rows and their information coefficients (`judged`), and what
follows from them (`gate`, `blend`).

Diebold and Mariano's test is made twice. Of every model against the composite with the loss −IC: a score has an order and no size, and
what it loses is its rank correlation. Of the models that forecast the label itself, against ridge, with the mean squared error of a
session: whether trees forecast better than a line. Sessions are the observations, since names of one session are not independent.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant.decay.statistics import least_sessions, mean_and_test
from mech_exo_assets.quant.learning.inference import diebold_mariano, mean_intervals
from mech_exo_assets.quant.learning.judged import COMPOSITE, Judged
from mech_exo_assets.quant.models.fitted import KINDS, RIDGE
from mech_exo_assets.quant.panel import Index, Matrix, Vector
from mech_exo_assets.quant.quintiles import quintile_figures
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.schemas import MODEL_COMPARISON
from mech_exo_assets.settings import Strategy


def comparison_table(judged: Judged, folds: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    """What each model, the composite and the blend were worth in each test and over all of them, as a table in `schemas.MODEL_COMPARISON`.

    ic, icir, t_hac as decay/statistics has them; the intervals by `inference.mean_intervals`. r2 = 1 − Σ(y − ŷ)²/Σy² over all rows (Gu,
    Kelly and Xiu 2020). spread is the mean of best less worst quintile of plain forward returns, times 252 / horizon; net_spread takes
    4 · turnover · cost off before, with the turnover over a horizon: a share of each of two quintiles is exchanged, by a sale and a
    purchase each.

    Parameters
    ----------
    judged : Judged
    folds : DataFrame
        fold, test_from and test_to of each training, as in `schemas.MODELS`; rows may repeat, and further columns stand beside them. A
        test_to of null is open.
    strategy : Strategy
        `learning_horizon`, `learning.objective`, `costs` and `seed` are used.

    Returns
    -------
    DataFrame
        Ordered by fold (0 is the total) and model (as in `judged.ORDER`); a fold without a judged session has no row. t, intervals and p
        are null where there are too few sessions for the horizon: t below max(20, 2·h), an interval below ten blocks.
    """
    rows = np.flatnonzero(~np.isnan(judged.ic[COMPOSITE])).astype(np.int64)
    if not len(rows):
        return MODEL_COMPARISON.empty()
    by_session = {model: _by_session(judged, model, strategy) for model in judged.scores}
    tables = [_rows(judged, by_session, 0, rows, strategy)]
    dates = judged.sessions[rows]
    for fold, first, last in folds.select("fold", "test_from", "test_to").unique().sort("fold").iter_rows():
        inside = (dates >= np.datetime64(first)) & ((dates <= np.datetime64(last)) if last is not None else True)
        if inside.any():
            tables.append(_rows(judged, by_session, fold, rows[inside], strategy))
    return pl.concat(tables)


def _by_session(judged: Judged, model: str, strategy: Strategy) -> dict[str, Vector]:
    """Spread, turnover and, of a forecast, its sum of squared errors; NaN where there is none."""
    figures = quintile_figures(judged.scores[model], [judged.returns], [strategy.learning_horizon])
    found = {"spread": figures.returns[0, :, -1] - figures.returns[0, :, 0], "turnover": figures.turnover[0]}
    # A score has an order and no size.
    if model in KINDS and strategy.learning.objective == "regression":
        found["squared_error"] = _row_squares(judged.labels - judged.scores[model])
        found["squared_label"] = _row_squares(judged.labels)
    return found


def _row_squares(matrix: Matrix) -> Vector:
    known = np.nan_to_num(matrix)
    return np.einsum("ij,ij->i", known, known)


def _rows(judged: Judged, by_session: dict[str, dict[str, Vector]], fold: int, at: Index, strategy: Strategy) -> pl.DataFrame:
    horizon = strategy.learning_horizon
    models = list(judged.scores)
    ic = np.array([judged.ic[model][at] for model in models])
    difference = ic - ic[models.index(COMPOSITE)]
    intervals = mean_intervals(np.concatenate([ic, difference]), horizon=horizon, seed=strategy.seed)
    names = judged.names[at]
    common = {
        "fold": fold,
        "first_date": judged.sessions[at[0]].astype(object),
        "last_date": judged.sessions[at[-1]].astype(object),
        "n_sessions": len(at),
        "n_rows": int(names.sum()),
    }
    cost = (strategy.costs.commission_bps + strategy.costs.half_spread_bps) / 10_000
    ridge = by_session.get(RIDGE, {}).get("squared_error")
    rows: list[dict[str, Any]] = []
    for k, model in enumerate(models):
        found = {name: values[at] for name, values in by_session[model].items()}
        mean, t, _ = mean_and_test(ic[k], horizon)
        deviation = float(ic[k].std(ddof=1)) if len(at) > 1 and np.ptp(ic[k]) > 0 else math.nan
        rows.append(
            {"model": model, **common, "ic": mean, "icir": _known(mean / deviation), "t_hac": t}
            | _interval("ic", intervals[k])
            | _spread(found, horizon, cost)
            | _against_composite(model, ic[k], ic[models.index(COMPOSITE)], intervals[len(models) + k], horizon)
            | _of_forecast(found, None if ridge is None or model == RIDGE else ridge[at], names, horizon)
        )
    return pl.DataFrame(rows, schema=MODEL_COMPARISON.dtypes())


def _spread(found: dict[str, Vector], horizon: int, cost: float) -> dict[str, float | None]:
    spread, turnover = (_mean(found[name]) for name in ("spread", "turnover"))
    a_year = SESSIONS_PER_YEAR / horizon
    return {
        "spread": None if spread is None else a_year * spread,
        "net_spread": None if spread is None or turnover is None else a_year * (spread - 4 * turnover * cost),
        "turnover": turnover,
    }


def _against_composite(model: str, ic: Vector, composite: Vector, interval: tuple[float, float], horizon: int) -> dict[str, float | None]:
    if model == COMPOSITE:
        return dict.fromkeys(("ic_difference", "difference_low", "difference_high", "dm_t", "dm_p"))
    t, p = _diebold_mariano(-ic, -composite, horizon)
    return {"ic_difference": float((ic - composite).mean()), **_interval("difference", interval), "dm_t": t, "dm_p": p}


def _of_forecast(found: dict[str, Vector], ridge: Vector | None, names: Index, horizon: int) -> dict[str, float | None]:
    if "squared_error" not in found:
        return dict.fromkeys(("r2", "squared_error_t", "squared_error_p"))
    r2 = 1.0 - float(found["squared_error"].sum()) / float(found["squared_label"].sum())
    t, p = (None, None) if ridge is None else _diebold_mariano(found["squared_error"] / names, ridge / names, horizon)
    return {"r2": r2, "squared_error_t": t, "squared_error_p": p}


def _diebold_mariano(losses: Vector, other: Vector, horizon: int) -> tuple[float | None, float | None]:
    if len(losses) < least_sessions(horizon):
        return None, None
    test = diebold_mariano(losses, other, horizon=horizon)
    return _known(test.t), _known(test.p_value)


def _interval(name: str, ends: tuple[float, float]) -> dict[str, float | None]:
    return {f"{name}_low": _known(ends[0]), f"{name}_high": _known(ends[1])}


def _mean(values: Vector) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
