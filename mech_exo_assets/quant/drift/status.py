"""What a window's drift is called.

What belongs here: the status by its thresholds. What does not: whether it is chance (`budget`).
"""

from __future__ import annotations

from mech_exo_assets.settings.live import Drift

OK, WARN, BREACH, NO_DATA = "OK", "WARN", "BREACH", "NO DATA"


def status(drift_pct: float | None, information_ratio: float | None, choices: Drift) -> str:
    """BREACH where |drift| ≥ breach_pct or IR < breach_ratio; WARN where |drift| ≥ warn_pct or IR < warn_ratio; else OK.

    Parameters
    ----------
    drift_pct : float or None
        (live − backtest) / |backtest| · 100, of annual growth; None where it is not known.
    information_ratio : float or None
        Of the daily difference, annual.
    choices : Drift
        The section `drift`.

    Returns
    -------
    str
        NO DATA where either is not known.
    """
    if drift_pct is None or information_ratio is None:
        return NO_DATA
    if abs(drift_pct) >= choices.breach_pct or information_ratio < choices.breach_ratio:
        return BREACH
    if abs(drift_pct) >= choices.warn_pct or information_ratio < choices.warn_ratio:
        return WARN
    return OK
