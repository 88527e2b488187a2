"""Reading the mart while it is published anew: one state for each look, and the new one for the next."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.schemas import STACKING
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import Mart
from mech_exo_assets.storage.mart_reader import KEPT, MartReader
from mech_exo_tests.storage import marts

COUNT = "SELECT count(*) FROM learning.stacking"


def publish(root: Path, weights: list[float]) -> Path:
    """Publish a table with a row for each weight."""
    lake, mart = Lake(root / "lake"), Mart(root / "mart.duckdb")
    rows = {"fold": 0, "model": [f"m{at}" for at in range(len(weights))], "weight": weights, "reason": "test"}
    lake.write(STACKING, pl.DataFrame(rows, schema=STACKING.dtypes()))
    marts.publish(mart, lake)
    return mart.path


def test_nothing_is_there_before_the_first_publication(tmp_path: Path):
    reader = MartReader(tmp_path / "mart.duckdb")
    with reader.snapshot() as mart:
        assert mart is None
    publish(tmp_path, [1.0])
    with reader.snapshot() as mart:
        assert mart is not None
        assert mart.query(COUNT).item() == 1


def test_the_next_look_sees_what_was_published_meanwhile(tmp_path: Path):
    reader = MartReader(publish(tmp_path, [1.0]))
    with reader.snapshot() as mart:
        assert mart.query(COUNT).item() == 1
        first = mart.tables["learning/stacking"]
    publish(tmp_path, [0.5, 0.5])
    with reader.snapshot() as mart:
        assert mart.query(COUNT).item() == 2
        assert mart.tables["learning/stacking"].version == first.version + 1
        assert mart.tables["learning/stacking"].rows == 2


def test_a_look_keeps_its_state_to_its_end_also_when_another_is_published(tmp_path: Path):
    reader = MartReader(publish(tmp_path, [1.0]))
    with reader.snapshot() as mart:
        publish(tmp_path, [0.5, 0.5])
        assert mart.query(COUNT).item() == 1
        assert mart.query("SELECT sum(weight) FROM learning.stacking").item() == 1.0


def test_who_comes_when_a_new_file_is_there_waits_for_those_who_look_at_the_old_one(tmp_path: Path):
    reader, seen = MartReader(publish(tmp_path, [1.0])), []

    def later() -> None:
        with reader.snapshot() as mart:
            seen.append(mart.query(COUNT).item())

    with reader.snapshot() as mart:
        publish(tmp_path, [0.5, 0.5])
        waiting = threading.Thread(target=later)
        waiting.start()
        time.sleep(0.2)
        assert seen == []
        assert mart.query(COUNT).item() == 1
    waiting.join(timeout=10)
    assert seen == [2]


def test_many_threads_read_while_it_is_published_again_and_again(tmp_path: Path):
    reader, ended = MartReader(publish(tmp_path, [1.0])), threading.Event()

    def look() -> int:
        looks = 0
        while not ended.is_set():
            with reader.snapshot() as mart:
                count, total = mart.query("SELECT count(*), sum(weight) FROM learning.stacking").row(0)
                assert abs(total - 1.0) < 1e-9
                assert mart.tables["learning/stacking"].rows == count
            looks += 1
        return looks

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(look) for _ in range(6)]
        try:
            for size in range(2, 12):
                publish(tmp_path, [1.0 / size] * size)
        finally:
            ended.set()
        assert all(each.result(timeout=10) for each in readers)
    with reader.snapshot() as mart:
        assert mart.query(COUNT).item() == 11


def test_a_query_is_made_once_for_a_state_and_what_is_kept_has_a_limit(tmp_path: Path):
    reader = MartReader(publish(tmp_path, [1.0]))
    with reader.snapshot() as mart:
        asked = "SELECT weight + ? FROM learning.stacking"
        assert mart.query(asked, [1.0]) is mart.query(asked, [1.0])
        assert mart.query(asked, [2.0]).item() == pytest.approx(3.0)
        first = mart.query(asked, [1.0])
        for number in range(KEPT + 1):
            mart.query(asked, [float(number + 10)])
        assert mart.query(asked, [1.0]) is not first


def test_a_table_without_rows_is_not_there(tmp_path: Path):
    reader = MartReader(publish(tmp_path, []))
    with reader.snapshot() as mart:
        assert "learning/stacking" in mart.tables
        assert not mart.has("learning/stacking")
        assert not mart.has("market/prices")
