"""Sections of the strategy file about the weight search: `search` and `gates`.

What belongs here: what may be chosen of the search, of its choice, and of what a result has to pass. What does not: the search
(`quant.weights`) and the measures of overfitting (`quant.overfitting`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from mech_exo_assets.settings.section import Section

OPENED = {
    "quantile": float,
    "no_trade_band": float,
    "volatility_target": float,
    "top_n.names": int,
    "top_n.leave": float,
    "short": float,
}
"""Parameters of the construction that a search may be given bounds for, and their types."""


class SearchLimits(Section):
    """What a candidate must keep to be feasible; None is no limit."""

    turnover: PositiveFloat | None
    factor_share: float | None = Field(gt=0, le=1)
    drawdown: float | None = Field(gt=0, lt=1)


class Search(Section):
    """Which weights are tried, how, and how one is chosen."""

    name: str = Field(min_length=1, max_length=100)
    trials: int = Field(ge=1, le=10_000)
    seconds: PositiveFloat | None
    sampler: Literal["tpe", "nsga2"]
    startup: PositiveInt
    batch: int = Field(ge=1, le=1000)
    workers: int = Field(ge=1, le=64)
    low: float
    high: float
    bounds: dict[str, tuple[float, float]]
    construction: dict[str, tuple[float, float]]
    limits: SearchLimits
    choice: Literal["sharpe", "calmar", "drawdown", "balanced"]
    shrinkage: tuple[float, ...] = Field(min_length=1)
    holdout_months: int = Field(ge=1, le=240)

    @field_validator("shrinkage")
    @classmethod
    def _fractions(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        wrong = [share for share in shares if not 0 <= share <= 1]
        if wrong:
            raise ValueError(f"{wrong[0]:g} is not a share of the equal weights; take numbers from 0 (none) to 1 (equal weights)")
        return tuple(sorted(set(shares)))

    @model_validator(mode="after")
    def _in_whole_batches(self) -> Search:
        if self.trials % self.batch:
            near = max(self.trials // self.batch, 1) * self.batch
            raise ValueError(f"trials: {self.trials} is no multiple of batch: {self.batch}; take trials: {near} or another batch")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Search:
        named = {"low and high": (self.low, self.high), **{f"bounds.{name}": pair for name, pair in self.bounds.items()}}
        for name, (low, high) in named.items():
            if low > high:
                raise ValueError(f"{name}: the lower bound {low:g} is above the upper bound {high:g}; exchange them")
        if not any(low or high for low, high in named.values()):
            raise ValueError("low and high: both are 0, so that no factor could have a weight; raise high")
        return self

    @model_validator(mode="after")
    def _opens_what_can_be_opened(self) -> Search:
        for name, (low, high) in self.construction.items():
            if name not in OPENED:
                raise ValueError(f"construction: '{name}' cannot be searched; these can: {', '.join(OPENED)}")
            if low > high:
                raise ValueError(f"construction.{name}: the lower bound {low:g} is above the upper bound {high:g}; exchange them")
            if OPENED[name] is int and (low != int(low) or high != int(high)):
                raise ValueError(f"construction.{name}: whole numbers are wanted, and {low:g} to {high:g} is given")
        return self

    def bounds_of(self, factor: str) -> tuple[float, float]:
        """Bounds of a factor's weight before all are scaled."""
        return self.bounds.get(factor, (self.low, self.high))


class Gates(Section):
    """What a searched result has to pass before it can become a candidate; None is measured and not judged."""

    deflated_sharpe: float | None = Field(gt=0, lt=1)
    pbo: float | None = Field(gt=0, le=1)
    spa: float | None = Field(gt=0, le=1)
    resamples: int = Field(ge=99, le=9999)
    blocks: int = Field(ge=4, le=16, multiple_of=2)
