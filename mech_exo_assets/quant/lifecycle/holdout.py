"""A challenger and the champion on the sessions that neither was fitted on.

What belongs here: from two versions and a history to the figures that gates and comparison judge. What does not: the gates (`gates`), the
comparison (`ab_test`), and what follows from them (`defs.decisions`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.backtest import Book
from mech_exo_assets.quant.lifecycle.ab_test import on_holdout
from mech_exo_assets.quant.lifecycle.challenger import same_strategy
from mech_exo_assets.quant.lifecycle.deployed import History, version_book, version_targets
from mech_exo_assets.quant.lifecycle.gates import no_look_ahead, validate
from mech_exo_assets.quant.lifecycle.version import StrategyVersion
from mech_exo_assets.schemas import AB_RETURNS, AB_TEST
from mech_exo_assets.settings import Strategy


@dataclass(frozen=True, eq=False)
class Trial:
    """What a challenger is judged on.

    Attributes
    ----------
    challenger, champion : StrategyVersion
    history : History
        From the first session that neither was fitted on.
    data : mapping of str to int
        Versions of the tables that the history was read in.
    """

    challenger: StrategyVersion
    champion: StrategyVersion
    history: History
    data: Mapping[str, int]

    @property
    def strategy(self) -> Strategy:
        """The strategy file."""
        return self.history.strategy

    @cached_property
    def book(self) -> Book:
        """Of the challenger."""
        return version_book(self.challenger, self.history)

    @cached_property
    def champion_book(self) -> Book:
        """Of the champion."""
        return version_book(self.champion, self.history)


def unseen_from(challenger: StrategyVersion, champion: StrategyVersion) -> dt.date:
    """The first session that neither version's weights were fitted on.

    Raises
    ------
    InputError
        If the challenger does not come from a search, so that there is no hold-out of its own.
    """
    begin = challenger.searched.get("holdout_from")
    if begin is None:
        raise InputError(f"{challenger.id} does not come from a search: there are no sessions that it was not fitted on.")
    own = dt.date.fromisoformat(str(begin))
    other = champion.searched.get("searched_to")
    return own if other is None else max(own, dt.date.fromisoformat(str(other)) + dt.timedelta(days=1))


def validated(trial: Trial, overfitting: pl.DataFrame, explanations: pl.DataFrame) -> pl.DataFrame:
    """The challenger's gates, in `schemas.VALIDATION`."""
    history = trial.history
    dates = history.scores["date"].unique().sort()
    seed = trial.strategy.seed
    looked = no_look_ahead(lambda changed: version_targets(trial.challenger, changed), history, dates[len(dates) // 2], seed=seed)
    targets = version_targets(trial.challenger, history)
    return validate(trial.book, targets, history, overfitting, explanations, look_ahead=looked, version=trial.challenger.id)


def compared(trial: Trial, *, impaired: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Challenger and champion on the same sessions: the verdict in `schemas.AB_TEST`, the returns in `schemas.AB_RETURNS`.

    Parameters
    ----------
    trial : Trial
    impaired : bool
        Whether a breach or a decay stands against the champion.
    """
    one, other = trial.book, trial.champion_book
    # From the first session on in which both are invested; the first is that of the first trade.
    first = max(one.sessions[0], other.sessions[0])
    returns = {
        "challenger": one.net_return[one.sessions > first],
        "champion": other.net_return[other.sessions > first],
    }
    sessions = one.sessions[one.sessions > first]
    table = on_holdout(
        returns["challenger"],
        returns["champion"],
        sessions,
        impaired=impaired,
        choices=trial.strategy.lifecycle.ab_test,
        seed=trial.strategy.seed,
        version=trial.challenger.id,
        champion_version=trial.champion.id,
    )
    if same_strategy(trial.challenger, trial.champion):
        said = "the challenger holds what the champion holds: no better strategy was found."
        table = table.with_columns(verdict=pl.lit("worse"), reason=pl.lit(said)).select(AB_TEST.names)
    named = {"challenger": trial.challenger.id, "champion": trial.champion.id}
    parts = [
        pl.DataFrame(
            {
                "date": pl.Series(sessions.astype("datetime64[D]")).cast(pl.Date),
                "stage": "holdout",
                "role": role,
                "version": named[role],
                "net_return": np.asarray(values),
            }
        )
        for role, values in returns.items()
    ]
    return table, pl.concat(parts).select(AB_RETURNS.names)
