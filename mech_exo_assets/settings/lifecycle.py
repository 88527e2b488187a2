"""The section of the strategy file about replacing a strategy: when, by what, and what it has to pass.

What belongs here: what may be chosen of retraining, validation, A/B test and probation. What does not: the decisions
(`quant.lifecycle`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from mech_exo_assets.settings.section import Section


class Validation(Section):
    """Gates of a challenger on the hold-out; null is measured, and not judged."""

    search: bool
    sharpe: float | None
    max_drawdown: float | None = Field(gt=0, lt=1)
    turnover: PositiveFloat | None
    capacity: PositiveFloat | None
    beta: PositiveFloat | None
    name_weight: float | None = Field(gt=0)
    sector_weight: float | None = Field(gt=0)
    explanation_stability: float | None = Field(ge=-1, le=1)


class AbTest(Section):
    """How a challenger is compared with the champion."""

    mode: Literal["holdout", "shadow", "canary"]
    confidence: float = Field(gt=0.5, lt=1)
    margin: NonNegativeFloat
    resamples: int = Field(ge=99, le=99_999)
    max_sessions: int = Field(ge=60, le=1260)
    canary_share: float = Field(gt=0, le=0.5)


class Probation(Section):
    """How a promoted strategy is watched, and when it is taken back."""

    sessions: PositiveInt
    hours: NonNegativeFloat
    false_rollbacks: float = Field(gt=0, lt=0.5)
    resamples: int = Field(ge=999, le=99_999)


class Lifecycle(Section):
    """When a strategy is retrained, and what a challenger has to pass before it is traded."""

    triggers: tuple[Literal["drift", "decay"], ...]
    cool_down: NonNegativeInt
    validation: Validation
    ab_test: AbTest
    probation: Probation
    calendar_months: PositiveInt
