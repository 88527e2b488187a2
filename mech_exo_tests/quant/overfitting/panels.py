"""Panels of trials whose truth is known, and what the measures say of many of them.

`python -m mech_exo_tests.quant.overfitting.panels` prints the tables of `docs/overfitting.md` (about six minutes).
"""

from __future__ import annotations

import sys
from itertools import product

import numpy as np

from mech_exo_assets.quant.overfitting import (
    combinatorial_paths,
    deflated_sharpe,
    effective_trials,
    expected_maximum_sharpe,
    probability_of_overfitting,
    sharpe_ratios,
    superior_predictive_ability,
    superior_to_all,
    superior_to_each,
)
from mech_exo_assets.quant.overfitting.snooping import bootstrap_variance

ANNUAL = 252**0.5


def noise(seed, *, sessions=2500, trials=200, correlation=0.0, autocorrelation=0.0):
    """Normal returns with mean 0 and 1 % a session, each two trials equally correlated."""
    rng = np.random.default_rng(seed)
    shocks = correlation**0.5 * rng.standard_normal((sessions, 1)) + (1 - correlation) ** 0.5 * rng.standard_normal((sessions, trials))
    for t in range(1, sessions) if autocorrelation else ():
        shocks[t] = autocorrelation * shocks[t - 1] + (1 - autocorrelation**2) ** 0.5 * shocks[t]
    return 0.01 * shocks


def with_truth(returns, annual_sharpe, trial=0):
    """The same, one trial given a true Sharpe ratio."""
    better = returns.copy()
    better[:, trial] += 0.01 * annual_sharpe / ANNUAL
    return better


def overfitting(seeds, annual_sharpe=0.0, **kind):
    return np.array([probability_of_overfitting(with_truth(noise(seed, **kind), annual_sharpe)).probability for seed in seeds])


def best_of(returns):
    """The deflated Sharpe ratio of the best trial, as a search would find it."""
    ratio = sharpe_ratios(returns)
    return deflated_sharpe(returns[:, ratio.argmax()], trials=returns.shape[1], trial_variance=float(ratio.var(ddof=1)))


def deflated(seeds, annual_sharpe=0.0, **kind):
    return np.array([best_of(with_truth(noise(seed, **kind), annual_sharpe)).probability for seed in seeds])


def hurdles(seeds, **kind):
    """True mean of the best Sharpe ratio, and the hurdles by the number of trials and by the effective number; all annual."""
    rows = []
    for seed in seeds:
        returns = noise(seed, **kind)
        ratio = sharpe_ratios(returns)
        effective = effective_trials(returns)
        variance = float(ratio.var(ddof=1))
        by_number, by_effective = (expected_maximum_sharpe(variance, n) for n in (returns.shape[1], effective))
        rows.append((ratio.max() * ANNUAL, by_number * ANNUAL, by_effective * ANNUAL, effective))
    return np.array(rows)


def superior(seeds, annual_sharpe=0.0, *, baselines=1, resamples=199, spread=1.0, **kind):
    """p-values (lower, consistent, upper) of trials against baselines that are no better and no worse."""
    rows = []
    for seed in seeds:
        # The resamples have a stream of their own.
        draws = seed + 1_000_000
        returns = noise(seed, **kind)
        returns[:, baselines:] *= np.linspace(1, spread, returns.shape[1] - baselines)
        trials = with_truth(returns[:, baselines:], annual_sharpe)
        if baselines == 1:
            test = superior_predictive_ability(returns[:, 0], trials, seed=draws, resamples=resamples)
        else:
            named = {str(i): returns[:, i] for i in range(baselines)}
            test = superior_to_all(superior_to_each(named, trials, seed=draws, resamples=resamples))
        rows.append((test.lower, test.consistent, test.upper))
    return np.array(rows)


