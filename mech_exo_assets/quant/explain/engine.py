"""All explanations of a walk-forward: importances and their stability, dependence, interactions.

What belongs here: going through trainings and models, and reading no more than the rows that are explained. What does not: any one of the
measures.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.explain.additivity import TOLERANCE, checked_contributions
from mech_exo_assets.quant.explain.dependence import dependence_of_category, dependence_of_number
from mech_exo_assets.quant.explain.importance import Stability, importance_table, overall, stability
from mech_exo_assets.quant.explain.interactions import has_trees, interaction_table
from mech_exo_assets.quant.explain.sample import sample_rows
from mech_exo_assets.quant.models.fitted import SECTOR, Features, Model, load
from mech_exo_assets.schemas import DEPENDENCE, EXPLANATIONS, INTERACTIONS

Reader: TypeAlias = Callable[[dt.date, dt.date | None], pl.LazyFrame]
"""The rows of `learning/dataset` from one session to another, both included; to the last one for None."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What came out.

    Attributes
    ----------
    importances, dependence, interactions : DataFrame
        `schemas.EXPLANATIONS`, `schemas.DEPENDENCE`, `schemas.INTERACTIONS`.
    stability : dict of str to Stability
        By model.
    largest_gap : dict of str to float
        By model: largest gap between a prediction and the sum of its contributions, in units of max(1, |prediction|).
    rows : int
        Rows that were explained, each by every model.
    """

    importances: pl.DataFrame
    dependence: pl.DataFrame
    interactions: pl.DataFrame
    stability: dict[str, Stability]
    largest_gap: dict[str, float]
    rows: int


def explain(
    models: pl.DataFrame,
    read: Reader,
    *,
    rows: int = 2000,
    top: int = 10,
    interaction_rows: int = 1000,
    pairs: int = 100,
    threads: int = 0,
    tolerance: float = TOLERANCE,
) -> Explained:
    """Explain all models of a walk-forward on a sample of the rows that they predicted out of sample.

    Memory holds the sample (`rows` for each training) and, of one model at a time, its contributions: 4 bytes for each number of both.

    Parameters
    ----------
    models : DataFrame
        `schemas.MODELS`.
    read : callable
        See `Reader`; asked for the sessions of one test at a time.
    rows : int
        Most rows of each test.
    top : int
        Features of each model, by their mean share over the trainings, whose dependence is computed.
    interaction_rows : int
        Most rows for the interactions of the models in use: the last ones of the sample, so that a model whose test has just begun is
        explained on rows of earlier tests as well, which it may have been trained on. Of large models fewer are taken; see
        `interactions.affordable_rows`.
    pairs : int
        Most pairs of each model.
    threads : int
        Of the libraries; 0 takes what they take.
    tolerance : float
        Of the gap between a prediction and the sum of its contributions. With infinity only the largest gap is reported, for a check to
        judge.

    Raises
    ------
    ValueError
        If contributions do not sum to the prediction; names model, training, row and gap.
    """
    samples = _samples(models, read, rows)
    importances, dependence, interactions = [EXPLANATIONS.empty()], [DEPENDENCE.empty()], [INTERACTIONS.empty()]
    steadiness, gaps = {}, {}
    for name in models["model"].unique(maintain_order=True):
        found = _Model(name, threads, tolerance)
        for row in models.filter(model=name).sort("fold").iter_rows(named=True):
            found.add(row, samples[row["fold"]])
        table = pl.concat(found.tables)
        importances.append(table)
        dependence += [found.dependence_of(feature) for feature in overall(table)["feature"].head(top)]
        steadiness[name], gaps[name] = stability(table), found.gap
        if found.in_use is not None and has_trees(found.in_use):
            last = pl.concat([sample for _, sample in sorted(samples.items())], how="diagonal").tail(interaction_rows)
            if last.height:
                matrix = found.in_use.features.matrix(last)
                interactions.append(interaction_table(name, found.in_use, matrix, most=pairs))
    explained = sum(sample.height for sample in samples.values())
    return Explained(pl.concat(importances), pl.concat(dependence), pl.concat(interactions), steadiness, gaps, explained)


def _samples(models: pl.DataFrame, read: Reader, most: int) -> dict[int, pl.DataFrame]:
    tests = models.group_by("fold").agg(pl.col("test_from").first(), pl.col("test_to").first()).sort("fold")
    return {
        fold: sample_rows(read(first, last), most=most) for fold, first, last in tests.select("fold", "test_from", "test_to").iter_rows()
    }


class _Model:
    """One model through its trainings."""

    def __init__(self, name: str, threads: int, tolerance: float) -> None:
        self._name, self._threads, self._tolerance = name, threads, tolerance
        self.tables: list[pl.DataFrame] = [EXPLANATIONS.empty()]
        self.gap = 0.0
        self.in_use: Model | None = None
        self._kept: list[tuple[Features, pl.DataFrame, NDArray[np.float32]]] = []

    def add(self, row: dict[str, object], sample: pl.DataFrame) -> None:
        """Explain the model of one training on its test."""
        fold = int(str(row["fold"]))
        model = load(self._name, Features.from_json(str(row["features"])), str(row["text"]), threads=self._threads)
        self.in_use = model
        if sample.is_empty():
            return
        matrix = model.features.matrix(sample)
        contributions, _, gap = checked_contributions(model, matrix, where=f"{self._name}, training {fold}", tolerance=self._tolerance)
        self.gap = max(self.gap, gap)
        self.tables.append(importance_table(self._name, fold, model.features, matrix, contributions))
        self._kept.append((model.features, sample, contributions[:, :-1].astype(np.float32)))

    def dependence_of(self, feature: str) -> pl.DataFrame:
        """Of one feature, over the tests of all trainings that have it."""
        parts = [
            (sample[feature], found[:, features.names.index(feature)])
            for features, sample, found in self._kept
            if feature in features.names
        ]
        values, contributions = pl.concat([part for part, _ in parts]), np.concatenate([part for _, part in parts])
        if feature == SECTOR:
            return dependence_of_category(self._name, feature, values.cast(pl.String).to_list(), contributions)
        return dependence_of_number(self._name, feature, values.cast(pl.Float32).to_numpy(), contributions)
