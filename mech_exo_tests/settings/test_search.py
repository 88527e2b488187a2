"""The sections `search` and `gates`: what is accepted, and what a mistake is told."""

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
        ("search: {low: 2, high: 1}", "search: low and high: the lower bound 2 is above the upper bound 1; exchange them."),
        ("search: {bounds: {a: [0.5, 0.1]}}", "search: bounds.a: the lower bound 0.5 is above the upper bound 0.1; exchange them."),
        ("search: {low: 0, high: 0}", "search: low and high: both are 0, so that no factor could have a weight; raise high."),
        ("search: {bounds: {a: [0, .inf]}}", "search.bounds.a.1: Input should be a finite number (got inf)."),
        ("search: {bounds: {a: [0.5]}}", "search.bounds.a: Field required (got [0.5])."),
        ("search: {bounds: {a: 0.5}}", "search.bounds.a: Input should be a valid tuple (got 0.5)."),
        (
            "search: {construction: {gross: [0, 1]}}",
            (
                "search: construction: 'gross' cannot be searched; these can: quantile, no_trade_band, volatility_target, top_n.names, "
                "top_n.leave, short."
            ),
        ),
        (
            "search: {construction: {quantile: [0.4, 0.2]}}",
            "search: construction.quantile: the lower bound 0.4 is above the upper bound 0.2;",
        ),
        ("search: {construction: {top_n.names: [5.5, 9]}}", "construction.top_n.names: whole numbers are wanted, and 5.5 to 9 is given."),
        ("search: {trials: 50, batch: 20}", "search: trials: 50 is no multiple of batch: 20; take trials: 40 or another batch."),
        ("search: {trials: 3, batch: 20}", "search: trials: 3 is no multiple of batch: 20; take trials: 20 or another batch."),
        ("search: {trials: 10020}", "search.trials: Input should be less than or equal to 10000 (got 10020)."),
        ("search: {shrinkage: []}", "search.shrinkage: Tuple should have at least 1 item after validation, not 0 (got [])."),
        (
            "search: {shrinkage: [0, 1.5]}",
            "search.shrinkage: 1.5 is not a share of the equal weights; take numbers from 0 (none) to 1 (equal",
        ),
        ("search: {holdout_months: 0}", "search.holdout_months: Input should be greater than or equal to 1 (got 0)."),
        ("search: {limits: {factor_share: 0}}", "search.limits.factor_share: Input should be greater than 0 (got 0)."),
        ("search: {limits: {factor_share: 1.5}}", "search.limits.factor_share: Input should be less than or equal to 1 (got 1.5)."),
        ("search: {limits: {turnover: 0}}", "search.limits.turnover: Input should be greater than 0 (got 0)."),
        ("search: {limits: {drawdown: 1}}", "search.limits.drawdown: Input should be less than 1 (got 1)."),
        ("search: {sampler: random}", "search.sampler: Input should be 'tpe' or 'nsga2' (got 'random')."),
        ("search: {choice: best}", "search.choice: Input should be 'sharpe', 'calmar', 'drawdown' or 'balanced' (got 'best')."),
        ("search: {name: ''}", "search.name: String should have at least 1 character (got '')."),
        ("search: {seconds: 0}", "search.seconds: Input should be greater than 0 (got 0)."),
        ("search: {workers: 0}", "search.workers: Input should be greater than or equal to 1 (got 0)."),
        ("search: {startup: 0}", "search.startup: Input should be greater than 0 (got 0)."),
        ("search: {trails: 100}", "unknown key 'search.trails'; did you mean 'search.trials'?"),
        ("gates: {deflated_sharpe: 1}", "gates.deflated_sharpe: Input should be less than 1 (got 1)."),
        ("gates: {pbo: 0}", "gates.pbo: Input should be greater than 0 (got 0)."),
        ("gates: {spa: 2}", "gates.spa: Input should be less than or equal to 1 (got 2)."),
        ("gates: {resamples: 98}", "gates.resamples: Input should be greater than or equal to 99 (got 98)."),
        ("gates: {blocks: 5}", "gates.blocks: Input should be a multiple of 2 (got 5)."),
        ("gates: {blocks: 18}", "gates.blocks: Input should be less than or equal to 16 (got 18)."),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, text: str, complaint: str):
    with pytest.raises(InputError) as refusal:
        loaded(tmp_path, text)
    message = str(refusal.value)
    assert complaint in message
    assert "\n" not in message
    assert message.startswith(f"{tmp_path}/mine.yaml: ")


