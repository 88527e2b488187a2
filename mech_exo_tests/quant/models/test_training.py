from __future__ import annotations

import datetime as dt
import json
import pickle

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.models import training as module
from mech_exo_assets.quant.models.prediction import OtherFeaturesError, prediction_table
from mech_exo_assets.quant.models.tables import fold_table, fresh_fits, known_from, model_table, stacking_table
from mech_exo_assets.quant.models.training import train
from mech_exo_assets.quant.walk_forward import NoWindowError
from mech_exo_assets.schemas import MODELS, PREDICTIONS, STACKING, TRAININGS
from mech_exo_assets.storage.contracts import conform
from mech_exo_tests.quant.models.panels import business_days, planted, strategy

FRAME = planted(900, 12, seed=4, linear=0.2, interaction=0.1)
CHOSEN = {"train_months": 18, "refit_months": 6, "rounds": 12, "patience": 4, "sample": 2, "embargo": 0}
NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def tables_of(done, before=None, run="run"):
    folds = {
        kind: fold_table(done, kind, TRAININGS[kind].empty() if before is None else before[kind], now=NOW, run=run) for kind in TRAININGS
    }
    return folds, model_table(done), stacking_table(done)


@pytest.fixture(scope="module")
def done():
    return train(FRAME.lazy(), strategy(**CHOSEN))


def test_every_training_has_every_model_and_its_figures_conform_to_their_tables(done):
    folds, models, stacking = tables_of(done)
    for kind, table in folds.items():
        conform(TRAININGS[kind], table)
        assert table["fold"].to_list() == list(range(1, len(table) + 1))
        assert table["test_to"].null_count() == 1
        assert (table["train_to"] < table["test_from"]).all()
        assert (table["validation_from"] > table["train_from"]).all()
        assert table["test_ic"].mean() > 0.05
    assert conform(MODELS, models).height == 3 * folds["ridge"].height
    assert conform(STACKING, stacking).group_by("fold").agg(pl.col("weight").sum())["weight"].to_list() == [1.0] * folds["ridge"].height
    assert not done.skipped


def test_two_trainings_of_the_same_give_identical_predictions(done):
    again = train(FRAME.lazy(), strategy(**CHOSEN))
    _, models, stacking = tables_of(done)
    _, others, weights = tables_of(again)
    assert prediction_table(FRAME, models, stacking, threads=2).equals(prediction_table(FRAME, others, weights, threads=2))


def elsewhere(function, parts):
    """Every part as another machine gets it, and its result as it comes back."""
    for part in parts:
        yield pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(part)))))  # noqa: S301 (of this test's own making)


@pytest.mark.parametrize("more", [{}, {"ensemble": "stacked"}, {"tuning": {"trials": 3, "folds": 2, "every": 2}}])
def test_models_that_are_fitted_elsewhere_are_those_that_are_fitted_here(more):
    chosen = strategy(**{**CHOSEN, "train_months": 24, **more})
    here, there, told = train(FRAME.lazy(), chosen), None, []
    for known in (None, "before"):
        before = None if known is None else known_from(*tables_of(there))
        there = train(FRAME.lazy(), chosen, known=before, each=elsewhere, progress=lambda *each: told.append(each))
        folds, models, stacking = tables_of(here)
        others, again, weights = tables_of(there, before and folds)
        assert all(folds[kind].equals(others[kind]) for kind in TRAININGS)
        assert models.equals(again)
        assert stacking.equals(weights)
    assert len({fit.window.number for fit in here.fits}) > 2
    assert told[-1] == (len(here.fits), len(here.fits))
    assert not any(fit.fresh for fit in there.fits)
    assert [(fit.kind, fit.window.number) for fit in there.fits] == [(fit.kind, fit.window.number) for fit in here.fits]


def test_where_too_few_rows_are_found_elsewhere_is_told_as_it_is_here():
    early = pl.col("date") < business_days(900)[330]
    frame = FRAME.with_columns(label=pl.when(early).then(None).otherwise("label")).lazy()
    assert train(frame, strategy(**CHOSEN), each=elsewhere).skipped == train(frame, strategy(**CHOSEN)).skipped != {}


def test_what_is_known_is_not_trained_again_and_keeps_its_run(done):
    folds, models, stacking = tables_of(done)
    again = train(FRAME.lazy(), strategy(**CHOSEN), known=known_from(folds, models, stacking))
    assert not any(fit.fresh for fit in again.fits)
    assert tables_of(again, folds, run="another")[0]["xgboost"].equals(folds["xgboost"])
    assert model_table(again).equals(models)
    assert not fresh_fits(again, "xgboost")


