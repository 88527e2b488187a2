"""The sizes on the page of reports are those of the last maintenance."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.dashboard.router import content
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.schemas import SIZES
from mech_exo_assets.settings import Settings
from mech_exo_tests.dashboard.asking import named, text
from mech_exo_tests.dashboard.publishing import publish

AT = dt.datetime(2026, 3, 1, 11, 0, tzinfo=dt.UTC)


@pytest.fixture
def sizes() -> pl.DataFrame:
    table = {"store": "market/prices", "kind": "table", "current_bytes": 2_000_000, "old_bytes": 1_000_000, "log_bytes": 500_000}
    rows = [
        {"store": "mart", "kind": "files", "bytes": 9_250_000, "files": 1, "removed_bytes": 0, "measured_at": AT},
        table | {"bytes": 3_500_000, "files": 4, "versions": 7, "named": 2, "removed_bytes": 750_000, "measured_at": AT},
    ]
    return pl.DataFrame(rows, schema=SIZES.dtypes())


def test_each_table_has_its_size_and_there_is_a_total(home: Path, sizes: pl.DataFrame):
    publish(home, operations__sizes=sizes)
    with Watch(Settings(home=home)).view() as view:
        made = named(content(view, "/reports"), "sizes")
    shown = text(made)
    assert "Together 12.8 MB. The last maintenance let 0.8 MB go." in shown
    assert "2026-03-01" in shown
    mart, prices = named(made, "sizes-list").rowData
    assert prices == {
        "store": "market/prices",
        "MB": 3.5,
        "current_MB": 2.0,
        "old_MB": 1.0,
        "log_MB": 0.5,
        "files": 4,
        "versions": 7,
        "named": 2,
    }
    assert (mart["store"], mart["MB"], mart["versions"]) == ("mart", 9.25, None)


def test_before_the_first_maintenance_it_is_said_how_to_measure(watch: Watch):
    with watch.view() as view:
        assert "mech-exo maintain" in text(named(content(view, "/reports"), "sizes"))
