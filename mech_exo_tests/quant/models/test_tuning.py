from __future__ import annotations

import numpy as np
import pytest

from mech_exo_assets.quant.models.catalogue import open_learner
from mech_exo_assets.quant.models.fitted import Features
from mech_exo_assets.quant.models.learners import Stopped
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_assets.quant.models.tuning import tune
from mech_exo_tests.quant.models.panels import business_days, planted, strategy

FRAME = planted(120, 20, seed=2, linear=0.2)
FOLDS = [(slice(0, 40), slice(45, 70)), (slice(0, 65), slice(70, 95)), (slice(0, 90), slice(95, 120))]


class Mixed:
    """A learner whose prediction is the label times its only parameter, and the rest noise, so that larger is better."""

    kind = "mixed"

    def __init__(self, rows):
        self.rows, self.judged = rows, []

    def defaults(self):
        return {"share": 0.5}

    def suggest(self, trial):
        return {"share": trial.suggest_float("share", 0.0, 1.0)}

    def fit_until(self, sessions, validation, parameters):
        self.judged.append((sessions, validation, parameters["share"]))
        label, _ = self.rows.labels(validation)
        noise = np.random.default_rng(len(label)).normal(size=len(label))
        return Stopped(None, 1, parameters, parameters["share"] * label + (1 - parameters["share"]) * noise)


@pytest.fixture(scope="module")
def rows():
    with TrainingRows.of([FRAME], Features.of(FRAME.columns, [], with_sector=False), sampled=business_days(120)) as written:
        yield written


def test_the_best_parameters_are_found_and_bad_trials_are_given_up_before_the_last_fold(rows):
    learner = Mixed(rows)
    found = tune(learner, rows, FOLDS, trials=25, seed=3)
    assert found.parameters["share"] > 0.85
    assert found.trials == 25
    assert 5 <= found.pruned < 25
    assert len(learner.judged) < 25 * len(FOLDS)
    shares = {share for _, _, share in learner.judged}
    completed = {share for _, validation, share in learner.judged if validation == FOLDS[-1][1]}
    assert len(completed) == 25 - found.pruned
    assert np.mean(sorted(completed)) > np.mean(sorted(shares - completed))


def test_the_defaults_are_tried_first_and_win_where_nothing_beats_them(rows):
    learner = Mixed(rows)
    assert tune(learner, rows, FOLDS, trials=1, seed=3).parameters == {"share": 0.5}
    assert [share for _, _, share in learner.judged] == [0.5] * 3


def test_the_same_seed_finds_the_same(rows):
    chosen = strategy(rounds=15, patience=5).learning
    found = [tune(open_learner("lightgbm", rows, FOLDS[0][0], chosen, seed=1), rows, FOLDS, trials=5, seed=8) for _ in range(2)]
    assert found[0] == found[1]


def test_without_a_fold_there_is_nothing_to_tune_on(rows):
    with pytest.raises(ValueError, match="one fold"):
        tune(Mixed(rows), rows, [], trials=3, seed=0)


def test_more_folds_than_are_kept_find_the_same_as_a_learner_that_keeps_none(rows):
    folds = [(slice(0, 20 + 10 * number), slice(25 + 10 * number, 40 + 10 * number)) for number in range(6)]
    chosen = strategy(rounds=8, patience=3).learning

    def found(*, forgetful):
        learner = open_learner("xgboost", rows, folds[0][0], chosen, seed=1)
        if forgetful:
            kept = learner.fit_until
            learner.fit_until = lambda *arguments: (learner.forget(), kept(*arguments))[1]
        return tune(learner, rows, folds, trials=3, seed=8)

    assert found(forgetful=False) == found(forgetful=True)
