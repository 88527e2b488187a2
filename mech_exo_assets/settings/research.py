"""Sections of the strategy file about data, factors and their join.

What belongs here: what may be chosen, one class for each section. What does not: portfolio and backtest (`portfolio`, `judgement`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from mech_exo_assets.settings.section import Section


class Quality(Section):
    """When a usable observation is listed as suspicious."""

    jump_deviations: PositiveFloat
    stale_sessions: PositiveInt
    gap_sessions: PositiveInt


class Factors(Section):
    """Which factors are computed."""

    exclude: tuple[str, ...]


class Scores(Section):
    """How raw exposures become scores."""

    winsorise: float = Field(ge=0, lt=0.5)
    min_sector_names: PositiveInt
    min_names: PositiveInt


class Ic(Section):
    """When a session has an information coefficient."""

    min_names: int = Field(ge=3)


class Composite(Section):
    """How factor scores are joined."""

    weights: Literal["equal"] | dict[str, float]
    min_coverage: float = Field(gt=0, le=1)

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, weights: Literal["equal"] | dict[str, float]) -> Literal["equal"] | dict[str, float]:
        if weights != "equal" and not any(weights.values()):
            raise ValueError("needs at least one factor whose weight is not zero")
        return weights