def test_a_longer_history_trains_only_what_has_come_due(done):
    folds, models, stacking = tables_of(done)
    days_more = planted(1000, 12, seed=9).filter(pl.col("date") > FRAME["date"].max())
    grown = train(pl.concat([FRAME, days_more]).lazy(), strategy(**CHOSEN), known=known_from(folds, models, stacking))
    fresh = [(fit.kind, fit.window.number) for fit in grown.fits if fit.fresh]
    assert fresh == [(kind, folds["ridge"].height + 1) for kind in TRAININGS]
    was_open = next(fit for fit in grown.fits if fit.window.number == folds["ridge"].height)
    assert was_open.figures["test_ic"] != folds[was_open.kind]["test_ic"][-1]


def test_a_retraining_that_was_asked_for_fits_one_more_model_of_each_kind_and_keeps_all_others(done):
    folds, models, stacking = tables_of(done)
    last = FRAME["date"].max()
    asked = train(FRAME.lazy(), strategy(**CHOSEN), asked=[last], known=known_from(folds, models, stacking))
    fresh = [fit for fit in asked.fits if fit.fresh]
    assert [(fit.kind, fit.window.number) for fit in fresh] == [(kind, folds["ridge"].height + 1) for kind in TRAININGS]
    assert all(fit.figures["test_ic"] is None for fit in fresh)
    assert {fit.window.train.stop for fit in fresh} == {900 - strategy(**CHOSEN).learning_gap}
    again, other, weights = tables_of(asked, folds)
    assert again["xgboost"]["test_to"].to_list()[-2:] == [last, None]
    # What was predicted until then stays; the next session is predicted by the new models.
    assert prediction_table(FRAME, other, weights, threads=2).equals(prediction_table(FRAME, models, stacking, threads=2))
    day_more = planted(901, 12, seed=9).filter(pl.col("date") > last)
    old, new = (prediction_table(day_more, *each, threads=2) for each in ((models, stacking), (other, weights)))
    assert new.height == old.height > 0
    assert not new.equals(old)
    # A training later, with the day in it, it is known and judged on it.
    later = train(pl.concat([FRAME, day_more]).lazy(), strategy(**CHOSEN), asked=[last], known=known_from(again, other, weights))
    assert not any(fit.fresh for fit in later.fits)


@pytest.mark.parametrize("change", [{"rounds": 11}, {"objective": "ranking"}, {"embargo": 5}, {"features": ("scores",)}])
def test_other_choices_are_another_model(done, change):
    known = known_from(*tables_of(done))
    first = next(fit for fit in train(FRAME.lazy(), strategy(**{**CHOSEN, **change}), known=known).fits if fit.kind == "lightgbm")
    assert first.fresh


def test_no_model_and_no_prediction_looks_ahead(done):
    """Everything after t changes: no model whose test had begun by then moves, and no prediction up to t."""
    t = business_days(900)[700]
    later = pl.col("date") > t
    changed = FRAME.with_columns(
        pl.when(later).then(-2 * pl.col(f"score_{n}")).otherwise(f"score_{n}").alias(f"score_{n}") for n in range(6)
    )
    # The label of a session is known horizon and lag later; whatever reaches beyond t changes too.
    reached = pl.col("date") > business_days(900)[700 - 22]
    changed = changed.with_columns(
        label=pl.when(reached).then(-pl.col("label")).otherwise("label"), sector=pl.when(later).then(None).otherwise("sector")
    )
    other = train(changed.lazy(), strategy(**CHOSEN))
    before = [fit for fit in done.fits if fit.window.test_from <= t]
    moved = [fit for fit in other.fits if fit.window.test_from <= t]
    assert len(before) > 6
    assert [fit.text for fit in before] == [fit.text for fit in moved]
    assert [fit.text for fit in done.fits] != [fit.text for fit in other.fits]
    predicted = [
        prediction_table(frame, model_table(each), stacking_table(each), threads=2).filter(pl.col("date") <= t)
        for frame, each in ((FRAME, done), (changed, other))
    ]
    assert predicted[0].height > 0
    assert predicted[0].equals(predicted[1])


def test_predictions_are_out_of_sample_only_and_each_session_has_one_training(done):
    folds, models, stacking = tables_of(done)
    table = conform(PREDICTIONS, prediction_table(FRAME, models, stacking, threads=2))
    first = folds["ridge"]["test_from"].min()
    assert table["date"].min() == first
    assert table.group_by("date", "symbol").len()["len"].unique().to_list() == [4]
    assert table["date"].n_unique() == FRAME.filter(pl.col("date") >= first)["date"].n_unique()


def test_a_year_alone_is_predicted_as_in_the_whole(done):
    _, models, stacking = tables_of(done)
    whole = prediction_table(FRAME, models, stacking, threads=2).filter(pl.col("date").dt.year() == 2012)
    assert prediction_table(FRAME.filter(pl.col("date").dt.year() == 2012), models, stacking, threads=2).equals(whole)


