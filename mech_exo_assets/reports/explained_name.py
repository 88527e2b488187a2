"""Why a name is ranked where it is on a session: what the stored models say of it, read from the lake.

What belongs here: reading one session and explaining one name. What does not: contributions (`quant.explain`), and how they are shown.
"""

from __future__ import annotations

import datetime as dt
import difflib
from typing import TYPE_CHECKING, Any

import polars as pl

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.schemas import DATASET, MODELS, PREDICTIONS, STACKING, TRAININGS
from mech_exo_assets.storage.lake import Lake

if TYPE_CHECKING:
    from mech_exo_assets.quant.explain import NameExplained, SessionExplained

NEEDED = (PREDICTIONS, MODELS, STACKING, DATASET)
"""Tables without which nothing can be explained."""


def explained_name(lake: Lake, symbol: str, day: dt.date, *, model: str | None = None, top: int = 10) -> dict[str, Any]:
    """Rank, score and contributions of one name on one session, of each model that has a weight in the ensemble, or of one.

    Parameters
    ----------
    lake : Lake
        With all of `NEEDED`.
    symbol : str
        As the source calls it; capitals do not matter where that leaves one.
    day : date
        A session that is predicted.
    model : str, optional
        lightgbm, xgboost or ridge.
    top : int
        Features that are told each for itself; the rest is summed.

    Raises
    ------
    InputError
        If the name is not among those that are predicted.
    MechExoError
        If the tables are not of one run.
    """
    from mech_exo_assets.quant.explain import explain_session, in_use, loaded
    from mech_exo_assets.quant.models.ensemble import weights_of

    predictions = lake.scan(PREDICTIONS.key, years=[day.year]).filter(pl.col("date") == day).collect()
    rows = lake.scan(DATASET.key, years=[day.year]).filter(pl.col("date") == day).collect()
    session = rows.join(predictions.select("symbol").unique(), on="symbol", how="semi")
    models = in_use(lake.read(MODELS.key), day)
    if session.is_empty() or models.is_empty():
        key = DATASET.key if session.is_empty() else MODELS.key
        raise MechExoError(
            f"{key} holds nothing of {day}, which {PREDICTIONS.key} does: they are not of one run. Run `mech-exo learn` again."
        )
    name = _known(symbol, session["symbol"].to_list(), day)
    try:
        weights = weights_of(lake.read(STACKING.key), int(models["fold"].to_list()[0]))
    except ValueError as error:
        raise MechExoError(f"{error}. Run `mech-exo learn` again.") from error
    absent = sorted({name for name, weight in weights.items() if weight} - set(models["model"]))
    if absent or (model is not None and model not in models["model"]):
        raise MechExoError(f"{MODELS.key} has no {absent[0] if absent else model} for {day}. Run `mech-exo learn` again.")
    found = explain_session(session, loaded(models), name, weights=weights)
    stored = dict(predictions.filter(symbol=name).select("model", "value").iter_rows())
    trainings = {row["model"]: _training(lake, row) for row in models.iter_rows(named=True)}
    asked = [each for each in found.models if (each.weight > 0.0 if model is None else each.model == model)]
    return {
        "symbol": name,
        "date": day,
        "names": found.n,
        "rank": found.rank,
        "score": found.score,
        "ensemble": _ensemble(found),
        "models": [_of_model(each, trainings[each.model], stored.get(each.model), top) for each in asked],
    }


def _known(symbol: str, names: list[str], day: dt.date) -> str:
    if symbol in names:
        return symbol
    same = [name for name in names if name.upper() == symbol.upper()]
    if len(same) == 1:
        return same[0]
    capitals = {name.upper(): name for name in names}
    close = [capitals[name] for name in difflib.get_close_matches(symbol.upper(), capitals, n=3)]
    hint = f"Did you mean {' or '.join(close)}?" if close else f"There are, among others: {', '.join(sorted(names)[:10])}."
    raise InputError(f"{symbol} is not among the {len(names)} names that are predicted on {day}. {hint}")


def _training(lake: Lake, row: dict[str, Any]) -> dict[str, Any]:
    """Which training a model is from, as far as its own table tells."""
    told = {name: row[name] for name in ("fold", "test_from", "test_to")}
    schema = TRAININGS[row["model"]]
    rows = lake.read(schema.key).filter(fold=row["fold"]) if lake.exists(schema.key) else schema.empty()
    more = rows.row(0, named=True) if rows.height else {}
    return told | {name: more.get(name) for name in ("train_from", "train_to", "rounds", "mlflow_run")}


def _ensemble(found: SessionExplained) -> list[dict[str, Any]]:
    return [{"model": each.model, "weight": each.weight, "score": each.score, "rank": each.rank} for each in found.models]


def _of_model(found: NameExplained, training: dict[str, Any], stored: float | None, top: int) -> dict[str, Any]:
    first, rest = found.contributions.head(top), found.contributions.tail(-top)
    sums = {name: float(rest[name].sum()) for name in ("contribution", "relative")}
    return {
        "model": found.model,
        "rank": found.rank,
        "prediction": found.prediction,
        "stored": stored,
        "base": found.base,
        "session_mean": found.mean,
        "weight": found.weight,
        "training": training,
        "contributions": first.to_dicts(),
        "rest": {"features": rest.height, **sums},
    }
