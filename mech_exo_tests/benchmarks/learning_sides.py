"""One side of the benchmark of learning: `python -m mech_exo_tests.benchmarks.learning_sides {ours,loop} FOLDER`; figures as JSON.

What belongs here: the trainings as the product does them, and as one would write them down: the dataset in memory, and for each fit a mask,
a matrix, and bins of it. What does not: the comparison (`learning`).
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.models import training
from mech_exo_assets.quant.models.ensemble import AVERAGED
from mech_exo_assets.quant.models.folds import Span, planned_trainings, validation_of
from mech_exo_assets.quant.models.session_ic import mean_ic
from mech_exo_assets.schemas import DATASET
from mech_exo_assets.settings import load_strategy

_DEFAULTS = load_strategy()
_CHOSEN = {"features": ("scores",), "sample": 1, "train_months": 60, "refit_months": 12, "window": "expanding"}
STRATEGY = _DEFAULTS.model_copy(
    update={
        "learning": _DEFAULTS.learning.model_copy(update={**_CHOSEN, "tuning": _DEFAULTS.learning.tuning.model_copy(update={"trials": 0})})
    }
)
"""Every session with its 43 scores, without a search of hyperparameters."""

BINS, EDGE_ROWS = 255, 200_000


def ours(folder: Path) -> list[dict[str, Any]]:
    """`quant.models.training.train`, without the ridge regression, which the loop does not have either."""
    training.KINDS = AVERAGED
    found = training.train(pl.scan_parquet(folder / "*.parquet"), STRATEGY)
    return [{"kind": fit.kind, **{name: fit.figures[name] for name in FIGURES}} for fit in found.fits]


FIGURES = ("train_rows", "rounds", "train_ic", "validation_ic", "test_ic")


class Loop:
    """The straightforward way."""

    def __init__(self, folder: Path) -> None:
        frame = pl.read_parquet(folder / "*.parquet").filter(pl.col("label").is_not_null()).sort("date", "symbol")
        self.frame, self.dates = frame, frame["date"].to_numpy()
        self.label = frame["label"].to_numpy()
        self.features = [name for name in frame.columns if name not in DATASET.names]

    def rows(self, first: np.datetime64, last: np.datetime64) -> NDArray[np.bool_]:
        return (self.dates >= first) & (self.dates <= last)

    def matrix(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return self.frame.filter(mask).select(self.features).to_numpy()

    def ic(self, predicted: NDArray[Any], mask: NDArray[np.bool_]) -> float:
        _, starts = np.unique(self.dates[mask], return_index=True)
        return mean_ic(predicted.astype(np.float64), self.label[mask], np.append(starts, mask.sum()))

    def fit(self, kind: str, train: NDArray[np.bool_], test: NDArray[np.bool_], span: Span) -> dict[str, Any]:
        before, judged = self.rows(span.fit_from, span.fit_to), self.rows(span.judged_from, span.judged_to)
        one = {"lightgbm": self.lightgbm, "xgboost": self.xgboost}[kind]
        rounds, validation_ic, _, _ = one(before, judged, None, None)
        _, _, train_ic, test_ic = one(train, None, rounds, test)
        return {
            "kind": kind,
            "train_rows": int(train.sum()),
            "rounds": rounds,
            "train_ic": train_ic,
            "validation_ic": validation_ic,
            "test_ic": test_ic,
        }

    def lightgbm(self, train, judged, rounds, test):
        import lightgbm

        chosen = STRATEGY.learning
        parameters = {
            "objective": "regression",
            "metric": "none",
            "max_bin": BINS,
            "bin_construct_sample_cnt": EDGE_ROWS,
            "feature_pre_filter": False,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": chosen.threads,
            "seed": STRATEGY.seed,
            "verbosity": -1,
            "learning_rate": 0.05,
            "num_leaves": 15,
            "min_data_in_leaf": max(20, round(0.005 * int(train.sum()))),
            "feature_fraction": 0.5,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "lambda_l2": 10.0,
        }
        matrix = self.matrix(train)
        data = lightgbm.Dataset(matrix, self.label[train], params=parameters)
        if rounds is not None:
            booster = lightgbm.train(parameters, data, rounds)
            return rounds, None, self.ic(booster.predict(matrix), train), self.ic(booster.predict(self.matrix(test)), test)
        other = self.matrix(judged)
        booster = lightgbm.train(
            parameters,
            data,
            chosen.rounds,
            valid_sets=[lightgbm.Dataset(other, self.label[judged], reference=data)],
            feval=lambda predicted, _: ("ic", self.ic(predicted, judged), True),
            callbacks=[lightgbm.early_stopping(chosen.patience, verbose=False)],
        )
        return booster.best_iteration, self.ic(booster.predict(other), judged), None, None

    def xgboost(self, train, judged, rounds, test):
        import xgboost

        chosen = STRATEGY.learning
        parameters = {
            "objective": "reg:squarederror",
            "disable_default_eval_metric": 1,
            "tree_method": "hist",
            "max_bin": BINS,
            "nthread": chosen.threads,
            "seed": STRATEGY.seed,
            "learning_rate": 0.05,
            "max_depth": 4,
            "min_child_weight": max(20.0, 0.005 * int(train.sum())),
            "colsample_bytree": 0.5,
            "subsample": 0.7,
            "lambda": 10.0,
        }
        data = xgboost.QuantileDMatrix(self.matrix(train), self.label[train], max_bin=BINS, nthread=chosen.threads)
        if rounds is not None:
            booster = xgboost.train(parameters, data, rounds)
            test_ic = self.ic(booster.inplace_predict(self.matrix(test)), test)
            return rounds, None, self.ic(booster.predict(data), train), test_ic
        other = xgboost.QuantileDMatrix(self.matrix(judged), self.label[judged], ref=data, max_bin=BINS, nthread=chosen.threads)
        booster = xgboost.train(
            parameters,
            data,
            chosen.rounds,
            evals=[(other, "validation")],
            custom_metric=lambda predicted, _: ("ic", self.ic(predicted, judged)),
            maximize=True,
            early_stopping_rounds=chosen.patience,
            verbose_eval=False,
        )
        rounds = booster.best_iteration + 1
        return rounds, self.ic(booster.predict(other, iteration_range=(0, rounds)), judged), None, None


def loop(folder: Path) -> list[dict[str, Any]]:
    """All trainings of both models, one after another."""
    sessions = pl.read_parquet(folder / "*.parquet", columns=["date"])["date"].unique().sort().to_numpy()
    whole, fits = Loop(folder), []
    for window in planned_trainings(sessions, STRATEGY):
        span = validation_of(sessions[window.train], share=STRATEGY.learning.validation, gap=STRATEGY.learning_gap)
        train = whole.rows(window.train_from, window.train_to)
        test = whole.rows(window.test_from, window.test_to)
        fits += [whole.fit(kind, train, test, span) for kind in AVERAGED]
    return fits


def megabytes(field: str) -> float:
    """A figure of /proc: VmHWM is this program's own peak, while ru_maxrss would count that of the process that started it too."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    """Run one side, and print what it took and what it found."""
    import lightgbm  # noqa: F401 - so that imports are not counted
    import xgboost  # noqa: F401

    mean_ic(np.arange(4.0), np.arange(4, dtype=np.float32), np.array([0, 2, 4]))
    imported, wall, cpu = megabytes("VmRSS"), time.perf_counter(), time.process_time()
    fits = {"ours": ours, "loop": loop}[sys.argv[1]](Path(sys.argv[2]))
    figures = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    peak = megabytes("VmHWM")
    sys.stdout.write(json.dumps({**figures, "megabytes": peak, "net_megabytes": peak - imported, "fits": fits}) + "\n")


if __name__ == "__main__":
    main()