def by_long_run_deviation(seeds, *, resamples=199, **kind):
    """Consistent p-values of Hansen's own scale, against one baseline; arch does the rest."""
    from arch.bootstrap import SPA

    found = []
    for seed in seeds:
        returns = noise(seed, **kind)
        differences = returns[:, 1:] - returns[:, :1]
        block = max(5, round(len(returns) ** (1 / 3)))
        scaled = differences / np.sqrt(bootstrap_variance(differences, block=block))
        test = SPA(np.zeros(len(returns)), -scaled, block_size=block, reps=resamples, seed=seed + 1_000_000)
        test.compute()
        found.append((1 + resamples * test.pvalues["consistent"]) / (1 + resamples))
    return np.array(found)


def gated(seeds, **kind):
    """Whether the best of worthless trials passes by its deflated Sharpe ratio, by PBO, and by both, at the default thresholds."""
    found = []
    for seed in seeds:
        returns = noise(seed, **kind)
        deflated, overfit = best_of(returns).probability >= 0.95, probability_of_overfitting(returns).probability <= 0.5
        found.append((deflated, overfit, deflated and overfit))
    return np.array(found)


def paths(seeds, annual_sharpe=0.0, **kind):
    found = [combinatorial_paths(with_truth(noise(seed, **kind), annual_sharpe), purge=27, embargo=5) for seed in seeds]
    return np.array([(each.mean, each.deviation, each.share_below_zero) for each in found])


def standard_error(values):
    return float(np.std(values, ddof=1) / len(values) ** 0.5)


def line(*cells):
    sys.stdout.write("| " + " | ".join(cell if isinstance(cell, str) else f"{cell:.3f}" for cell in cells) + " |\n")
    sys.stdout.flush()


def print_choice():
    """What is said of the best of 200 trials: PBO, deflated Sharpe ratio, paths, and the gate."""
    for correlation, sharpe in product((0.0, 0.5, 0.9), (0.0, 1.0, 2.0, 3.0)):
        found = overfitting(range(20), sharpe, correlation=correlation)
        line("PBO", correlation, sharpe, found.mean(), standard_error(found), found.min(), found.max())
        found = deflated(range(200), sharpe, correlation=correlation, sessions=1260)
        line("DSR", correlation, sharpe, np.mean(found >= 0.95))
    for correlation in (0.0, 0.5, 0.9):
        line("gate", correlation, *gated(range(300), correlation=correlation, sessions=1260).mean(axis=0))
    for sharpe in (0.0, 1.0, 2.0, 3.0):
        found = paths(range(50), sharpe)
        line("CPCV", sharpe, *found.mean(axis=0), standard_error(found[:, 0]))


def print_hurdles():
    for trials, correlation in product((2, 10, 200, 1000), (0.0, 0.5, 0.9)):
        found = hurdles(range(100), trials=trials, correlation=correlation, sessions=1260)
        line("hurdle", str(trials), correlation, *found.mean(axis=0), standard_error(found[:, 0]))


def print_superior():
    alike = {"trials": 21, "correlation": 0.5}
    for name, kind in {
        "independent": {"trials": 21},
        "correlated 0.5": alike,
        "autocorrelation 0.2": alike | {"autocorrelation": 0.2},
        "volatilities 1 to 5": alike | {"spread": 5.0},
        "three baselines": alike | {"baselines": 3, "trials": 23},
        "200 trials": alike | {"trials": 201},
    }.items():
        line("SPA size", name, *np.mean(superior(range(400), sessions=1260, **kind) <= 0.05, axis=0))
    for sharpe in (1.0, 2.0, 3.0):
        line("SPA power", sharpe, *np.mean(superior(range(100), sharpe, sessions=1260, trials=201, correlation=0.5) <= 0.05, axis=0))
    for autocorrelation in (0.0, 0.2):
        kind = alike | {"sessions": 500, "autocorrelation": autocorrelation}
        line("SPA scale", autocorrelation, "long-run", np.mean(by_long_run_deviation(range(1500), **kind) <= 0.05))
        line("SPA scale", autocorrelation, "ours", np.mean(superior(range(1500), **kind)[:, 1] <= 0.05))


if __name__ == "__main__":
    print_choice()
    print_hurdles()
    print_superior()
