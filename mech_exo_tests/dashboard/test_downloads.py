"""Files that pages link to: the rows of the mart, whole and in full precision, and the reports of the home."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from flask import Flask
from polars.testing import assert_frame_equal

from mech_exo_assets.reports.files import ReportFiles
from mech_exo_assets.settings import Settings
from mech_exo_tests.dashboard.publishing import mart_of

HOST = {"Host": "127.0.0.1"}
Server = Callable[[Path], Flask]
KEYS = ("market/prices", "decay/statistics", "lifecycle/events", "live/fills")


@pytest.mark.parametrize("key", KEYS)
def test_a_table_is_downloaded_as_it_stands_in_the_mart(open_server: Server, retrained_home: Path, key: str):
    client = open_server(retrained_home).test_client()
    wanted = pl.DataFrame(mart_of(retrained_home).table(key.replace("/", ".")).to_arrow_table())
    parquet = client.get(f"/download/{key}.parquet", headers=HOST)
    found = pl.read_parquet(io.BytesIO(parquet.data))
    assert_frame_equal(found, wanted, check_row_order=False)
    assert f"{key.replace('/', '_')}_v" in parquet.headers["Content-Disposition"]
    text = client.get(f"/download/{key}.csv", headers=HOST)
    assert text.mimetype == "text/csv"
    lines = pl.read_csv(io.BytesIO(text.data), infer_schema=False)
    assert (lines.columns, lines.height) == (wanted.columns, wanted.height)
    number = next((name for name, dtype in wanted.schema.items() if dtype.is_float()), None)
    if number is not None:
        assert sorted(lines[number].cast(pl.Float64).drop_nulls()) == sorted(found[number].drop_nulls())


def test_what_was_not_published_is_not_found(open_server: Server, tmp_path: Path):
    client = open_server(tmp_path).test_client()
    for address in (
        "/download/market/prices.csv",
        "/reports/tear-sheet",
        "/reports/quantstats.pdf",
        "/reports/weight-search",
        "/trends/x.svg",
    ):
        assert client.get(address, headers=HOST).status_code == 404, address


def test_a_report_runs_apart_from_the_dashboard_and_asks_for_nothing(open_server: Server, retrained_home: Path):
    answer = open_server(retrained_home).test_client().get("/reports/tear-sheet", headers=HOST)
    assert answer.data == ReportFiles(Settings(home=retrained_home).reports_path).tear_sheet.read_bytes()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy


def test_a_trend_is_a_picture_of_its_factor(open_server: Server, retrained_home: Path):
    client = open_server(retrained_home).test_client()
    answer = client.get("/trends/planted_01.svg", headers=HOST)
    assert answer.mimetype == "image/svg+xml"
    assert answer.text.count("<polyline") == 1
    assert answer.text != client.get("/trends/planted_02.svg", headers=HOST).text