@pytest.mark.parametrize(
    ("construction", "opened", "complaint"),
    [
        (
            "kind: quantile",
            "quantile: [0.1, 0.9]",
            "with quantile: 0.9 a trial could not be built: kind: quantile with quantile: 0.9 would hold",
        ),
        (
            "kind: quantile",
            "quantile: [0, 0.4]",
            "with quantile: 0 a trial could not be built: quantile: Input should be greater than 0 (got 0",
        ),
        (
            "kind: top_n",
            "top_n.names: [0, 4]",
            "with top_n.names: 0 a trial could not be built: top_n.names: Input should be greater than 0",
        ),
        (
            "kind: extension, gross: 1",
            "short: [0.2, 0.5]",
            "with short: 0.5 a trial could not be built: kind: extension needs longs above its",
        ),
        ("sizing: kelly", "volatility_target: [0.1, 0.2]", "sizing: kelly and volatility_target both say how large the whole portfolio is"),
        # Each alone is well with what the strategy has of the other.
        (
            "kind: top_n",
            "top_n.names: [10, 60], no_trade_band: [0.0, 0.04]",
            "with top_n.names: 60, no_trade_band: 0.04 a trial could not be built: no_trade_band: 0.04 is above 0.0166667, the",
        ),
    ],
)
def test_bounds_within_which_a_trial_could_contradict_itself_are_refused(tmp_path: Path, construction: str, opened: str, complaint: str):
    with pytest.raises(InputError) as refusal:
        loaded(tmp_path, f"construction: {{{construction}}}\nsearch: {{construction: {{{opened}}}}}")
    message = str(refusal.value)
    assert message.startswith(f"{tmp_path}/mine.yaml: search.construction: with ")
    assert complaint in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "text",
    [
        "search: {low: -1, bounds: {a: [0.5, 0.5], b: [-1, 0]}}",
        "search: {low: 0, high: 0, bounds: {a: [0, 1]}}",
        "search: {limits: {turnover: null, factor_share: null, drawdown: null}}",
        "search: {limits: {factor_share: 1, drawdown: 0.99, turnover: 5}}",
        "search: {seconds: 0.5, trials: 20}",
        "search: {construction: {volatility_target: [0.05, 0.2], no_trade_band: [0, 0.01]}}",
        "construction: {kind: top_n}\nsearch: {construction: {top_n.names: [10, 25], no_trade_band: [0.0, 0.04]}}",
        "construction: {kind: quantile}\nsearch: {construction: {quantile: [0.1, 0.5]}}",
        "gates: {deflated_sharpe: null, pbo: null, spa: null}",
        "gates: {pbo: 1, spa: 1, resamples: 9999, blocks: 4}",
    ],
)
def test_what_can_be_searched_is_accepted(tmp_path: Path, text: str):
    loaded(tmp_path, text)


def test_shares_are_sorted_and_distinct(tmp_path: Path):
    assert loaded(tmp_path, "search: {shrinkage: [1, 0.5, 0, 0.5]}").search.shrinkage == (0.0, 0.5, 1.0)


def test_a_factor_has_its_own_bounds_or_the_common_ones(tmp_path: Path):
    search = loaded(tmp_path, "search: {low: -0.5, high: 2, bounds: {a: [0.1, 0.3]}}").search
    assert (search.bounds_of("a"), search.bounds_of("b")) == ((0.1, 0.3), (-0.5, 2.0))
