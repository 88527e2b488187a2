"""Old versions of tables: what the ledger names is read again bit by bit, what nothing names goes, and a live writer is left alone."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import SCORES, UNIVERSE
from mech_exo_assets.storage.lake import CHOICES, Lake
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_assets.storage.maintenance import GRACE, TableState, lost_versions, named_versions
from mech_exo_assets.storage.maintenance.tables import maintain_table, read_versions
from mech_exo_assets.storage.table_files import TableFiles
from mech_exo_tests.storage.small_tables import scores, universe

KEY = SCORES.key
NOW, NO_GRACE = dt.datetime.max.replace(tzinfo=dt.UTC), dt.timedelta(0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Twelve versions of two years, the first year of which was written once only."""
    lake = Lake(tmp_path / "a folder with a blank" / "lake")
    lake.write(SCORES, scores(2019, 2020, value=0.0), years=[2019, 2020], note={CHOICES: "of 0"})
    for number in range(1, 12):
        lake.write(SCORES, scores(2020, value=float(number)), years=[2020], note={CHOICES: f"of {number}"})
    return lake


def maintain(lake: Lake, key: str = KEY, **how) -> TableState:
    chosen = {"before": NOW, "named": (), "read": (), "grace": NO_GRACE, "dry_run": False}
    return maintain_table(lake, key, **(chosen | how))


def sha(lake: Lake, version: int) -> dict[str, bytes]:
    return {path: (Path(lake.uri(KEY)) / path).read_bytes() for path in lake.paths(KEY, version=version)}


def age(lake: Lake, key: str, *, days: float, versions: range | None = None) -> None:
    """Let the commits of some versions, or all that is there, have been written days ago."""
    then = time.time() - days * 86400
    for path in Path(lake.uri(key)).rglob("*"):
        if path.is_file() and (versions is None or path.suffix != ".json" or int(path.stem) in versions):
            os.utime(path, (then, then))


def tree(lake: Lake) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in Path(lake.place.uri).rglob("*") if path.is_file()}


def test_a_version_that_is_named_is_read_bit_by_bit_and_one_that_is_not_is_said_to_be_gone(lake: Lake):
    before = {version: sha(lake, version) for version in (3, 7, 11)}
    tables = {version: lake.read(KEY, version=version) for version in before}
    done = maintain(lake, named={3, 7})
    assert (done.versions, done.named) == (3, 2)
    assert {version: sha(lake, version) for version in before} == before
    for version, table in tables.items():
        assert lake.read(KEY, version=version).equals(table)
        assert lake.note(KEY, version)[CHOICES] == f"of {version}"
    assert [commit["version"] for commit in lake.history(KEY)] == [11, 7, 3]
    for gone in (0, 4, 10):
        with pytest.raises(MechExoError, match=f"version {gone} of factors/scores is not there any more: maintenance lets go"):
            lake.read(KEY, version=gone)
        with pytest.raises(MechExoError, match="is not there any more"):
            lake.note(KEY, gone)
    # One file of 2019 that all share, and three of 2020.
    assert len(list(Path(lake.uri(KEY)).glob("year=*/*.parquet"))) == 4


def test_writing_goes_on_after_maintenance(lake: Lake):
    maintain(lake, named={3})
    assert lake.write(SCORES, scores(2021, value=9.0), years=[2021]) == 12
    maintain(lake, named={3})
    assert set(lake.read(KEY)["size"]) == {0.0, 11.0, 9.0}
    assert set(lake.read(KEY, version=3)["size"]) == {0.0, 3.0}


def test_what_was_current_within_the_days_stays_with_the_version_before_it(lake: Lake):
    age(lake, KEY, days=40, versions=range(8))
    maintain(lake, before=dt.datetime.now(dt.UTC) - dt.timedelta(days=30))
    assert [commit["version"] for commit in lake.history(KEY)] == [11, 10, 9, 8, 7]
    assert set(lake.read(KEY, version=7)["size"]) == {0.0, 7.0}