def test_a_dataset_with_other_features_is_refused_with_what_to_do(done):
    _, models, stacking = tables_of(done)
    with pytest.raises(OtherFeaturesError, match=r"score_3 is not in the dataset any more\..*mech-exo learn"):
        prediction_table(FRAME.drop("score_3"), models, stacking, threads=2)
    with pytest.raises(OtherFeaturesError, match=r"score_9 is in the dataset now"):
        prediction_table(FRAME.with_columns(score_9=pl.col("score_1")), models, stacking, threads=2)


def test_hyperparameters_are_searched_when_due_and_kept_in_between():
    chosen = strategy(**{**CHOSEN, "tuning": {"trials": 3, "folds": 2, "every": 2}})
    found = train(FRAME.lazy(), chosen)
    folds, *known = tables_of(found)
    searched = sorted({number for _, number in found.tuning})
    assert searched == list(range(1, folds["lightgbm"].height + 1, 2))
    parameters = [json.loads(text) for text in folds["lightgbm"]["parameters"]]
    assert parameters[0] == parameters[1]
    again = train(FRAME.lazy(), chosen, known=known_from(folds, *known))
    assert not any(fit.fresh for fit in again.fits)
    assert not again.tuning


def test_stacked_weights_come_from_the_validation_and_are_kept():
    chosen = strategy(**{**CHOSEN, "ensemble": "stacked"})
    found = train(FRAME.lazy(), chosen)
    folds, models, stacking = tables_of(found)
    assert (stacking["weight"] >= 0).all()
    assert stacking.filter(model="ridge")["weight"].sum() > 0
    again = train(FRAME.lazy(), chosen, known=known_from(folds, models, stacking))
    assert stacking_table(again).equals(stacking)


def test_weights_of_a_rank_average_are_not_taken_for_stacked_ones():
    """The ensemble is another one, and no model has to be fitted anew for it."""
    folds, models, averaged = tables_of(train(FRAME.lazy(), strategy(**CHOSEN)))
    stacked = strategy(**{**CHOSEN, "ensemble": "stacked"})
    found = train(FRAME.lazy(), stacked, known=known_from(folds, models, averaged))
    assert not any(fit.fresh for fit in found.fits)
    assert stacking_table(found).equals(stacking_table(train(FRAME.lazy(), stacked)))


def test_progress_is_told_model_by_model():
    told = []
    train(FRAME.lazy(), strategy(**{**CHOSEN, "train_months": 30}), progress=lambda *each: told.append(each))
    assert told == [(number, 6) for number in range(1, 7)]


def test_trainings_with_too_few_labels_are_skipped_with_the_reason():
    early = pl.col("date") < business_days(900)[330]
    found = train(FRAME.with_columns(label=pl.when(early).then(None).otherwise("label")).lazy(), strategy(**CHOSEN))
    assert list(found.skipped) == [1, 2]
    assert "0 sampled sessions" in found.skipped[1]
    assert min(fit.window.number for fit in found.fits) == 3


def test_a_history_without_labels_gives_no_model_and_says_why():
    found = train(FRAME.with_columns(label=pl.lit(None, pl.Float32)).lazy(), strategy(**CHOSEN))
    assert not found.fits
    assert found.skipped
    assert all(table.is_empty() for table in tables_of(found)[0].values())


def test_a_short_history_and_a_validation_that_leaves_nothing_are_refused():
    with pytest.raises(NoWindowError, match=r"learning\.train_months"):
        train(FRAME.head(12 * 100).lazy(), strategy(**CHOSEN))
    with pytest.raises(InputError, match=r"learning\.validation"):
        train(FRAME.lazy(), strategy(**{**CHOSEN, "validation": 0.89, "embargo": 60}))


def test_the_rows_of_a_training_leave_the_disk_when_it_fails(monkeypatch):
    opened = []
    original = module.TrainingRows.of.__func__

    def watched(cls, *arguments, **named):
        opened.append(original(cls, *arguments, **named))
        return opened[-1]

    monkeypatch.setattr(module.TrainingRows, "of", classmethod(watched))
    with pytest.raises(InputError):
        train(FRAME.lazy(), strategy(**{**CHOSEN, "validation": 0.89, "embargo": 60}))
    assert opened[0]._file.closed


def test_figures_are_plain_numbers_and_dates(done):
    row = tables_of(done)[0]["lightgbm"].row(0, named=True)
    assert isinstance(row["validation_from"], dt.date)
    assert isinstance(row["rounds"], int)
    assert np.isfinite([row["train_ic"], row["validation_ic"], row["test_ic"]]).all()
