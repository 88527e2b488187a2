"""How much of a searched result is due to the search.

What belongs here: measures of overfitting over the daily returns of all trials, and the gate that judges them. What does not: the search
itself, the counting of trials in a database, and what becomes of a result that fails.
"""

from __future__ import annotations

from mech_exo_assets.quant.overfitting.combinatorial import CombinatorialPaths, Rule, best_sharpe, combinatorial_paths
from mech_exo_assets.quant.overfitting.deflated import (
    DeflatedSharpe,
    deflated_probability,
    deflated_sharpe,
    expected_maximum_sharpe,
    trial_variance,
)
from mech_exo_assets.quant.overfitting.effective import effective_trials
from mech_exo_assets.quant.overfitting.gate import Gate, NotComputed, Verdict, computed, judge, passed
from mech_exo_assets.quant.overfitting.pbo import BacktestOverfitting, probability_of_overfitting
from mech_exo_assets.quant.overfitting.ratios import sharpe_ratios
from mech_exo_assets.quant.overfitting.snooping import SpaTest, superior_predictive_ability, superior_to_all, superior_to_each

__all__ = [
    "BacktestOverfitting",
    "CombinatorialPaths",
    "DeflatedSharpe",
    "Gate",
    "NotComputed",
    "Rule",
    "SpaTest",
    "Verdict",
    "best_sharpe",
    "combinatorial_paths",
    "computed",
    "deflated_probability",
    "deflated_sharpe",
    "effective_trials",
    "expected_maximum_sharpe",
    "judge",
    "passed",
    "probability_of_overfitting",
    "sharpe_ratios",
    "superior_predictive_ability",
    "superior_to_all",
    "superior_to_each",
    "trial_variance",
]
