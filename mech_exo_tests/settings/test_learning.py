"""The section `learning`: what is accepted, what a mistake is told, and what follows from the choices."""

from __future__ import annotations

from pathlib import Path

import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Strategy, load_strategy


def loaded(folder: Path, text: str) -> Strategy:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_strategy(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("learning: {features: []}", "learning.features: Tuple should have at least 1 item after validation, not 0 (got [])."),
        ("learning: {features: [scores, prices]}", "learning.features.1: Input should be 'scores', 'changes', 'ranks',"),
        (
            "learning: {features: [market, liquidity]}",
            "learning.features: needs one of scores, changes, ranks, interactions; nothing else tells the names of a session apart",
        ),
        ("learning: {horizon: 7}", "learning.horizon: 7 is none of the horizons [1, 5, 10, 21, 63]; take one of them."),
        (
            "learning: {train_months: 1}",
            (
                "learning.train_months: 1 are at most 23 sessions, and execution_lag, horizon and learning.embargo leave 43 of them out "
                "before the test and as many before the validation; take more months, or a shorter horizon."
            ),
        ),
        ("learning: {refit_months: 0}", "learning.refit_months: Input should be greater than 0 (got 0)."),
        ("learning: {label: return}", "learning.label: Input should be 'rank' or 'standardised' (got 'return')."),
        ("learning: {residual: [country]}", "learning.residual.0: Input should be 'market' or 'sector' (got 'country')."),
        ("learning: {change_sessions: 121}", "learning.change_sessions: Input should be less than or equal to 120 (got 121)."),
        ("learning: {window: sliding}", "learning.window: Input should be 'expanding' or 'rolling' (got 'sliding')."),
        ("learning: {embargo: -1}", "learning.embargo: Input should be greater than or equal to 0 (got -1)."),
        ("learning: {sample: 0}", "learning.sample: Input should be greater than or equal to 1 (got 0)."),
        ("learning: {validation: 0.9}", "learning.validation: Input should be less than 0.9 (got 0.9)."),
        ("learning: {objective: classification}", "learning.objective: Input should be 'regression' or 'ranking' (got 'classification')."),
        ("learning: {ensemble: mean}", "learning.ensemble: Input should be 'rank_average' or 'stacked' (got 'mean')."),
        ("learning: {rounds: 0}", "learning.rounds: Input should be greater than or equal to 1 (got 0)."),
        ("learning: {patience: 0}", "learning.patience: Input should be greater than 0 (got 0)."),
        ("learning: {threads: 0}", "learning.threads: Input should be greater than or equal to 1 (got 0)."),
        ("learning: {tuning: {folds: 1}}", "learning.tuning.folds: Input should be greater than or equal to 2 (got 1)."),
        ("learning: {tuning: {trials: -1}}", "learning.tuning.trials: Input should be greater than or equal to 0 (got -1)."),
        ("learning: {gate: {weight: 0}}", "learning.gate.weight: Input should be greater than 0 (got 0)."),
        ("learning: {gate: {confidence: 0.5}}", "learning.gate.confidence: Input should be greater than 0.5 (got 0.5)."),
        ("learning: {gate: {sessions: 62}}", "learning.gate.sessions: Input should be greater than or equal to 63 (got 62)."),
        ("learning: {blend: {maximum: 1}}", "learning.blend.maximum: Input should be less than 1 (got 1)."),
        (
            "learning: {blend: {step: 0.4, maximum: 0.3}}",
            "learning.blend: step: 0.4 is above maximum: 0.3, so that the weight could never move; lower the step",
        ),
        ("learning: {refit_month: 6}", "unknown key 'learning.refit_month'; did you mean 'learning.refit_months'?"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, text: str, complaint: str):
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, text)
    said = str(refused.value)
    assert complaint in said
    assert len(said.splitlines()) == 1


def test_what_is_learned_follows_the_horizons_until_it_is_chosen(tmp_path: Path):
    assert load_strategy().learning_horizon == 21
    assert loaded(tmp_path, "horizons: [1, 5]").learning_horizon == 5
    assert loaded(tmp_path, "horizons: [30, 63]").learning_horizon == 30
    assert loaded(tmp_path, "learning: {horizon: 63}").learning_horizon == 63


def test_between_a_training_and_its_test_lie_lag_horizon_and_embargo(tmp_path: Path):
    assert load_strategy().learning_gap == 1 + 21 + 21
    assert loaded(tmp_path, "learning: {embargo: 0}").learning_gap == 1 + 21
    assert loaded(tmp_path, "{execution_lag: 2, learning: {horizon: 5, embargo: 3}}").learning_gap == 2 + 5 + 3


def test_a_training_takes_a_session_in_every_quarter_of_the_horizon(tmp_path: Path):
    assert load_strategy().learning_sample == 5
    assert loaded(tmp_path, "learning: {horizon: 1}").learning_sample == 1
    assert loaded(tmp_path, "learning: {sample: 2}").learning_sample == 2


def test_the_order_of_the_features_is_not_a_choice(tmp_path: Path):
    one, other = (loaded(tmp_path, f"learning: {{features: [{kinds}]}}") for kinds in ("market, scores", "scores, market, market"))
    assert one.learning.features == other.learning.features == ("scores", "market")
