"""What a portfolio that follows the targets would have earned, session by session.

What belongs here: execution and accounting. What does not: how targets come about (`portfolio`), what a trade costs (`costs`), and
figures about the result (`performance`).
"""

from mech_exo_assets.quant.backtest.audit import Drifts, audit
from mech_exo_assets.quant.backtest.benchmark import benchmark_returns
from mech_exo_assets.quant.backtest.book import Book
from mech_exo_assets.quant.backtest.engine import Venue, run
from mech_exo_assets.quant.backtest.flows import Flows
from mech_exo_assets.quant.backtest.kernel import CLOSE_AFTER

__all__ = ["CLOSE_AFTER", "Book", "Drifts", "Flows", "Venue", "audit", "benchmark_returns", "run"]
