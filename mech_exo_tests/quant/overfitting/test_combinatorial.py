"""Combinatorial purged paths: what the rule sees, how paths are joined, and what noise and truth give."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting import best_sharpe, combinatorial_paths
from mech_exo_tests.quant.overfitting import panels


def trainings(sessions, **kind):
    """Sessions that the rule sees, split by split: the first trial's return is the number of its session."""
    seen = []

    def rule(training):
        seen.append(training[:, 0].round().astype(int))
        return 0

    combinatorial_paths(np.column_stack([np.arange(sessions, dtype=float), np.ones(sessions)]), rule, **kind)
    return seen


def test_purge_and_embargo_keep_their_distance_from_every_tested_fold():
    purge, embargo, folds, length = 3, 2, 6, 20
    for seen, tested in zip(
        trainings(folds * length, folds=folds, test_folds=2, purge=purge, embargo=embargo), combinations(range(folds), 2), strict=True
    ):
        # By the definition, written down on its own: a session is seen if it is in no test, nor too near to one.
        expected = [
            t
            for t in range(folds * length)
            if all(t < fold * length - purge or t >= (fold + 1) * length + purge + embargo for fold in tested)
        ]
        assert seen.tolist() == expected


def test_each_path_holds_every_session_once_and_earns_what_was_chosen_for_it():
    returns = panels.noise(1, sessions=120, trials=4)
    found = combinatorial_paths(returns, best_sharpe, folds=6, test_folds=2)
    assert found.n_splits == 15
    assert found.returns.shape == (120, 5)
    for fold in range(6):
        span = slice(20 * fold, 20 * fold + 20)
        choices = []
        for tested in combinations(range(6), 2):
            if fold in tested:
                training = np.concatenate([returns[20 * each : 20 * each + 20] for each in range(6) if each not in tested])
                choices.append(best_sharpe(training))
        np.testing.assert_allclose(found.returns[span], returns[span][:, choices])


def test_summaries_are_those_of_the_paths():
    found = combinatorial_paths(panels.noise(2, sessions=300, trials=6), folds=6, test_folds=3)
    ratio = found.returns.mean(axis=0) / found.returns.std(axis=0, ddof=1) * 252**0.5
    np.testing.assert_allclose(found.sharpe, ratio)
    assert found.mean == pytest.approx(ratio.mean())
    assert found.deviation == pytest.approx(ratio.std(ddof=1))
    assert found.share_below_zero == np.mean(ratio < 0)
    assert found.quantiles[0.5] == pytest.approx(np.median(ratio))
    assert list(found.quantiles) == [0.05, 0.25, 0.5, 0.75, 0.95]


def test_weights_are_the_same_as_choosing_where_all_weight_is_on_one_trial():
    returns = panels.noise(3, sessions=200, trials=3)
    chosen = combinatorial_paths(returns, lambda _: 2)
    weighted = combinatorial_paths(returns, lambda _: np.array([0.0, 0.0, 1.0]))
    np.testing.assert_array_equal(chosen.sharpe, weighted.sharpe)
    np.testing.assert_allclose(chosen.returns[:, 0], returns[:, 2])


def test_what_earns_nothing_has_a_ratio_of_zero():
    found = combinatorial_paths(panels.noise(3, sessions=200, trials=3), lambda _: np.zeros(3))
    assert not found.sharpe.any()
    assert best_sharpe(np.zeros((10, 3))) == 0


def test_the_best_of_worthless_trials_earns_nothing_out_of_sample_and_a_true_one_what_it_is_worth():
    found = panels.paths(range(20), trials=50)[:, 0]
    assert abs(found.mean()) < 3 * panels.standard_error(found)
    true = panels.paths(range(20), 3.0, trials=50)[:, 0]
    assert true.mean() == pytest.approx(3.0, abs=3 * panels.standard_error(true))


def test_what_cannot_be_cut_is_refused_with_the_reason():
    returns = panels.noise(1, sessions=100, trials=3)
    with pytest.raises(InputError, match=r"10 folds of 10, and a fold needs at least 11 \(purge 6 \+ embargo 3 \+ 2\)"):
        combinatorial_paths(returns, purge=6, embargo=3)
    with pytest.raises(InputError, match="leave 0 sessions of a training"):
        combinatorial_paths(returns[:30], folds=3, test_folds=2, purge=8)
    with pytest.raises(ValueError, match="2 <= test_folds < folds"):
        combinatorial_paths(returns, folds=5, test_folds=5)
    with pytest.raises(ValueError, match="neither can be negative"):
        combinatorial_paths(returns, purge=-1)
    with pytest.raises(ValueError, match="the rule chose trial 3; the trials are 0 to 2"):
        combinatorial_paths(returns, lambda _: 3)
    with pytest.raises(ValueError, match="wanted are 3 finite ones"):
        combinatorial_paths(returns, lambda _: np.array([1.0, np.nan, 0.0]))


def test_paths_with_holes_are_never_judged(monkeypatch):
    from skfolio.model_selection import CombinatorialPurgedCV

    monkeypatch.setattr(CombinatorialPurgedCV, "get_path_ids", lambda self: np.zeros((self.n_splits, self.n_test_folds), dtype=int))
    with pytest.raises(ValueError, match="do not cover every session"):
        combinatorial_paths(panels.noise(1, sessions=100, trials=3))
