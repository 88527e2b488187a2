"""Regenerates `frozen/overfitting.json`: what purgedcv and ffn make of the trials of a few searches.

    .venv-peers/bin/python mech_exo_tests/conformance/overfitting_frozen.py > mech_exo_tests/conformance/frozen/overfitting.json

Runs with the interpreter of `.venv-peers`, and imports nothing of ours. The test of conformance imports `trials` from here, so that both
sides judge the same numbers.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

FROZEN = Path(__file__).parent / "frozen" / "overfitting.json"
CASES = {
    "noise": {"seed": 1, "sessions": 640, "trials": 20, "blocks": 8, "gain": 0.0},
    "one true": {"seed": 2, "sessions": 640, "trials": 20, "blocks": 8, "gain": 0.0012},
    "two trials": {"seed": 3, "sessions": 240, "trials": 2, "blocks": 6, "gain": 0.0},
    "ten blocks": {"seed": 4, "sessions": 500, "trials": 6, "blocks": 10, "gain": 0.0005},
}


def trials(case):
    """Returns of all trials, (sessions, trials): fat tails, alike in part, the first with a gain a session."""
    rng = np.random.default_rng(case["seed"])
    shape = case["sessions"], case["trials"]
    returns = 0.006 * rng.standard_t(5, (shape[0], 1)) + 0.008 * rng.standard_t(5, shape)
    returns[:, 0] += case["gain"]
    return returns


def annual_sharpe(returns):
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1) * 252**0.5


def figures(case):
    """Deflated Sharpe ratio of the best trial, and PBO with its logits, by both."""
    import ffn
    import pandas as pd
    import purgedcv

    returns = trials(case)
    annual = annual_sharpe(returns)
    best = returns[:, annual.argmax()]
    theirs = purgedcv.probability_of_backtest_overfitting(returns.T, n_splits=case["blocks"])
    other = ffn.core.calc_prob_backtest_overfitting(pd.DataFrame(returns), n_blocks=case["blocks"], full_output=True)
    return {
        "purgedcv": {
            "deflated": float(purgedcv.deflated_sharpe_ratio(best, len(annual), float(annual.var(ddof=1)), bars_per_year=252)),
            "pbo": theirs.pbo,
            "slope": theirs.slope,
            # Its combinations choose the half out of sample, ours the half in sample.
            "logits": theirs.logits.tolist()[::-1],
        },
        "ffn": {
            "deflated": float(ffn.core.calc_deflated_sharpe_ratio(pd.Series(best), annual, nperiods=252)),
            "pbo": other["pbo"],
            "logits": other["logits"].tolist(),
        },
    }


def main():
    found = {name: figures(case) for name, case in CASES.items()}
    json.dump({"versions": {name: version(name) for name in ("purgedcv", "ffn")}, "figures": found}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
