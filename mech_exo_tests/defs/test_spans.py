"""Steps that are computed span by span give the tables of all years at once, to the last bit."""

from __future__ import annotations

import pytest

from mech_exo_assets.defs import cluster
from mech_exo_assets.schemas import TABLES
from mech_exo_tests.defs.learned import Home, Run

DIVIDED = (
    "market/forward_returns",
    "factors/exposures",
    "factors/scores",
    "learning/dataset",
    "learning/predictions",
    "learning/scores",
    "decay/ic",
    "decay/residual_ic",
    "decay/lagged_ic",
    "decay/sector_ic",
    "decay/quintile_returns",
    "strategy/composite",
    "strategy/contributions",
)
"""Tables of steps that ask `Cluster.spans`."""
OF_A_RUN = {"table_version", "tables_read"}


def told(run: Run) -> dict[str, dict[str, object]]:
    """Metadata without what differs from run to run."""
    return {key: {name: value for name, value in figures.items() if name not in OF_A_RUN} for key, figures in run.metadata.items()}


def test_a_year_at_a_time_gives_the_same_tables_metadata_and_checks(learned: Home, monkeypatch: pytest.MonkeyPatch):
    at_once = learned.run(*DIVIDED)
    assert at_once.success, at_once.failure
    tables = {key: learned.lake.read(key) for key in DIVIDED}
    asked = []
    monkeypatch.setattr(cluster, "ROWS_AT_ONCE", 1)
    divide = cluster.spans
    monkeypatch.setattr(cluster, "spans", lambda *arguments: asked.append(arguments) or divide(*arguments))
    divided = learned.run(*DIVIDED)
    assert divided.success, divided.failure
    assert len(asked) == len(DIVIDED) - 4, "diagnostics are four tables of one step, and predictions go by years always"
    for key, before in tables.items():
        after, unique = learned.lake.read(key), list(TABLES[key].unique)
        assert after.columns == before.columns, key
        assert after.sort(unique).equals(before.sort(unique), null_equal=True), key
    assert told(divided) == told(at_once)
    assert {key: (each.passed, each.metadata) for key, each in divided.checks.items()} == {
        key: (each.passed, each.metadata) for key, each in at_once.checks.items()
    }
