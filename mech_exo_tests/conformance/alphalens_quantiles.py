"""Quintile returns, turnover and rank autocorrelation by alphalens itself; runs with the interpreter of `.venv-peers`.

    .venv-peers/bin/python -m mech_exo_tests.conformance.alphalens_quantiles INPUT.npz OUTPUT.npz

INPUT and the reasons for its shape are those of `alphalens_ic.py`; OUTPUT holds `figures` (n_factors, n_horizons, 7, n_sessions), in the
order of `FIGURES`, and `version`. Imports nothing of ours.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from mech_exo_tests.conformance.alphalens_input import factor, quietly, table

FIGURES = ("quintile_1", "quintile_2", "quintile_3", "quintile_4", "quintile_5", "turnover", "rank_autocorrelation")


def alphalens_quantiles(sessions, prices, score, horizon):
    """The seven figures by session of one score over one horizon; NaN where alphalens has none.

    Quintile returns are not demeaned, which is not alphalens' default. Turnover is the mean of `quantile_turnover` of the first and the
    last quintile, as alphalens computes each.
    """
    from alphalens.performance import factor_rank_autocorrelation, mean_return_by_quantile, quantile_turnover
    from alphalens.utils import get_clean_factor_and_forward_returns

    with quietly():
        # max_loss of 1 also makes alphalens drop a session whose quintile edges tie, and not raise.
        clean = get_clean_factor_and_forward_returns(
            factor(sessions, score),
            table(sessions, prices),
            quantiles=5,
            periods=(horizon,),
            filter_zscore=None,
            max_loss=1.0,
        )
        means, _ = mean_return_by_quantile(clean, by_date=True, demeaned=False)
        turnover = [quantile_turnover(clean["factor_quantile"], quintile, horizon) for quintile in (1, 5)]
        autocorrelation = factor_rank_autocorrelation(clean, horizon)
    by_quintile = means.iloc[:, 0].unstack("factor_quantile")  # noqa: PD010 - one column, two levels
    columns = [by_quintile[quintile] for quintile in range(1, 6)]
    columns += [(turnover[0] + turnover[1]) / 2, autocorrelation]
    return np.array([column.reindex(pd.DatetimeIndex(sessions)).to_numpy(dtype=np.float64) for column in columns])


def main(source, target):
    import alphalens

    with np.load(source) as given:
        sessions, prices, horizons, scores = given["sessions"], given["prices"], given["horizons"], given["scores"]
    figures = [
        [alphalens_quantiles(sessions, prices, score, int(horizon)) for score, horizon in zip(by_horizon, horizons, strict=True)]
        for by_horizon in scores
    ]
    np.savez(target, figures=np.array(figures), version=alphalens.__version__)


if __name__ == "__main__":
    main(*sys.argv[1:])
