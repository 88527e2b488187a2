"""Which factors still work, which have stopped, since when: calibrated detection on the information coefficient.

What belongs here: run lengths, standardisation, alarms, change points, statuses. What does not: statistics of the whole history
(`quant.decay`), and what is done about a status (`quant.rotation`).
"""

from mech_exo_assets.quant.detection.watch import Watch, watch

__all__ = ["Watch", "watch"]
