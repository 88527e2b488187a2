"""The strategy judged on sessions that its factor weights were not fitted on.

What belongs here: windows of training and test, fits of factor weights, and one out-of-sample curve for each fit. What does not: how
scores become targets (`portfolio`), and how targets are traded (`backtest`).
"""

from __future__ import annotations

from mech_exo_assets.quant.walk_forward.engine import walk_forward
from mech_exo_assets.quant.walk_forward.fits import Fit, configured, fits_of, mean_ic
from mech_exo_assets.quant.walk_forward.result import Stability, WalkForward
from mech_exo_assets.quant.walk_forward.stage import Stage
from mech_exo_assets.quant.walk_forward.windows import NoWindowError, Window, gap_sessions, months_later, planned, windows

__all__ = [
    "Fit",
    "NoWindowError",
    "Stability",
    "Stage",
    "WalkForward",
    "Window",
    "configured",
    "fits_of",
    "gap_sessions",
    "mean_ic",
    "months_later",
    "planned",
    "walk_forward",
    "windows",
]
