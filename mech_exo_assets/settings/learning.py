"""Section of the strategy file about machine-learned factors: `learning`.

What belongs here: what may be chosen of features, models, their retraining, the gate and the blend. What does not: the models
(`quant.models`) and how they are judged (`quant.learning`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from mech_exo_assets.settings.section import Section

Kind = Literal["scores", "changes", "ranks", "market", "interactions", "sector", "liquidity"]
KINDS: tuple[Kind, ...] = ("scores", "changes", "ranks", "market", "interactions", "sector", "liquidity")


class Tuning(Section):
    """The search of hyperparameters on purged folds of a training span."""

    trials: int = Field(ge=0, le=1000)
    folds: int = Field(ge=2, le=10)
    every: int = Field(ge=0)


class Gate(Section):
    """What the machine-learned factor must add to the composite before it may enter it."""

    weight: float = Field(gt=0, lt=1)
    ic: float = Field(ge=0, lt=1)
    confidence: float = Field(gt=0.5, lt=1)
    sessions: int = Field(ge=63)


class Blend(Section):
    """How the weight of the machine-learned factor in the composite moves."""

    step: float = Field(gt=0, le=0.5)
    maximum: float = Field(gt=0, lt=1)
    months: PositiveInt
    sessions: int = Field(ge=21)

    @model_validator(mode="after")
    def _in_steps(self) -> Blend:
        if self.step > self.maximum:
            raise ValueError(f"step: {self.step:g} is above maximum: {self.maximum:g}, so that the weight could never move; lower the step")
        return self


class Learning(Section):
    """What is learned from which features, how it is retrained, and when it may enter the composite."""

    horizon: PositiveInt | None
    label: Literal["rank", "standardised"]
    residual: tuple[Literal["market", "sector"], ...]
    features: tuple[Kind, ...] = Field(min_length=1)
    change_sessions: int = Field(ge=1, le=120)
    train_months: PositiveInt
    refit_months: PositiveInt
    window: Literal["expanding", "rolling"]
    embargo: int | None = Field(ge=0)
    sample: int | None = Field(ge=1, le=63)
    validation: float = Field(gt=0, lt=0.9)
    objective: Literal["regression", "ranking"]
    rounds: int = Field(ge=1, le=10_000)
    patience: PositiveInt
    threads: int = Field(ge=1, le=256)
    ensemble: Literal["rank_average", "stacked"]
    tuning: Tuning
    gate: Gate
    blend: Blend

    @field_validator("features")
    @classmethod
    def _once_each(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        return tuple(kind for kind in KINDS if kind in kinds)

    @field_validator("features")
    @classmethod
    def _something_to_rank_names_by(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if not {"scores", "changes", "ranks", "interactions"} & set(kinds):
            raise ValueError("needs one of scores, changes, ranks, interactions; nothing else tells the names of a session apart")
        return kinds