def test_a_second_maintenance_removes_nothing_and_writes_nothing(lake: Lake):
    first = maintain(lake, named={3})
    left = tree(lake)
    second = maintain(lake, named={3})
    assert first.removed_files > 0
    assert (second.removed_files, second.removed_bytes) == (0, 0)
    assert tree(lake) == left


def test_a_dry_run_changes_nothing_and_says_what_goes(lake: Lake):
    before = tree(lake)
    said = maintain(lake, named={3}, dry_run=True)
    assert tree(lake) == before
    done = maintain(lake, named={3})
    assert (said.removed_files, said.removed_bytes) == (done.removed_files, done.removed_bytes)


def test_the_file_of_a_live_writer_stays_and_that_of_a_killed_one_goes(lake: Lake):
    age(lake, KEY, days=2)
    folder = Path(lake.uri(KEY)) / "year=2020"
    live, killed = folder / "part-00000-live.parquet", folder / "part-00000-killed.parquet"
    for path in (live, killed):
        scores(2020).write_parquet(path)
    os.utime(killed, (time.time() - 2 * 86400,) * 2)
    half = Path(lake.uri(KEY)) / "_delta_log" / "_commit_0.json.tmp"
    half.write_text("{", encoding="utf-8")
    os.utime(half, (time.time() - 2 * 86400,) * 2)
    maintain(lake, grace=GRACE)
    assert live.exists()
    assert not killed.exists()
    assert not half.exists()


def test_commits_stay_until_the_checkpoint_in_their_place_is_older_than_the_grace(lake: Lake):
    age(lake, KEY, days=40)
    first = maintain(lake, named={3}, grace=GRACE)
    assert (first.removed_files, first.versions) == (0, 12)
    age(lake, KEY, days=2)
    second = maintain(lake, named={3}, grace=GRACE)
    assert (second.versions, second.named) == (2, 1)
    assert lake.read(KEY, version=3).height == 12


def test_an_earlier_checkpoint_serves_until_the_new_one_is_old_enough(lake: Lake):
    lake.checkpoint(KEY, 5)
    age(lake, KEY, days=40)
    assert maintain(lake, grace=GRACE).versions == 7
    assert min(commit["version"] for commit in lake.history(KEY)) == 5


