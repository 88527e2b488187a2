"""Acts on the ledger: registering, asking, deciding, promoting, rolling back.

What belongs here: what an act reads, and the one event that it is. Assets, sensors and the command line act through it, so that each act is
the same whoever does it. What does not: the statistics (`quant.lifecycle`), and the record itself (`storage.ledger`).
"""

from mech_exo_assets.defs.decisions.crowning import Act, crown, decide, roll_back
from mech_exo_assets.defs.decisions.live_trials import (
    begin_live,
    conclude_live,
    live_comparison,
    refuse_by_hand,
    replaced_meanwhile,
    state_of,
    tables_of,
)
from mech_exo_assets.defs.decisions.publishing import event_table, follow_in_mlflow
from mech_exo_assets.defs.decisions.readings import champion_version, models_now, next_session, sessions_of, source_of
from mech_exo_assets.defs.decisions.registering import broker_of, register, register_first
from mech_exo_assets.defs.decisions.requests import REQUEST_TAG, request_of_run, request_retraining, retrain_tags
from mech_exo_assets.defs.decisions.shadows import paths, probation_of
from mech_exo_assets.defs.decisions.trials import conclude_comparison, start_comparison, trial_among, trial_of, verdict, verdict_among
from mech_exo_assets.storage.histories import last_session, versions_of

__all__ = [
    "REQUEST_TAG",
    "Act",
    "begin_live",
    "broker_of",
    "champion_version",
    "conclude_comparison",
    "conclude_live",
    "crown",
    "decide",
    "event_table",
    "follow_in_mlflow",
    "last_session",
    "live_comparison",
    "models_now",
    "next_session",
    "paths",
    "probation_of",
    "refuse_by_hand",
    "register",
    "register_first",
    "replaced_meanwhile",
    "request_of_run",
    "request_retraining",
    "retrain_tags",
    "roll_back",
    "sessions_of",
    "source_of",
    "start_comparison",
    "state_of",
    "tables_of",
    "trial_among",
    "trial_of",
    "verdict",
    "verdict_among",
    "versions_of",
]
