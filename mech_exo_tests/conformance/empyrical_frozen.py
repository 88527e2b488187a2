"""Regenerates `frozen/empyrical_performance.json`: what empyrical makes of four series of the sample prices.

    SAMPLE=.venv/lib/python3*/site-packages/skfolio/datasets/data/sp500_dataset.csv.gz
    .venv-peers/bin/python mech_exo_tests/conformance/empyrical_frozen.py $SAMPLE

Runs with the interpreter of `.venv-peers`, and imports nothing of ours. The test of conformance imports `series` from here, so that both
sides judge the same numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FROZEN = Path(__file__).parent / "frozen" / "empyrical_performance.json"


def series(prices):
    """Returns to judge, by name, and those of the benchmark: the mean of all names."""
    returns = prices[1:] / prices[:-1] - 1
    judged = {f"name {number}": returns[:, number] for number in (0, 7, 13)}
    long_short = returns[:, :5].mean(axis=1) - returns[:, 5:10].mean(axis=1)
    return {**judged, "long-short": long_short}, returns.mean(axis=1)


def figures(returns, benchmark):
    """All that empyrical defines as we do, and its alpha, which compounds the year where ours adds it up."""
    from empyrical import stats

    alpha, beta = stats.alpha_beta_aligned(returns, benchmark)
    return {
        "total_return": stats.cum_returns_final(returns),
        "cagr": stats.cagr(returns),
        "volatility": stats.annual_volatility(returns),
        "sharpe": stats.sharpe_ratio(returns),
        "sortino": stats.sortino_ratio(returns),
        "calmar": stats.calmar_ratio(returns),
        "max_drawdown": stats.max_drawdown(returns),
        "var_95": stats.value_at_risk(returns),
        "cvar_95": stats.conditional_value_at_risk(returns),
        "beta": beta,
        "alpha_compounded": alpha,
    }


def main(path):
    import empyrical
    from alphalens_frozen import sample

    judged, benchmark = series(sample(path)[1])
    found = {name: {key: float(value) for key, value in figures(returns, benchmark).items()} for name, returns in judged.items()}
    FROZEN.write_text(json.dumps({"version": f"empyrical-reloaded {empyrical.__version__}", "figures": found}, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
