"""What a challenger has to pass before it is compared with the champion.

What belongs here: each gate's figure, its threshold and its verdict. What does not: where books and targets come from (`holdout`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from mech_exo_assets.quant.backtest import Book
from mech_exo_assets.quant.lifecycle.deployed import History
from mech_exo_assets.quant.panel import Panel, Vector
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.performance.inference import NO_VARIATION
from mech_exo_assets.quant.returns import market_return, simple_returns
from mech_exo_assets.schemas import VALIDATION, factor_columns
from mech_exo_assets.settings.lifecycle import Validation

WITHIN_CAPACITY = 0.9
"""Share of the traded notional that has to keep the participation cap at the capital that is called the capacity."""


@dataclass(frozen=True, slots=True)
class LookAhead:
    """What a changed future did to the targets before it.

    Attributes
    ----------
    at : date
        Last session whose past was left as it was.
    rows : int
        Targets until then.
    moved : int
        Of them, those that are not the same to the last bit.
    """

    at: dt.date
    rows: int
    moved: int


def no_look_ahead(compute: Callable[[History], pl.DataFrame], history: History, at: dt.date, *, seed: int) -> LookAhead:
    """Change all scores and prices after a session, and count the targets until then that move.

    Parameters
    ----------
    compute : callable
        From a history to targets: date, symbol, weight.
    history : History
    at : date
    seed : int
    """
    chance = np.random.default_rng(seed)
    scores = history.scores
    after = pl.col("date") > at
    factors = factor_columns(scores.columns)
    noise = {name: pl.Series(chance.standard_normal(scores.height)) for name in factors}
    changed = scores.with_columns(pl.when(after).then(pl.col(name) + noise[name]).otherwise(pl.col(name)).alias(name) for name in factors)
    late = history.market.sessions > np.datetime64(at)
    fields = {}
    for name, matrix in history.market.fields.items():
        moved = matrix.copy()
        moved[late] *= np.exp(0.1 * chance.standard_normal(moved[late].shape))
        fields[name] = moved
    other = replace(history, scores=changed, market=Panel(history.market.sessions, history.market.symbols, fields))
    before, now = (compute(each).filter(pl.col("date") <= at).sort("date", "symbol") for each in (history, other))
    same = before.join(now, on=before.columns, how="semi").height
    return LookAhead(at, before.height, before.height - same + max(now.height - before.height, 0))


def validate(
    book: Book,
    targets: pl.DataFrame,
    history: History,
    overfitting: pl.DataFrame,
    explanations: pl.DataFrame,
    *,
    look_ahead: LookAhead,
    version: str,
) -> pl.DataFrame:
    """Every gate of a challenger, in `schemas.VALIDATION`.

    Parameters
    ----------
    book : Book
        What it would have earned on the hold-out.
    targets : DataFrame
        Its targets there.
    history : History
    overfitting : DataFrame
        `schemas.OVERFITTING` of the search that it comes from.
    explanations : DataFrame
        `schemas.EXPLANATIONS`; without rows where no model was trained.
    look_ahead : LookAhead
    version : str
    """
    choices = history.strategy.lifecycle.validation
    figures = performance(book.net_return, book.sessions)
    largest = targets.select(pl.col("weight").abs().max()).item() if targets.height else None
    rows = [
        *_of_search(overfitting, choices),
        _at_least("sharpe", _known(figures.sharpe), choices.sharpe, "{:.2f} is the annual Sharpe ratio on the hold-out, net of costs"),
        _at_most("max_drawdown", abs(figures.max_drawdown), choices.max_drawdown, "{:.1%} is the largest loss from a peak on the hold-out"),
        _at_most("turnover", float(book.turnover.mean()), choices.turnover, "{:.1%} of NAV is traded in a session, on average"),
        _at_least(
            "capacity", _capacity(book, history), choices.capacity, "{:,.0f} is the capital at which nine tenths of the trades keep the cap"
        ),
        _at_most("beta", _beta(book, history), choices.beta, "{:.2f} is the absolute beta to the mean of all names"),
        _at_most("name_weight", largest, choices.name_weight, "{:.1%} of NAV is the largest target weight of a name"),
        _at_most(
            "sector_weight", _sector_weight(targets, history.sectors), choices.sector_weight, "{:.1%} of NAV is the largest sum in a sector"
        ),
        _stability(explanations, choices.explanation_stability),
        _at_most(
            "no_look_ahead",
            float(look_ahead.moved),
            0.0,
            "{:.0f} of " + f"{look_ahead.rows:,} targets until {look_ahead.at} moved when all that came later was changed",
        ),
    ]
    return pl.DataFrame([{"version": version, **row} for row in rows], schema=VALIDATION.dtypes())


def _of_search(overfitting: pl.DataFrame, choices: Validation) -> list[dict[str, object]]:
    failed = overfitting.filter(pl.col("passed").not_())
    told = "; ".join(failed["meaning"]) or "all measures of overfitting that are judged pass"
    rows = [_row("search", float(failed.height), 0.0 if choices.search else None, failed.is_empty(), f"{failed.height} failed: {told}")]
    for name in ("deflated_sharpe", "pbo"):
        # Judged by the gate `search`, of which they are parts.
        found = overfitting.filter(measure=name).iter_rows(named=True)
        rows += [_row(name, row["value"], None, None, row["meaning"]) for row in found]
    return rows


def _at_least(name: str, value: float | None, threshold: float | None, said: str) -> dict[str, object]:
    return _judged(name, value, threshold, said, "at least", lambda known, wanted: known >= wanted)


def _at_most(name: str, value: float | None, threshold: float | None, said: str) -> dict[str, object]:
    return _judged(name, value, threshold, said, "at most", lambda known, wanted: known <= wanted)


def _judged(
    name: str, value: float | None, threshold: float | None, said: str, side: str, passes: Callable[[float, float], bool]
) -> dict[str, object]:
    if value is None:
        why = f"{name} could not be measured: the hold-out does not have what it takes."
        return _row(name, None, threshold, None if threshold is None else False, why)
    number = said.format(value)
    if threshold is None:
        return _row(name, value, None, None, f"{number}.")
    wanted = said.partition("}")[0].partition("{")[2]
    return _row(name, value, threshold, passes(value, threshold), f"{number}; wanted is {side} {format(threshold, wanted.lstrip(':'))}.")


def _row(name: str, value: float | None, threshold: float | None, passed: bool | None, meaning: str) -> dict[str, object]:
    return {"gate": name, "value": value, "threshold": threshold, "passed": passed if threshold is not None else None, "meaning": meaning}


def _capacity(book: Book, history: History) -> float | None:
    """The capital at which nine tenths of the traded notional stay below the participation cap; None without volumes or a cap."""
    cap = history.strategy.costs.participation
    if book.average_volume is None or cap is None:
        return None
    trades = book.trades()
    if trades.is_empty():
        return None
    row = np.searchsorted(history.market.sessions, trades["date"].to_numpy().astype("datetime64[D]"))
    column = np.searchsorted(history.market.symbols, np.array(trades["symbol"].to_list()))
    nav = (book.nav / (1 + book.net_return))[np.searchsorted(book.sessions, trades["date"].to_numpy().astype("datetime64[D]"))]
    notional = trades["notional"].to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = cap * book.average_volume[row, column] / (notional / nav)
    known = np.isfinite(largest)
    if not known.any():
        return None
    order = np.argsort(largest[known])
    below = np.cumsum(notional[known][order]) / notional[known].sum()
    return float(largest[known][order][np.searchsorted(below, 1 - WITHIN_CAPACITY)])


def _beta(book: Book, history: History) -> float | None:
    market = market_return(simple_returns(history.market["total_return_index"]))[np.searchsorted(history.market.sessions, book.sessions)]
    known = ~np.isnan(market)
    if known.sum() < 2 or market[known].std() <= NO_VARIATION:
        return None
    return abs(_slope(book.net_return[known], market[known]))


def _slope(values: Vector, on: Vector) -> float:
    centred = on - on.mean()
    return float(centred @ (values - values.mean()) / (centred @ centred))


def _sector_weight(targets: pl.DataFrame, sectors: Mapping[str, str]) -> float | None:
    if targets.is_empty() or not sectors:
        return None
    of = pl.DataFrame({"symbol": list(sectors), "sector": list(sectors.values())})
    sums = targets.join(of, on="symbol", how="inner").group_by("date", "sector").agg(pl.col("weight").abs().sum())
    return float(sums["weight"].max()) if sums.height else None  # ty: ignore[invalid-argument-type]


def _stability(explanations: pl.DataFrame, threshold: float | None) -> dict[str, object]:
    """Least rank correlation, over models, of the importances of the last two trainings."""
    from mech_exo_assets.quant.explain.importance import stability

    known: dict[str, float] = {}
    for (model,), part in explanations.partition_by("model", as_dict=True).items():
        last = part["fold"].unique().sort().tail(2).to_list()
        correlation = stability(part.filter(pl.col("fold").is_in(last))).rank_correlation
        if correlation is not None:
            known[str(model)] = correlation
    if not known:
        why = "explanation_stability could not be measured: no model has two trainings that are explained."
        return _row("explanation_stability", None, threshold, False, why)
    least = min(known, key=known.__getitem__)
    said = f"{{:.2f}} is the rank correlation of the importances of {least}'s last two trainings, the least of all models"
    return _at_least("explanation_stability", known[least], threshold, said)


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
