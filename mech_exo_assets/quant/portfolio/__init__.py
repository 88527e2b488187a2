"""From composite scores to target weights.

What belongs here: constructions. What does not: when and at what cost the targets are traded (`quant.backtest`), and which choices
contradict each other (`settings.portfolio`).

The steps stand in files of their own, and `construction` has their order: which names are held (`selection`), how large (`sizing`, with
what `risk` knows of the market), what limits them (`constraints`), how large the whole is (`volatility`), and on which sessions there are
new targets (`schedule`). The user's page is `docs/portfolio.md`.

All files keep two promises.

**No look-ahead.** The targets of a session use nothing that was not known at its close.

**A year is a year.** The targets of a calendar year are the same to the last bit, whether the year is computed alone or within the whole
history. So a year uses scores of its own sessions, the market from 1 January two years before it on, and the targets of the year before;
and sums over names are taken name after name, over those that are held, so that names without any observation change nothing.

Matrices of weights have 0 for a name that is not held, and a row of NaN where there is no new target.
"""

from mech_exo_assets.quant.portfolio.audit import sessions_off
from mech_exo_assets.quant.portfolio.construction import target_table, target_weights

__all__ = ["sessions_off", "target_table", "target_weights"]