def test_a_table_without_a_time_axis_and_one_without_rows(tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    for name in ("A", "B", "C"):
        lake.write(UNIVERSE, universe(name))
    lake.write(UNIVERSE, universe())
    done = maintain(lake, UNIVERSE.key, named={1})
    assert (done.versions, done.current_bytes, done.most_files_of_a_year) == (2, 0, 0)
    assert lake.read(UNIVERSE.key, version=1)["symbol"].to_list() == ["B"]
    assert lake.read(UNIVERSE.key).is_empty()


def test_a_write_leaves_one_file_a_year_so_that_there_is_nothing_to_compact(lake: Lake):
    assert maintain(lake).most_files_of_a_year == 1


def test_the_sizes_add_up_to_what_is_on_the_disk(lake: Lake):
    done = maintain(lake, named={3})
    on_disk = sum(path.stat().st_size for path in Path(lake.uri(KEY)).rglob("*") if path.is_file())
    assert done.current_bytes + done.old_bytes + done.log_bytes == on_disk


def test_the_log_does_not_grow_with_the_number_of_writes(lake: Lake):
    sizes = []
    for block in range(4):
        for number in range(10):
            lake.write(SCORES, scores(2020, value=float(10 * block + number)), years=[2020], note={CHOICES: "x" * 5000})
        maintain(lake, named={3})
        sizes.append((len(list((Path(lake.uri(KEY)) / "_delta_log").iterdir())), maintain(lake, named={3}).log_bytes))
    assert len({files for files, _ in sizes}) == 1
    # A checkpoint lists for a week the files that were replaced, a hundred bytes each; a commit here has 7 kB.
    assert max(size for _, size in sizes) - min(size for _, size in sizes) < 7_000


def test_versions_are_found_wherever_they_stand_in_a_payload(tmp_path: Path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "ledger.head")
    ledger.append(
        Entry("challenger_built", "a job", {"content": {"data": {KEY: 4, UNIVERSE.key: 0}}, "other": {"factors": 9}}, version="v")
    )
    ledger.append(Entry("ab_test_concluded", "a job", {"data": {KEY: 7}, "figures": [{"tables": {KEY: 5}}], "seen": {KEY: True}}))
    assert named_versions(ledger.events()) == {KEY: {4, 5, 7}, UNIVERSE.key: {0}}


def test_what_current_tables_were_computed_from_stays(lake: Lake):
    lake.write(UNIVERSE, universe("A"), note={f"read:{KEY}": "2"})
    assert read_versions(lake) == {KEY: {2}}
    maintain(lake, read=read_versions(lake)[KEY])
    assert set(lake.read(KEY, version=2)["size"]) == {0.0, 2.0}


def test_a_version_that_somebody_else_has_removed_is_told(lake: Lake, tmp_path: Path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "ledger.head")
    ledger.append(Entry("ab_test_concluded", "a job", {"data": {KEY: 7, UNIVERSE.key: 0}}))
    maintain(lake, named={7})
    assert lost_versions(lake, ledger.events()) == ["market/universe 0"]
    (only,) = lake.paths(KEY, version=7) - lake.paths(KEY)
    (Path(lake.uri(KEY)) / only).unlink()
    assert lost_versions(lake, ledger.events()) == [f"{KEY} 7", "market/universe 0"]


def test_a_reader_that_has_begun_reads_on(lake: Lake):
    begun: pl.LazyFrame = lake.scan(KEY)
    maintain(lake)
    assert begun.collect().height == 12


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [0, 1, 4, 9, 10, 12, 17])
def test_a_kill_in_the_middle_loses_no_version_that_stays(lake: Lake, monkeypatch: pytest.MonkeyPatch, after: int):
    tables = {version: lake.read(KEY, version=version) for version in (3, 7, 11)}
    delete, count = TableFiles.delete, iter(range(1000))

    def delete_or_die(self: TableFiles, path: str) -> None:
        if next(count) == after:
            raise Killed
        delete(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(TableFiles, "delete", delete_or_die)
        with pytest.raises(Killed):
            maintain(lake, named={3, 7})
    assert all(lake.read(KEY, version=version).equals(table) for version, table in tables.items())
    maintain(lake, named={3, 7})
    assert all(lake.read(KEY, version=version).equals(table) for version, table in tables.items())
    assert len(list(Path(lake.uri(KEY)).glob("year=*/*.parquet"))) == 4


def test_a_writer_and_a_reader_work_on_while_it_is_maintained(lake: Lake):
    done = threading.Event()
    second = dt.timedelta(seconds=1)

    def write_on() -> None:
        for number in range(100, 160):
            lake.write(SCORES, scores(2020, value=float(number)), years=[2020])
            time.sleep(0.05)
        done.set()

    def read_on() -> list[float]:
        seen = []
        while not done.is_set():
            seen.append(lake.read(KEY)["size"].max())
        return seen

    with ThreadPoolExecutor() as pool:
        writer, reader = pool.submit(write_on), pool.submit(read_on)
        while not done.is_set():
            maintain(lake, before=dt.datetime.now(dt.UTC) - second, grace=second, named={3})
        writer.result()
        seen = reader.result()
    assert seen == sorted(seen)
    assert (lake.version(KEY), lake.read(KEY)["size"].max()) == (71, 159.0)
    assert set(lake.read(KEY, version=3)["size"]) == {0.0, 3.0}
    assert maintain(lake, named={3}).versions == 2
