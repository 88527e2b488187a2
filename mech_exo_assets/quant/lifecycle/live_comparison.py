"""Challenger and champion on the sessions after the challenger was built: in shadow, or with a share of the capital.

What belongs here: what both have earned on them. What does not: the verdict (`sequential_test`), and what follows (`defs.decisions`).

In shadow both are traded by the backtest, from the hold-out on, so that neither has the costs of beginning among the sessions that count.
As a canary the challenger trades its share of the account, and both have what their parts of the account's fills have earned.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from mech_exo_assets.quant.lifecycle.canary import Canary
from mech_exo_assets.quant.lifecycle.deployed import from_first_session, version_targets
from mech_exo_assets.quant.lifecycle.holdout import Trial
from mech_exo_assets.quant.live.sleeves import Earned, Whole, sleeve_returns
from mech_exo_assets.quant.panel import Matrix, Panel


def in_shadow(trial: Trial, *, after: dt.date) -> Earned:
    """Net returns of both by the backtest, on the sessions after one.

    Parameters
    ----------
    trial : Trial
        With a history that begins before `after`.
    after : date
        Last session that was known when the comparison began.
    """
    one, other = trial.book, trial.champion_book
    begin = max(np.datetime64(after), one.sessions[0], other.sessions[0])
    return Earned(one.sessions[one.sessions > begin], other.net_return[other.sessions > begin], one.net_return[one.sessions > begin])


def as_canary(trial: Trial, canary: Canary, account: Whole, market: Panel) -> Earned:
    """What both have earned of the account since the first session that is traded for both.

    Parameters
    ----------
    trial : Trial
    canary : Canary
        Of the challenger of the trial.
    account : Whole
    market : Panel
        As the account was kept with.
    """
    strategy = trial.strategy
    wanted = [_traded(version_targets(version, trial.history), trial, canary, market) for version in (trial.champion, trial.challenger)]
    at = int(np.searchsorted(market.sessions, np.datetime64(canary.since))) + strategy.execution_lag
    if at >= len(market.sessions):
        return Earned(market.sessions[:0], np.zeros(0), np.zeros(0))
    return sleeve_returns(
        account,
        market,
        (wanted[0], wanted[1]),
        first=market.sessions[at].item(),
        share=canary.share,
        whole_shares=strategy.live.integer_shares,
    )


def _traded(targets: pl.DataFrame, trial: Trial, canary: Canary, market: Panel) -> Matrix:
    """Weights in the sessions in which they are traded, from those on that the canary begins with."""
    sessions = trial.history.scores["date"].unique().sort()
    since = from_first_session(targets, sessions, canary.since).filter(pl.col("date") >= canary.since)
    weights = Panel.from_frame(since, ["weight"], sessions=market.sessions, symbols=market.symbols).observed("weight")
    fresh = np.asarray(~np.isnan(weights).all(axis=1))
    weights = np.where(fresh[:, None], np.nan_to_num(weights), np.nan)
    lag = trial.strategy.execution_lag
    return np.concatenate([np.full((lag, weights.shape[1]), np.nan), weights[: len(weights) - lag]])
