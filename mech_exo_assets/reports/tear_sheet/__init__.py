"""The tear sheet: everything about one backtest on one HTML page that needs no network.

What belongs here: what is shown and how. What does not: computing any of it (`quant`), and where the page is put (`defs`, `cli`).
"""

from __future__ import annotations

from mech_exo_assets.reports.tear_sheet.content import TearSheet, gather, strategy_behind
from mech_exo_assets.reports.tear_sheet.page import tear_sheet

__all__ = ["TearSheet", "gather", "strategy_behind", "tear_sheet"]
