"""On pure noise the models know nothing, and a test that would see a leak is shown to see one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from mech_exo_assets.quant.models.prediction import prediction_table
from mech_exo_assets.quant.models.tables import model_table, stacking_table
from mech_exo_assets.quant.models.training import train
from mech_exo_assets.settings import Strategy
from mech_exo_tests.quant.models.panels import overlapping_noise, strategy

SEEDS = 20
BOOSTED = ("lightgbm", "xgboost")
SMALL = {"sessions": 400, "names": 20, "horizon": 5}
"""Twenty names over 400 sessions."""
LARGE = {"sessions": 1500, "names": 300, "horizon": 21}
"""Three hundred names over 1500 sessions."""
_OF_SMALL = {"horizon": 5, "train_months": 9, "refit_months": 3, "embargo": 5, "rounds": 60, "patience": 15, "sample": 1}
_OF_LARGE = {"train_months": 24, "refit_months": 12, "rounds": 60, "patience": 15}

OVERLAPPING = {"sessions": 400, "names": 20, "horizon": 21}
_OF_OVERLAPPING = _OF_SMALL | {"refit_months": 1, "horizon": 21, "embargo": 21}


def out_of_sample(frame: pl.DataFrame, chosen: Strategy) -> dict[str, tuple[float, float]]:
    """Area under the curve of the label's sign, and mean information coefficient, of each model."""
    done = train(frame.lazy(), chosen)
    predicted = prediction_table(frame, model_table(done), stacking_table(done), threads=chosen.learning.threads)
    known = predicted.join(frame.select("date", "symbol", "label"), on=["date", "symbol"]).drop_nulls()
    found = {}
    for (model,), part in known.partition_by("model", as_dict=True).items():
        ic = part.group_by("date").agg(pl.corr("value", "label", method="spearman").alias("ic"))["ic"].fill_nan(0.0).mean()
        found[model] = (area_under_curve(part["value"].to_numpy(), part["label"].to_numpy() > 0), ic)
    return found


def area_under_curve(value: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive row has the larger value, ties counted as halves (Mann and Whitney 1947)."""
    ranks, n = rankdata(value), int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(value) - n)))


def over_seeds(panel: dict[str, int], chosen: Strategy, models: tuple[str, ...] = (*BOOSTED, "ridge", "ensemble")) -> dict[str, np.ndarray]:
    """For each model: areas and information coefficients by seed, ndarray of shape (n_seeds, 2)."""
    found = [out_of_sample(overlapping_noise(**panel, seed=seed), chosen) for seed in range(SEEDS)]
    return {model: np.array([each[model] for each in found]) for model in models}


def errors_off(found: np.ndarray, expected: float) -> float:
    """How many standard errors the mean over the seeds lies off, the error being that of their spread."""
    return float((found.mean() - expected) / (found.std(ddof=1) / np.sqrt(len(found))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("panel", "choices"),
    [
        pytest.param(SMALL, _OF_SMALL, id="20 names, 400 sessions"),
        pytest.param(LARGE, _OF_LARGE, id="300 names, 1500 sessions", marks=pytest.mark.long),
    ],
)
def test_on_pure_noise_area_and_ic_are_those_of_chance(panel, choices):
    for model, found in over_seeds(panel, strategy(**choices)).items():
        assert abs(errors_off(found[:, 0], 0.5)) < 3, (model, found[:, 0])
        assert abs(errors_off(found[:, 1], 0.0)) < 3, (model, found[:, 1])


@pytest.mark.slow
@pytest.mark.long
def test_without_purge_and_embargo_the_same_noise_is_predicted_so_that_the_test_above_is_able_to_fail(monkeypatch):
    """Features move slowly and labels overlap: what a label is, its neighbour has told already."""
    chosen = strategy(**_OF_OVERLAPPING)
    purged = over_seeds(OVERLAPPING, chosen)
    monkeypatch.setattr(Strategy, "learning_gap", property(lambda _: 0))
    leaking = over_seeds(OVERLAPPING, chosen)
    for model in BOOSTED:
        assert abs(errors_off(purged[model][:, 1], 0.0)) < 3
        assert errors_off(leaking[model][:, 1], 0.0) > 3
        assert errors_off(leaking[model][:, 0], 0.5) > 3


def figures() -> None:
    """Print what the tests above judge: `python -m mech_exo_tests.quant.models.test_no_leakage`."""
    for panel, choices in ((SMALL, _OF_SMALL), (LARGE, _OF_LARGE)):
        for model, found in over_seeds(panel, strategy(**choices)).items():
            area, ic = found.mean(axis=0)
            error = found.std(axis=0, ddof=1) / np.sqrt(SEEDS)
            print(f"{panel}, {model}: area {area:.4f} ± {error[0]:.4f}, IC {ic:+.4f} ± {error[1]:.4f}")  # noqa: T201
    for model, found in over_seeds(OVERLAPPING, strategy(**_OF_OVERLAPPING)).items():
        print(f"purged, {model}: IC {found[:, 1].mean():+.4f} ± {found[:, 1].std(ddof=1) / np.sqrt(SEEDS):.4f}")  # noqa: T201
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Strategy, "learning_gap", property(lambda _: 0))
        for model, found in over_seeds(OVERLAPPING, strategy(**_OF_OVERLAPPING)).items():
            print(f"not purged, {model}: IC {found[:, 1].mean():+.4f} ± {found[:, 1].std(ddof=1) / np.sqrt(SEEDS):.4f}")  # noqa: T201


if __name__ == "__main__":
    figures()
