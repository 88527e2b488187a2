"""Mech-Exo: a self-retraining strategy platform on Dagster."""

import os

# LightGBM and XGBoost hand out work to threads hundreds of times a second, and by default a thread that has none spins until it gets some.
# Where a neighbour keeps a core busy, the spinning takes the core that the work waits for: a fit of 2 seconds took 14 on two cores, one of
# 0.15 took 15. Read by OpenMP when it is loaded first, so it has to be said before any library is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
