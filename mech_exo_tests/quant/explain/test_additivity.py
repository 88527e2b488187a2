"""Contributions sum to the prediction; where they do not, it is an error that names row and gap."""

from __future__ import annotations

import numpy as np
import pytest

from mech_exo_assets.quant.explain.additivity import TOLERANCE, additivity_gap, checked_contributions
from mech_exo_tests.quant.explain.planted import learned, ridge, unseen_rows


@pytest.mark.parametrize("model", [learned()[0], learned()[1], ridge()], ids=lambda model: model.kind)
def test_contributions_of_every_model_sum_to_its_prediction(model):
    rows = unseen_rows()
    contributions, prediction, gap = checked_contributions(model, rows, where=model.kind)
    np.testing.assert_allclose(contributions.sum(axis=1), prediction, atol=1e-5)
    np.testing.assert_array_equal(prediction, model.predict(rows))
    assert gap <= 1e-5
    assert contributions.shape == (len(rows), len(model.features.names) + 1)


def test_a_gap_is_an_error_that_names_model_row_and_size():
    contributions = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match=r"ridge, training 3, row 1: .* sum to 0.6, the prediction is 0.7, a gap of 0.1 .*; 1 of 3 rows"):
        additivity_gap(contributions, np.array([0.6, 0.7, 0.0]), where="ridge, training 3")


def test_a_contribution_that_is_no_number_is_an_error():
    with pytest.raises(ValueError, match="row 0"):
        additivity_gap(np.array([[np.nan, 0.0]]), np.array([0.0]), where="m")


def test_the_gap_is_the_largest_and_in_proportion_to_large_predictions():
    contributions = np.array([[1e-6, 0.0], [100.0005, 0.0]])
    assert additivity_gap(contributions, np.array([0.0, 100.0]), where="m") == pytest.approx(5e-6)
    with pytest.raises(ValueError, match="row 1"):
        additivity_gap(contributions, np.array([0.0, 100.0]), where="m", tolerance=TOLERANCE / 10)


def test_no_rows_have_no_gap():
    model = learned()[0]
    contributions, prediction, gap = checked_contributions(model, unseen_rows()[:0], where="m")
    assert contributions.shape == (0, len(model.features.names) + 1)
    assert len(prediction) == 0
    assert gap == 0.0
