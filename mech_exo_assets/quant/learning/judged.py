"""Models, composite and blend on the same sessions and names, and how well each ranked what followed.

What belongs here: bringing all that is compared onto one pair of axes, and its information coefficients, computed once. What does not:
what they say (`comparison`, `gate`, `blend`).

The same rows. A name counts in a session where every model has a prediction for it, and composite and label are known. A session counts
where enough names do (`ic.min_names`) and their labels differ. A model that says the same of all names there has said nothing, and its
information coefficient is 0: were the session left out for it, it would be judged on other sessions than the rest.

What enters when. The row of a session holds its label, which is known only execution lag and horizon later. Who looks back from a session
has to leave out those rows (`blend` does); nothing here mixes two sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.composite import blended_score, composite_score, weights_without_learned
from mech_exo_assets.quant.ic import information_coefficients
from mech_exo_assets.quant.learning.scores import ML_ALPHA
from mech_exo_assets.quant.models.fitted import ENSEMBLE, KINDS
from mech_exo_assets.quant.panel import Dates, Matrix, Panel, Vector, unique_dates, unique_symbols
from mech_exo_assets.quant.years import of_years
from mech_exo_assets.schemas import factor_columns
from mech_exo_assets.settings import Strategy

COMPOSITE, BLENDED = "composite", "blended"
ORDER = (*KINDS, ENSEMBLE, COMPOSITE, BLENDED)
"""In which rows and lines stand."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What is compared, on common axes: all sessions from the first prediction on.

    Attributes
    ----------
    sessions : ndarray of shape (n_sessions,), datetime64[D]
    scores : mapping of str to ndarray of shape (n_sessions, n_symbols)
        By model, in the order of `ORDER`; NaN outside of the common rows.
    labels, returns : ndarray of shape (n_sessions, n_symbols)
        Label that was learned, and plain forward return over the same horizon; NaN outside of the common rows.
    ic : mapping of str to ndarray of shape (n_sessions,)
        Rank correlation of each model's score with the label; NaN exactly where a session is not judged, for all models alike.
    names : ndarray of shape (n_sessions,), int64
        Common rows of each session.
    """

    sessions: Dates
    scores: Mapping[str, Matrix]
    labels: Matrix
    returns: Matrix
    ic: Mapping[str, Vector]
    names: NDArray[np.int64]

    @property
    def gain(self) -> Vector:
        """Information coefficient of the composite with `ml_alpha` at gate.weight, less that of the composite without."""
        return self.ic[BLENDED] - self.ic[COMPOSITE]

    def ic_table(self) -> pl.DataFrame:
        """Columns date, model, ic: a row for each model and judged session, ordered by model (as in `ORDER`) and date."""
        judged = np.flatnonzero(~np.isnan(self.ic[COMPOSITE]))
        dates = pl.Series("date", self.sessions[judged].astype("datetime64[D]")).cast(pl.Date)
        tables = [
            pl.DataFrame([dates, pl.repeat(model, len(judged), dtype=pl.String, eager=True).alias("model"), pl.Series("ic", ic[judged])])
            for model, ic in self.ic.items()
        ]
        return pl.concat(tables)


def judge(
    predictions: pl.DataFrame,
    learned: pl.DataFrame,
    labels: pl.DataFrame,
    forward_returns: pl.LazyFrame,
    scores: pl.LazyFrame,
    strategy: Strategy,
) -> Judged:
    """Bring what is compared onto one pair of axes, and rank it against the labels.

    Parameters
    ----------
    predictions : DataFrame
        `schemas.PREDICTIONS`, out of sample only. Where it is empty, so are the axes, and no table made from them has a row.
    learned : DataFrame
        `schemas.LEARNED_SCORES`: what `blended` has in it, since it is what the composite would have.
    labels : DataFrame
        date, symbol, label; null where it is not known yet.
    forward_returns : LazyFrame
        `schemas.FORWARD_RETURNS`; those over the learned horizon are taken.
    scores : LazyFrame
        `schemas.SCORES`, read a year at a time; a column `ml_alpha` in it is left out of the composite.
    strategy : Strategy
        `composite`, `learning`, `ic` and `horizons` are used.

    Raises
    ------
    ValueError
        If there are predictions and none of the ensemble.
    InputError
        If composite.weights names a factor that is not there.
    """
    by_model = {str(model): part for (model,), part in predictions.partition_by("model", as_dict=True).items()}
    models = [model for model in ORDER if model in by_model]
    if models and ENSEMBLE not in models:
        raise ValueError(f"there are predictions of {', '.join(models)}, and none of the ensemble")
    first = predictions["date"].min()
    since = pl.lit(False) if first is None else pl.col("date") >= first
    dates = [table.lazy().filter(since).select("date").unique().collect()["date"] for table in (predictions, labels, scores)]
    sessions, symbols = unique_dates(pl.concat(dates)), unique_symbols(predictions["symbol"])

    def dense(table: pl.DataFrame, column: str) -> Matrix:
        return Panel.from_frame(table, [column], sessions=sessions, symbols=symbols).observed(column)

    composite, blended = _composites(scores, learned, sessions, symbols, strategy)
    matrices = {model: dense(by_model.pop(model), "value") for model in models} | {COMPOSITE: composite, BLENDED: blended}
    followed = forward_returns.filter(pl.col("horizon") == strategy.learning_horizon).collect()
    known, returns = dense(labels, "label"), dense(followed, "value")
    common = ~np.isnan(known)
    for matrix in matrices.values():
        common &= ~np.isnan(matrix)
    absent = ~common
    for matrix in (*matrices.values(), known, returns):
        matrix[absent] = np.nan
    names = common.sum(axis=1)
    return Judged(sessions, matrices, known, returns, _coefficients(matrices, known, names, strategy.ic.min_names), names)


def _composites(
    scores: pl.LazyFrame, learned: pl.DataFrame, sessions: Dates, symbols: NDArray[np.str_], strategy: Strategy
) -> tuple[Matrix, Matrix]:
    """The composite without `ml_alpha`, and with it at gate.weight; standardised over all names of a session, and not just `symbols`.

    Year by year, which is the same to the last bit, and needs a panel of all factors over one year only.
    """
    factors = [name for name in factor_columns(scores.collect_schema().names()) if name != ML_ALPHA]
    weights = weights_without_learned(strategy.composite.weights, factors)
    everybody = np.union1d(unique_symbols(scores.select(pl.col("symbol").unique()).collect()["symbol"]), symbols)
    composite = np.full((len(sessions), len(everybody)), np.nan)
    year_of = sessions.astype("datetime64[Y]").astype(int) + 1970
    for year in np.unique(year_of).tolist():
        rows = np.flatnonzero(year_of == year)
        of_year = of_years(scores.select("date", "symbol", *weights), year, year)
        panel = Panel.from_frame(of_year, weights, sessions=sessions[rows], symbols=everybody)
        composite[rows] = composite_score(panel, weights, min_coverage=strategy.composite.min_coverage)
    blended = composite
    if ML_ALPHA in learned.columns:
        alpha = Panel.from_frame(learned, [ML_ALPHA], sessions=sessions, symbols=everybody).observed(ML_ALPHA)
        blended = blended_score(composite, alpha, np.full(len(sessions), strategy.learning.gate.weight))
    among = np.searchsorted(everybody, symbols)
    return composite[:, among], blended[:, among]


def _coefficients(matrices: Mapping[str, Matrix], labels: Matrix, names: NDArray[np.int64], min_names: int) -> dict[str, Vector]:
    ic, _ = information_coefficients(list(matrices.values()), [labels], min_names=min_names)
    judged = names >= min_names
    known = labels[judged]
    judged[judged] = np.nanmax(known, axis=1, initial=-np.inf) > np.nanmin(known, axis=1, initial=np.inf)
    return {model: np.where(judged, np.nan_to_num(ic[k, 0]), np.nan) for k, model in enumerate(matrices)}
