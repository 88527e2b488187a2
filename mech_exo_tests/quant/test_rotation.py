"""What the evidence recommends: its formula against integration of the posterior, and what becomes of the weights."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from mech_exo_assets.quant.rotation import evidence_of, recommended_weights, rotation
from mech_exo_assets.schemas import ROTATION, STATISTICS, STATUS

PRIOR = 0.02
HORIZON = 21
ESTIMATES = (-0.04, -0.002, 0.0, 0.002, 0.01, 0.04, 0.1)
Row = dict[str, Any]


def posterior_mean_over_estimate(ic: float, t: float, prior: float) -> float:
    """E(mu | m) / m, with mu 0 with probability 1/2 and else normal about 0, by quadrature over the slab."""
    error = ic / t
    spread = min(prior, error)
    near = sorted({0.0, ic, *(ic + k * spread for k in (-8, -3, 3, 8)), *(k * prior for k in (-8, -3, 3, 8))})

    def integral(power: int) -> float:
        def density(mu: float) -> float:
            return mu**power * norm.pdf(ic, mu, error) * norm.pdf(mu, 0.0, prior)

        return sum(quad(density, a, b, epsabs=0.0, epsrel=1e-12)[0] for a, b in pairwise(near))

    return integral(1) / (integral(0) + norm.pdf(ic, 0.0, error)) / ic


def status(factor: str, name: str = "healthy", **changes: object) -> Row:
    row = {
        "factor": factor,
        "status": name,
        "since": dt.date(2020, 1, 2),
        "alarm_date": None,
        "change_date": None,
        "ic_before": 0.03,
        "ic_after": None,
        "alive": 0.9,
        "n_sessions": 800,
        "reason": "for a test",
    }
    return {**row, **changes}


def decayed(factor: str, **changes: object) -> Row:
    change = {"alarm_date": dt.date(2021, 3, 1), "change_date": dt.date(2021, 2, 1), "ic_before": 0.041, "ic_after": -0.006, "alive": 0.05}
    return status(factor, "decayed", **{**change, **changes})


def estimate(factor: str, ic: float | None, t: float | None, *, horizon: int = HORIZON) -> Row:
    return {"factor": factor, "horizon": horizon, "mean_ic": 0.5, "t_hac": 50.0, "residual_ic": ic, "residual_t": t}


def table(statuses: list[Row], estimates: list[Row], weights: dict[str, float]) -> pl.DataFrame:
    ours = rotation(
        pl.DataFrame(statuses, schema=STATUS.dtypes()),
        pl.DataFrame(estimates, schema=STATISTICS.dtypes()),
        weights,
        horizon=HORIZON,
        prior_ic=PRIOR,
    )
    assert ours.schema == pl.Schema(ROTATION.dtypes())
    return ours


def rows(statuses: list[Row], estimates: list[Row], weights: dict[str, float]) -> dict[str, Row]:
    return {row["factor"]: row for row in table(statuses, estimates, weights).iter_rows(named=True)}


@pytest.mark.parametrize("prior", [0.005, 0.02, 0.1])
@pytest.mark.parametrize("t", [0.1, 1.0, 2.0, 3.0, 6.0])
@pytest.mark.parametrize("ic", [0.002, 0.01, 0.04])
def test_evidence_is_the_posterior_mean_over_the_estimate(ic, t, prior):
    assert evidence_of(ic, t, prior_ic=prior) == pytest.approx(posterior_mean_over_estimate(ic, t, prior), rel=1e-9)


def test_evidence_at_some_figures_that_can_be_checked_by_hand():
    # tau = s: shrinkage 1/2, B = exp(t²/4)/√2.
    assert evidence_of(0.06, 3.0, prior_ic=0.02) == pytest.approx(0.5 / (1 + np.sqrt(2) * np.exp(-9 / 4)), rel=1e-14)
    # Without any information the prior stands: half of nothing; with all of it, the estimate.
    assert evidence_of(0.02, 1e-6, prior_ic=0.02) == pytest.approx(0.5e-12, rel=1e-9)
    assert evidence_of(0.02, 1e4, prior_ic=0.02) == pytest.approx(1.0, abs=1e-7)


positive = st.floats(1e-6, 0.5)
ratio = st.floats(0.01, 60.0)


@given(positive, st.floats(0.0, 1e12, exclude_min=True), positive)
def test_evidence_lies_between_nought_and_one_whatever_the_figures(ic, t, prior):
    assert 0.0 <= evidence_of(ic, t, prior_ic=prior) <= 1.0


@given(positive, ratio, st.floats(1.001, 3.0), positive)
def test_a_larger_estimate_with_the_same_error_is_stronger_evidence(error, t, larger, prior):
    less, more = (evidence_of(error * each, each, prior_ic=prior) for each in (t, larger * t))
    assert more >= less * (1 - 1e-12)


@given(positive, st.floats(1.0, 60.0), st.floats(1.001, 3.0), positive)
def test_the_same_estimate_with_a_smaller_error_is_stronger_evidence_from_a_t_of_one_on(ic, t, larger, prior):
    """Below 1 it need not be: an estimate well inside its error speaks for the spike the more, the smaller that error is against tau."""
    less, more = (evidence_of(ic, each, prior_ic=prior) for each in (t, larger * t))
    assert more >= less * (1 - 1e-12)


@given(ic=st.floats(-0.5, 0.0), t=st.floats(-60.0, 60.0))
def test_an_estimate_that_is_not_positive_is_no_evidence(ic, t):
    assert evidence_of(ic, t, prior_ic=PRIOR) == 0.0
    assert evidence_of(-ic, -abs(t), prior_ic=PRIOR) == 0.0


def test_the_multiplier_is_evidence_times_the_probability_that_it_works():
    found = rows([status("a", alive=0.37), status("b", alive=0.0)], [estimate("a", 0.03, 4.0), estimate("b", 0.03, 4.0)], {"a": 1, "b": 1})
    assert found["a"]["evidence"] == evidence_of(0.03, 4.0, prior_ic=PRIOR)
    assert found["a"]["alive"] == 0.37
    assert found["a"]["multiplier"] == pytest.approx(0.37 * evidence_of(0.03, 4.0, prior_ic=PRIOR), rel=1e-15)
    assert found["a"]["status"] == "healthy"
    assert found["b"]["multiplier"] == 0.0
    assert found["a"]["weight_after"] == 2.0, "the other's weight goes to it"


def test_what_has_no_probability_yet_counts_as_working():
    found = rows([status("a", "unproven", alive=None)], [estimate("a", 0.03, 2.0)], {"a": 1.0})
    assert found["a"]["alive"] == 1.0
    assert found["a"]["multiplier"] == found["a"]["evidence"] == evidence_of(0.03, 2.0, prior_ic=PRIOR)
    # error 0.015, shrinkage 0.64, B = 0.6 · exp(1.28) = 2.158: 0.437 of the estimate.
    assert found["a"]["reason"] == "0.44: mean IC 0.0300 with t 2.0, of which 44% is expected to be real."


@given(
    st.dictionaries(
        st.sampled_from("abcdef"), st.tuples(st.floats(-3, 3), st.sampled_from(ESTIMATES), st.floats(0.1, 9.0), st.floats(0, 1)), min_size=1
    )
)
def test_gross_is_kept_and_each_weight_is_in_proportion_to_its_multiplier(drawn):
    weights = {name: weight for name, (weight, *_) in drawn.items()}
    estimates = [estimate(name, ic, np.copysign(size, ic)) for name, (_, ic, size, _) in drawn.items()]
    found = rows([status(name, alive=alive) for name, (*_, alive) in drawn.items()], estimates, weights)
    wanted = {name: weights[name] * row["multiplier"] for name, row in found.items()}
    gross, after = sum(map(abs, wanted.values())), {name: row["weight_after"] for name, row in found.items()}
    assume(gross == 0.0 or gross > 1e-12)
    assert {name: row["weight_before"] for name, row in found.items()} == weights
    if gross == 0.0:
        assert set(after.values()) == {0.0}
        return
    before = sum(map(abs, weights.values()))
    assert sum(map(abs, after.values())) == pytest.approx(before, rel=1e-12)
    assert after == pytest.approx({name: weight * before / gross for name, weight in wanted.items()}, rel=1e-12)


def test_nothing_proven_gives_no_weights_at_all():
    ours = table([status("a"), status("b")], [estimate("a", -0.01, -1.0), estimate("b", 0.0, 0.0)], {"a": 0.6, "b": 0.4})
    assert ours["multiplier"].to_list() == ours["weight_after"].to_list() == [0.0, 0.0]
    assert recommended_weights(ours) == {}


def test_a_negative_weight_is_judged_by_the_factor_turned_round_whatever_the_monitor_says():
    statuses = [decayed("a"), status("b", alive=0.9)]
    estimates = [estimate("a", -0.03, -4.0), estimate("b", 0.03, 4.0)]
    found = rows(statuses, estimates, {"a": -1.0, "b": 1.0})
    evidence = evidence_of(0.03, 4.0, prior_ic=PRIOR)
    assert found["a"]["multiplier"] == found["a"]["evidence"] == evidence
    assert found["a"]["alive"] == 1.0
    assert found["b"]["multiplier"] == pytest.approx(0.9 * evidence, rel=1e-15)
    assert found["a"]["weight_after"] == pytest.approx(-2 / 1.9)
    assert found["b"]["weight_after"] == pytest.approx(1.8 / 1.9)
    assert "decayed" not in found["a"]["reason"]
    turned = rows(statuses, [estimate("a", 0.03, 4.0), estimates[1]], {"a": -1.0, "b": 1.0})["a"]
    assert turned["multiplier"] == 0.0
    assert turned["reason"] == "0.00: works against the direction of its weight, mean IC 0.0300 with t 4.0."


def test_every_factor_of_status_and_of_weights_has_a_row_by_name():
    ours = table(
        [status("watched"), status("c")], [estimate("watched", 0.02, 3.0), estimate("other", 0.02, 3.0)], {"weighted": 0.5, "c": 0.5}
    )
    assert ours["factor"].to_list() == ["c", "watched", "weighted"]
    assert ours["weight_before"].to_list() == [0.5, 0.0, 0.5]


def test_a_factor_that_is_not_watched_is_unproven_and_has_the_weight_of_its_evidence():
    found = rows([], [estimate("a", 0.03, 4.0)], {"a": 2.0, "b": 1.0})
    assert (found["a"]["status"], found["a"]["alive"]) == ("unproven", 1.0)
    assert found["a"]["weight_after"] == 3.0
    assert found["b"]["multiplier"] == 0.0
    assert found["b"]["reason"] == "0.00: too little history for a t; nothing speaks for a weight."


@pytest.mark.parametrize("known", [(0.03, None), (None, None)])
def test_an_estimate_without_t_speaks_for_no_weight(known):
    found = rows([status("a")], [estimate("a", *known)], {"a": 1.0})
    assert (found["a"]["multiplier"], found["a"]["weight_after"]) == (0.0, 0.0)
    assert found["a"]["reason"] == "0.00: too little history for a t; nothing speaks for a weight."


def test_only_the_monitored_horizon_counts():
    estimates = [estimate("a", 0.05, 9.0, horizon=1), estimate("a", 0.02, 2.0), estimate("a", 0.05, 9.0, horizon=63)]
    assert rows([status("a")], estimates, {"a": 1.0})["a"]["evidence"] == evidence_of(0.02, 2.0, prior_ic=PRIOR)


def test_reasons_begin_with_the_multiplier_and_say_what_it_is_made_of():
    statuses = [decayed("dead"), status("well", alive=0.93), status("wrong"), status("back", "recovered", alive=0.8)]
    estimates = [estimate("dead", 0.03, 4.0), estimate("well", 0.03, 4.0), estimate("wrong", -0.002, -0.4), estimate("back", 0.03, 4.0)]
    found = rows(statuses, estimates, dict.fromkeys(("dead", "well", "wrong", "back"), 1.0))
    # error 0.0075, shrinkage 0.8767, B = 389.5: 0.8745 of the estimate.
    proof = "mean IC 0.0300 with t 4.0, of which 87% is expected to be real"
    assert found["dead"]["evidence"] == pytest.approx(0.8745, abs=5e-5)
    assert found["dead"]["reason"] == (
        f"0.04: decayed since 2021-02-01, IC 0.0410 → -0.0060; it works with probability 0.05; over the whole history {proof}."
    )
    assert found["well"]["reason"] == f"0.81: {proof}; it works with probability 0.93."
    assert found["back"]["reason"] == f"0.70: {proof}; it works with probability 0.80."
    assert found["wrong"]["reason"] == "0.00: works against its declared direction, mean IC -0.0020 with t -0.4."


def test_recommended_weights_are_those_that_are_not_nought():
    ours = table([status("a"), status("b"), status("c")], [estimate("a", 0.03, 4.0), estimate("c", 0.03, 4.0)], {"a": 1.0, "b": 1.0})
    assert recommended_weights(ours) == {"a": 2.0}


def test_no_factors_at_all_give_an_empty_table_with_its_columns():
    assert table([], [], {}).equals(ROTATION.empty())
