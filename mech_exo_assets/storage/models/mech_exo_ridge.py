"""Reads a ridge model out of the folder in which MLflow has it. This file is copied into that folder, and needs NumPy and pandas only.

What belongs here: the formula of `quant.models.fitted.Ridge`, for whoever has no Mech-Exo. What does not: anything else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


class Ridge:
    """prediction = intercept + Σ_f coefficient_f · (x_f − mean_f) / scale_f; what is missing counts as the feature's mean."""

    def __init__(self, numbers: dict[str, Any]) -> None:
        self._names = numbers["features"]
        self._intercept = numbers["intercept"]
        self._mean, self._scale, self._coefficients = (np.array(numbers[name]) for name in ("mean", "scale", "coefficients"))

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> np.ndarray:  # noqa: ARG002 - MLflow gives it
        """One prediction for each row of a pandas frame, in which the features are columns."""
        terms = np.zeros((len(frame), len(self._names) + 2))
        values = frame[self._names].to_numpy(np.float64)
        terms[:, : len(self._names)] = np.nan_to_num((values - self._mean) / self._scale) * self._coefficients
        terms[:, -1] = self._intercept
        return terms.sum(axis=1)


def _load_pyfunc(path: str) -> Ridge:
    """What MLflow calls with the path of the numbers."""
    return Ridge(json.loads(Path(path).read_text(encoding="utf-8")))
