"""What is put on record of one training.

What belongs here: `Training`. What does not: where it is put (`registry`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mech_exo_assets.quant.models.fitted import KINDS, Model


@dataclass(frozen=True, eq=False)
class Training:
    """One training of a walk-forward: the model of its latest fold, and the figures of all its folds.

    Attributes
    ----------
    kind : {"lightgbm", "xgboost", "ridge"}
    model : Model
        Of the latest fold.
    parameters : mapping of str to str, int or float
        What the model was trained with.
    metrics_by_fold : mapping of int to mapping of str to float
        Figures of each fold, by its number; NaN where a figure is not defined.
    tags : mapping of str to str
        What it was trained on: versions of tables, code, choices.
    figures : mapping of str to bytes
        PNG pictures by file name.

    Raises
    ------
    ValueError
        If there is no such kind, or the model is of another one.
    """

    kind: str
    model: Model
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    metrics_by_fold: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_kind(self.kind)
        if self.model.kind != self.kind:
            raise ValueError(f"kind is '{self.kind}', the model's '{self.model.kind}'")

    @property
    def name(self) -> str:
        """Of the run: the kind, and the folds."""
        folds = sorted(self.metrics_by_fold)
        if not folds:
            return self.kind
        return f"{self.kind} fold {folds[0]}" if len(folds) == 1 else f"{self.kind} folds {folds[0]}-{folds[-1]}"

    def summary(self) -> dict[str, float]:
        """The mean of each figure over the folds where it is defined, as `<figure>_mean`; none where it is in no fold."""
        names = sorted({name for metrics in self.metrics_by_fold.values() for name in metrics})
        known = {name: [each[name] for each in self.metrics_by_fold.values() if math.isfinite(each.get(name, math.nan))] for name in names}
        return {f"{name}_mean": math.fsum(values) / len(values) for name, values in known.items() if values}


def require_kind(kind: str) -> None:
    """Refuse what is no kind of model with a ValueError."""
    if kind not in KINDS:
        raise ValueError(f"kind is '{kind}'; there are {', '.join(KINDS)}")
