"""Which trainings there are rows for, which share hyperparameters, and where their sessions stand."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import polars as pl
import pytest

from mech_exo_assets.quant.models.training import History
from mech_exo_tests.quant.models.panels import business_days, planted, strategy

FRAME = planted(700, 4, seed=3)
CHOSEN = {"train_months": 12, "refit_months": 4, "sample": 2, "embargo": 0}


@contextmanager
def planned(frame: pl.DataFrame = FRAME, **more: object) -> Generator:
    with History.of(frame.lazy(), strategy(**CHOSEN, **more), ()).planned() as plan:
        yield plan


@pytest.mark.parametrize(("every", "sizes"), [(0, [6]), (1, [1] * 6), (2, [2, 2, 2]), (4, [4, 2]), (9, [6])])
def test_trainings_share_hyperparameters_until_they_are_searched_again(every: int, sizes: list[int]):
    with planned(tuning={"trials": 2, "folds": 2, "every": every}) as plan:
        groups = plan.groups()
        assert [len(group) for group in groups] == sizes
        assert [window for group in groups for window in group] == plan.windows


def test_the_validation_and_every_inner_fold_lie_within_the_training_and_before_its_test():
    with planned(tuning={"trials": 2, "folds": 2, "every": 0}) as plan:
        for window in plan.windows:
            training, test = plan.training(window), plan.test(window)
            for fitted, judged in (plan.validation(window), *plan.inner_folds(window)):
                assert training.start <= fitted.start < fitted.stop < judged.start < judged.stop <= training.stop
            assert training.stop <= test.start
        assert plan.reference == plan.training(plan.windows[0])


def test_a_training_without_rows_enough_is_none_of_the_plan_and_bins_are_made_of_the_first_that_is():
    early = pl.col("date") < business_days(700)[300]
    with planned() as whole, planned(FRAME.with_columns(label=pl.when(early).then(None).otherwise("label"))) as plan:
        left = [window.number for window in plan.windows]
        assert 0 < len(left) < len(whole.windows)
        assert sorted([*left, *plan.skipped]) == [window.number for window in whole.windows]
        assert min(left) > max(plan.skipped)
        assert plan.reference == plan.training(plan.windows[0])


def test_where_no_training_has_rows_there_is_no_group():
    with planned(FRAME.with_columns(label=pl.lit(None, pl.Float32))) as plan:
        assert (plan.windows, plan.groups(), plan.reference) == ([], [], slice(0, 0))
