"""From the newest search to a challenger.

What belongs here: what a challenger takes from which table, and how it differs from the champion. What does not: the search
(`quant.weights`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.lifecycle.version import StrategyVersion
from mech_exo_assets.quant.weights.span import span_of
from mech_exo_assets.schemas import CHALLENGER
from mech_exo_assets.settings import Strategy
from mech_exo_assets.settings.portfolio import with_construction

SAME = 1e-12
"""Difference of weights below which two versions hold the same."""


def challenger_version(
    strategy: Strategy,
    optimised: pl.DataFrame,
    frontier: pl.DataFrame,
    rotation: pl.DataFrame,
    sessions: pl.Series,
    *,
    models: Mapping[str, str],
    data: Mapping[str, int],
    code: str,
) -> StrategyVersion:
    """The optimised weights, less of factors that have decayed since the search's data end, with the construction that was chosen.

    The search has seen nothing of the hold-out, and gives a factor that died in it its full weight. What the rotation leaves of it now,
    over what it left when the search's data ended, is taken of that weight; then all are scaled so that their absolute values add up to 1.

    Parameters
    ----------
    strategy : Strategy
    optimised, frontier, rotation : DataFrame
        `schemas.OPTIMISED`, `schemas.FRONTIER`, `schemas.ROTATION`.
    sessions : Series
        Dates of all prices, ascending: they say what the search could see.
    models, data, code
        As in `StrategyVersion`.

    Raises
    ------
    InputError
        If no factor with a weight is alive.
    """
    chosen = frontier.filter("chosen").row(0, named=True)
    span = span_of(sessions.to_numpy().astype("datetime64[D]"), strategy)
    weights = rotated_weights(optimised, rotation)
    return StrategyVersion(
        weights=weights,
        blend=0.0,
        min_coverage=strategy.composite.min_coverage,
        construction=with_construction(strategy.construction, json.loads(chosen["construction"])).model_dump(mode="json"),
        models=models if ML_ALPHA in weights else {},
        data=data,
        code=code,
        seed=strategy.seed,
        searched={"trial": chosen["trial"], "searched_to": span.searched_to.isoformat(), "holdout_from": span.holdout_from.isoformat()},
    )


def rotated_weights(optimised: pl.DataFrame, rotation: pl.DataFrame) -> dict[str, float]:
    """The optimised weights, times what the rotation leaves of each factor beyond what the search allowed for; they add up to 1.

    Parameters
    ----------
    optimised : DataFrame
        `schemas.OPTIMISED`: a factor that had decayed when the search's data ended has a lower `share_limit` than the others.
    rotation : DataFrame
        `schemas.ROTATION`; a factor that is not there keeps its weight.

    Raises
    ------
    InputError
        If nothing is left.
    """
    now = alive(rotation)
    largest = float(optimised.select(pl.col("share_limit").max()).item() or 1.0)
    left = {}
    for name, weight, limit in optimised.sort("factor").select("factor", "weight", "share_limit").iter_rows():
        then = limit / largest
        if weight and then:
            left[name] = weight * min(1.0, now.get(name, 1.0) / then)
    total = sum(map(abs, left.values()))
    if not total:
        decayed = ", ".join(optimised.filter(pl.col("weight") != 0)["factor"])
        raise InputError(f"no challenger can be built: every factor that the search gave a weight has decayed ({decayed}). Add factors.")
    return {name: weight / total for name, weight in left.items() if weight}


def alive(rotation: pl.DataFrame) -> dict[str, float]:
    """By how much the weight of each factor is multiplied: what the rotation says of one that has decayed, 1 for others.

    What it says of weak evidence for the others is left to the search, which has weighed it.
    """
    rows = rotation.select("factor", "status", "multiplier").iter_rows()
    return {name: multiplier if status == "decayed" else 1.0 for name, status, multiplier in rows}


def challenger_table(version: StrategyVersion, champion: StrategyVersion, rotation: pl.DataFrame) -> pl.DataFrame:
    """Weights of a challenger beside those of the champion, and what the rotation leaves of each factor, in `schemas.CHALLENGER`.

    Parameters
    ----------
    version, champion : StrategyVersion
    rotation : DataFrame
        `schemas.ROTATION`.
    """
    left = alive(rotation)
    scale = sum(map(abs, champion.weights.values())) or 1.0
    rows = [
        (version.id, name, version.weights.get(name, 0.0), champion.weights.get(name, 0.0) / scale, left.get(name, 1.0))
        for name in sorted({*version.weights, *champion.weights})
    ]
    return pl.DataFrame(rows, schema=CHALLENGER.dtypes(), orient="row")


def rotated(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Factors that have decayed and of which the challenger has less than the champion: weight before and after, by name."""
    less = table.filter((pl.col("multiplier") < 1) & (pl.col("weight").abs() < pl.col("champion_weight").abs() - SAME))
    return {row["factor"]: {"before": row["champion_weight"], "after": row["weight"]} for row in less.iter_rows(named=True)}


def same_strategy(one: StrategyVersion, other: StrategyVersion) -> bool:
    """Whether two versions want to hold the same: weights in proportion, blend and construction."""
    names = {*one.weights, *other.weights}
    sizes = [sum(map(abs, each.weights.values())) or 1.0 for each in (one, other)]
    apart = max((abs(one.weights.get(name, 0.0) / sizes[0] - other.weights.get(name, 0.0) / sizes[1]) for name in names), default=0.0)
    return apart <= SAME and one.blend == other.blend and dict(one.construction) == dict(other.construction)
