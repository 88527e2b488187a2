"""Sections of the strategy file about how a strategy is judged: costs, backtest, walk-forward, alerts.

What belongs here: what may be chosen, one class for each section. What does not: the accounting (`quant.backtest`).
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from mech_exo_assets.settings.section import Section


class Costs(Section):
    """What trading and holding costs."""

    commission_bps: NonNegativeFloat
    commission_per_share: NonNegativeFloat
    commission_minimum: NonNegativeFloat
    half_spread_bps: NonNegativeFloat
    impact: NonNegativeFloat
    participation: float | None = Field(gt=0, le=1)
    volume_window: int = Field(ge=1, le=250)
    volatility_window: int = Field(ge=2, le=250)
    borrow_bps: NonNegativeFloat
    cash_interest_bps: NonNegativeFloat
    debit_interest_bps: NonNegativeFloat

    @model_validator(mode="after")
    def _no_riches_from_debt(self) -> Costs:
        if self.cash_interest_bps > self.debit_interest_bps:
            raise ValueError(
                f"cash_interest_bps: {self.cash_interest_bps:g} is above debit_interest_bps: {self.debit_interest_bps:g}, so that "
                "borrowing cash to hold it would earn money; lower the first or raise the second"
            )
        return self

    @model_validator(mode="after")
    def _below_what_is_traded(self) -> Costs:
        proportional = self.commission_bps + self.half_spread_bps
        if proportional >= 10_000:
            raise ValueError(
                f"commission_bps and half_spread_bps together are {proportional:g} basis points, and 10000 are all that is traded; "
                "lower them"
            )
        return self


class Backtest(Section):
    """How the targets are traded, from what capital, and against what they are compared."""

    initial_nav: PositiveFloat
    execute_at: Literal["close", "open"]
    integer_shares: bool
    flows: dict[dt.date, float]
    benchmark: str | None


class WalkForward(Section):
    """Windows of the walk-forward, in calendar months."""

    train_months: PositiveInt
    test_months: PositiveInt
    anchored: bool
    embargo: int = Field(ge=0)
    fit: Literal["configured", "mean_ic"]
    horizon: PositiveInt | None


class Alerts(Section):
    """Limits of the backtest; one that is left is told once, and once more when it is kept again."""

    sessions: int = Field(ge=20)
    min_sharpe: float | None
    max_drawdown: float | None = Field(gt=0, lt=1)
