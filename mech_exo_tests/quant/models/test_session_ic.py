from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from mech_exo_assets.quant.models.session_ic import mean_ic, session_ics


@given(st.lists(st.integers(2, 90), min_size=1, max_size=6), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None)
def test_it_is_spearmans_correlation_of_each_session_ties_included(sizes, seed, tied):
    chance = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    predicted, label = chance.normal(size=starts[-1]), chance.normal(size=starts[-1]).astype(np.float32)
    if tied:
        predicted = predicted.round()
    ours = session_ics(predicted, label, starts)
    for at, (first, stop) in enumerate(itertools.pairwise(starts)):
        if np.ptp(predicted[first:stop]) == 0 or np.ptp(label[first:stop]) == 0:
            assert np.isnan(ours[at])
        else:
            np.testing.assert_allclose(ours[at], spearmanr(predicted[first:stop], label[first:stop]).statistic, atol=1e-12)


def test_a_session_of_which_nothing_is_said_counts_as_zero_in_the_mean():
    label = np.array([1, 2, 3, 1, 2, 3], np.float32)
    assert mean_ic(np.array([1.0, 2, 3, 5, 5, 5]), label, np.array([0, 3, 6])) == 0.5
    assert np.isnan(mean_ic(np.zeros(0), np.zeros(0, np.float32), np.array([0])))
