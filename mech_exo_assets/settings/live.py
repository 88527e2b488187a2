"""Sections of the strategy file about live trading: the book, and how far it may drift from its backtest.

What belongs here: what may be chosen of the broker and of the drift monitor. What does not: the accounting (`quant.live`) and the
statistics (`quant.drift`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from mech_exo_assets.settings.section import Section


class Live(Section):
    """Where fills come from, and how the paper broker fills."""

    broker: Literal["auto", "source", "paper"]
    capital: PositiveFloat
    backdate: NonNegativeInt
    integer_shares: bool
    commission_bps: NonNegativeFloat | None
    half_spread_bps: NonNegativeFloat | None
    impact: NonNegativeFloat | None
    participation: float | None = Field(gt=0, le=1)
    noise_bps: NonNegativeFloat


class InputDrift(Section):
    """Whether what the strategy reads is distributed as it was."""

    bins: int = Field(ge=4, le=50)
    sessions: int = Field(ge=5)
    reference: int = Field(ge=20)
    q_value: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=99, le=9999)


class Drift(Section):
    """When live trading counts as having drifted from its backtest."""

    windows: tuple[PositiveInt, ...] = Field(min_length=1)
    warn_pct: PositiveFloat
    breach_pct: PositiveFloat
    warn_ratio: float
    breach_ratio: float
    false_alarms_per_year: float = Field(gt=0, le=12)
    shift: PositiveFloat
    min_sessions: int = Field(ge=20)
    inputs: InputDrift

    @field_validator("windows")
    @classmethod
    def _sorted_once_each(cls, windows: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(windows)))

    @model_validator(mode="after")
    def _warns_before_it_breaches(self) -> Drift:
        if self.warn_pct > self.breach_pct or self.warn_ratio < self.breach_ratio:
            raise ValueError(
                f"warn_pct: {self.warn_pct:g} and warn_ratio: {self.warn_ratio:g} must be reached before breach_pct: {self.breach_pct:g} "
                f"and breach_ratio: {self.breach_ratio:g}; lower warn_pct or raise warn_ratio"
            )
        return self
