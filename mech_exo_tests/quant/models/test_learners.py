"""One suite for all kinds of model; what a learner promises stands in `learners.Learner`."""

from __future__ import annotations

import numpy as np
import optuna
import polars as pl
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.preprocessing import StandardScaler

from mech_exo_assets.quant.models import fitted
from mech_exo_assets.quant.models.catalogue import open_learner
from mech_exo_assets.quant.models.fitted import KINDS, Features
from mech_exo_assets.quant.models.learners import grades
from mech_exo_assets.quant.models.ridge_learner import PENALTIES
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_tests.quant.models.panels import business_days, planted, strategy

FRAME = planted(160, 30, seed=5, linear=0.15, interaction=0.15)
TRAIN, VALIDATION, TEST = slice(0, 80), slice(85, 110), slice(115, 160)
BOOSTED = ("lightgbm", "xgboost")
every_kind = pytest.mark.parametrize("kind", KINDS)
every_objective = pytest.mark.parametrize("objective", ["regression", "ranking"])


def rows_of(frame=FRAME, *, with_sector=True):
    return TrainingRows.of(
        [frame], Features.of(frame.columns, frame["sector"].to_list(), with_sector=with_sector), sampled=business_days(160)
    )


def opened(kind, rows, **choices):
    return open_learner(kind, rows, TRAIN, strategy(**{"rounds": 40, "patience": 10, **choices}).learning, seed=1)


def fitted_on(kind, frame=FRAME, sessions=TRAIN, **choices):
    with rows_of(frame) as rows:
        learner = opened(kind, rows, **choices)
        parameters = {**learner.defaults(), **({"penalty": 0.1} if kind == "ridge" else {})}
        return learner.fit(sessions, parameters, rounds=None if kind == "ridge" else 20).to_text()


@every_objective
@every_kind
def test_a_model_finds_what_was_planted_out_of_sample(kind, objective):
    with rows_of() as rows:
        learner = opened(kind, rows, objective=objective)
        stopped = learner.fit_until(TRAIN, VALIDATION, learner.defaults())
        model = learner.fit(TRAIN, stopped.parameters, rounds=stopped.rounds)
        # 45 sessions of 30 names: the standard error of a mean IC is 1/√29/√45 = 0.028.
        assert rows.mean_ic(TEST, rows.predicted(TEST, model)) > 3 * 0.028
        assert rows.mean_ic(VALIDATION, stopped.predicted) > 0
        assert len(stopped.predicted) == 25 * 30


@every_objective
@every_kind
def test_the_same_arguments_give_the_same_model_to_the_last_bit(kind, objective):
    assert fitted_on(kind, objective=objective) == fitted_on(kind, objective=objective)


@every_kind
def test_nothing_after_the_training_and_the_reference_moves_a_model(kind):
    later = pl.col("date") >= business_days(160)[80]
    scores = [f"score_{number}" for number in range(6)]
    changed = FRAME.with_columns(pl.when(later).then(1 - 3 * pl.col(name)).otherwise(name).alias(name) for name in scores)
    changed = changed.with_columns(label=pl.when(later).then(-pl.col("label")).otherwise("label"))
    assert fitted_on(kind, changed) == fitted_on(kind)


@every_kind
def test_a_model_reads_only_the_sessions_that_it_is_fitted_on(kind):
    outside = (pl.col("date") < business_days(160)[40]) & (pl.col("date") >= business_days(160)[0])
    changed = FRAME.with_columns(label=pl.when(outside).then(-pl.col("label")).otherwise("label"))
    assert fitted_on(kind, changed, sessions=slice(40, 80)) == fitted_on(kind, sessions=slice(40, 80))
    assert fitted_on(kind, changed) != fitted_on(kind)


@pytest.mark.parametrize("kind", BOOSTED)
def test_early_stopping_takes_the_round_with_the_largest_ic_on_the_validation(kind):
    with rows_of() as rows:
        learner = opened(kind, rows)
        stopped = learner.fit_until(TRAIN, VALIDATION, learner.defaults())
        ics = [rows.mean_ic(VALIDATION, rows.predicted(VALIDATION, learner.fit(TRAIN, learner.defaults(), rounds=n))) for n in range(1, 41)]
    looked_at = ics[: stopped.rounds + 10]
    assert stopped.rounds == int(np.argmax(looked_at)) + 1
    assert rows.mean_ic(VALIDATION, stopped.predicted) == pytest.approx(max(looked_at))


