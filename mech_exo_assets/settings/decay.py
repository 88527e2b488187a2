"""The section of the strategy file about watching factors.

What belongs here: what may be chosen of the decay monitor. What does not: its statistics (`quant.decay`) and alarms (`quant.detection`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from mech_exo_assets.settings.section import Section


class Decay(Section):
    """When a factor counts as proven, decayed and recovered."""

    horizon: PositiveInt | None
    residual: tuple[Literal["market", "sector", "factors"], ...]
    beta_window: int = Field(ge=20, le=500)
    detector: Literal["cusum", "shiryaev_roberts"]
    false_alarms_per_year: float = Field(gt=0, le=12)
    watches_per_year: PositiveFloat
    min_sessions: int = Field(ge=60)
    hurdle: PositiveFloat
    prewhitening_lags: int = Field(ge=0, le=10)
    probation_sessions: PositiveInt
    life_years: PositiveFloat
    prior_ic: PositiveFloat
    lags: tuple[NonNegativeInt, ...] = Field(min_length=4)
    resamples: int = Field(ge=99, le=9999)

    @field_validator("lags")
    @classmethod
    def _sorted_once_each(cls, lags: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(lags)))

    @model_validator(mode="after")
    def _watches_before_it_alarms(self) -> Decay:
        if self.watches_per_year <= self.false_alarms_per_year:
            raise ValueError(
                f"watches_per_year: {self.watches_per_year:g} must be above false_alarms_per_year: {self.false_alarms_per_year:g}, so that "
                "a factor is watched before it is called decayed"
            )
        return self