@pytest.mark.parametrize("kind", BOOSTED)
def test_a_fit_without_rounds_is_refused(kind):
    with rows_of() as rows:
        learner = opened(kind, rows)
        with pytest.raises(ValueError, match="number of rounds"):
            learner.fit(TRAIN, learner.defaults(), rounds=None)


def test_a_fit_from_stored_bins_is_lightgbms_own_fit_where_the_edges_are_the_same():
    import lightgbm

    with rows_of(with_sector=False) as rows:
        learner = opened("lightgbm", rows)
        ours = learner.fit(TRAIN, learner.defaults(), rounds=20).booster
        train = rows.of_sessions(TRAIN)
        parameters = learner._of(learner.defaults(), TRAIN)
        plain = lightgbm.Dataset(rows.read(train), rows.label[train], params=parameters, feature_name=list(rows.features.names))
        theirs = lightgbm.train(parameters, plain, 20)
        later = rows.read(rows.of_sessions(TEST))
        np.testing.assert_array_equal(ours.predict(later), theirs.predict(later))


def test_ridge_is_scikit_learns_on_standardised_features():
    with rows_of(with_sector=False) as rows:
        learner = opened("ridge", rows)
        train = rows.of_sessions(TRAIN)
        scaled = StandardScaler().fit_transform(rows.read(train).astype(np.float64))
        theirs = SklearnRidge(alpha=0.1 * len(scaled)).fit(scaled, rows.label[train].astype(np.float64))
        ours = learner.fit(TRAIN, {"penalty": 0.1}, rounds=None)
        np.testing.assert_allclose(ours.coefficients, theirs.coef_, rtol=1e-9)
        np.testing.assert_allclose(ours.predict(rows.read(train)), theirs.predict(scaled), atol=1e-10)
        assert learner.fit_until(TRAIN, VALIDATION, {}).parameters["penalty"] in PENALTIES


def test_ridge_takes_the_mean_for_what_is_missing_and_nothing_from_a_constant_feature():
    frame = FRAME.with_columns(score_5=pl.lit(2.0, pl.Float32), score_4=pl.lit(None, pl.Float32))
    with rows_of(frame) as rows:
        model = opened("ridge", rows).fit(TRAIN, {"penalty": 0.1}, rounds=None)
        assert model.coefficients[4] == 0.0
        assert model.coefficients[5] == 0.0
        row = rows.read(slice(0, 1)).copy()
        row[0, :6] = np.nan
        assert model.predict(row)[0] == pytest.approx(model.intercept)


@every_kind
def test_a_model_is_read_back_from_its_text_and_its_contributions_add_up(kind):
    with rows_of() as rows:
        learner = opened(kind, rows)
        stopped = learner.fit_until(TRAIN, VALIDATION, learner.defaults())
        again = fitted.load(kind, rows.features, stopped.model.to_text(), threads=2)
        later = rows.read(rows.of_sessions(TEST))
        np.testing.assert_array_equal(again.predict(later), stopped.model.predict(later))
        contributions = again.contributions(later)
        assert contributions.shape == (len(later), len(rows.features.names) + 1)
        np.testing.assert_allclose(contributions.sum(axis=1), again.predict(later), atol=1e-5)
        assert Features.from_json(rows.features.to_json()) == rows.features


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="kind is 'forest'"):
        fitted.load("forest", Features(("score_0",)), "")
    with rows_of() as rows, pytest.raises(ValueError, match="kind is 'forest'"):
        opened("forest", rows)


@every_kind
def test_suggested_parameters_are_those_that_the_learner_takes(kind):
    trial = optuna.trial.FixedTrial({"leaves": 8, "depth": 3, "least_share": 0.01, "feature_share": 0.5, "row_share": 0.9, "l2": 1.0})
    with rows_of() as rows:
        learner = opened(kind, rows)
        assert set(learner.suggest(trial)) == set(learner.defaults())


def test_grades_of_normal_scores_are_tenths():
    chance = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    counts = np.bincount(grades(chance), minlength=10)
    # A share of a tenth over 100 000 draws has a standard error of 95 counts.
    assert (abs(counts - 10_000) < 5 * 95).all()
