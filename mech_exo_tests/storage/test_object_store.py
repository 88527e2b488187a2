"""A lake in an object store, on a server of the S3 protocol: it answers as a lake in a folder does, and loses no commit."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import SCORES, UNIVERSE
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.maintenance.tables import maintain_table
from mech_exo_tests.storage.small_tables import assert_whole_while_written, scores, universe

KEY = SCORES.key


def test_the_server_lets_one_of_many_puts_of_a_new_name_succeed(bucket):
    # Without this, nothing that is tested here on writers that meet would mean anything.
    store = obstore.store.from_url(bucket)

    def put(name: str) -> bool:
        try:
            obstore.put(store, name, b"mine", mode="create")
        except AlreadyExistsError:
            return False
        return True

    # Who meets another there is let wait for a second; so they are few.
    with ThreadPoolExecutor(4) as pool:
        for number in range(6):
            assert sum(pool.map(put, [f"name-{number}"] * 4)) == 1


def fill(lake: Lake) -> list[int]:
    """Every kind of write; the versions that they committed."""
    return [
        lake.write(UNIVERSE, universe("A", "B"), note={"run_id": "one"}),
        lake.write(UNIVERSE, universe("A", "B", "C"), note={"run_id": "two", "read:market/prices": "4"}),
        lake.write(SCORES, scores(2018, 2019, 2020), years=[2018, 2019, 2020]),
        lake.write(SCORES, scores(2019, value=7.0, momentum=0.5), years=[2019]),
        lake.write(SCORES, scores(), years=[2018]),
        lake.write(SCORES, scores(2021, value=9.0), years=[2021], only_these_years=True),
    ]


@pytest.mark.parametrize("prefix", ["", "/a/long.er/pre_fix-1"])
def test_a_lake_in_a_bucket_answers_as_one_in_a_folder_does(bucket, tmp_path, prefix):
    here, there = Lake(tmp_path / "lake"), Lake(f"{bucket}{prefix}/")
    assert (there.tables(), there.exists(KEY)) == ([], False)
    assert fill(there) == fill(here) == [0, 1, 0, 1, 2, 3]
    assert there.tables() == here.tables() == [UNIVERSE.key, KEY]
    assert there.uri(KEY) == f"{bucket}{prefix}/factors/scores"
    for key in there.tables():
        assert there.version(key) == here.version(key)
        assert [len(paths) for paths in there.files(key).values()] == [len(paths) for paths in here.files(key).values()]
        for version in range(here.version(key) + 1):
            assert_frame_equal(there.read(key, version=version), here.read(key, version=version), check_row_order=False, check_exact=True)
            assert there.rows(key, version=version) == here.rows(key, version=version) == here.read(key, version=version).height
            assert there.note(key, version).get("run_id") == here.note(key, version).get("run_id")
    assert there.note(UNIVERSE.key, 1)["read:market/prices"] == "4"
    assert [commit["version"] for commit in there.history(KEY)] == [3, 2, 1, 0]
    assert there.history(KEY)[0]["timestamp"] == there.written_at(KEY).timestamp() * 1000
    assert_frame_equal(
        there.read(KEY, years=[2019], columns=["momentum"], version=1), here.read(KEY, years=[2019], version=1)[["momentum"]]
    )


def test_a_missing_table_and_a_missing_version_are_named_with_what_is_there(bucket):
    lake = Lake(f"{bucket}/mine")
    with pytest.raises(MechExoError) as refusal:
        lake.read(KEY)
    assert str(refusal.value) == f"{KEY} is not in the lake at {bucket}/mine. The lake is empty. Run `mech-exo run` first."
    lake.write(UNIVERSE, universe("A"))
    with pytest.raises(MechExoError, match=r"It holds: market/universe\."):
        lake.version(KEY)
    with pytest.raises(MechExoError, match=r"market/universe has no version 3; it has versions 0 to 0\."):
        lake.note(UNIVERSE.key, 3)


WRITER = """
import sys, time
import polars as pl
from mech_exo_assets.schemas import SCORES
from mech_exo_assets.storage.lake import Lake
root, number, years, commits = sys.argv[1], float(sys.argv[2]), [int(year) for year in sys.argv[3].split(",")], int(sys.argv[4])
days = [pl.date(year, 1, day) for year in years for day in (3, 4, 5)]
frame = pl.select(date=pl.concat_list(days)).explode("date").join(pl.DataFrame({"symbol": ["S0", "S1"]}), how="cross")
lake = Lake(root)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(commits):
    rows = frame.with_columns(pl.lit(number * 1000 + turn).alias("size"))
    print(lake.write(SCORES, rows, years=years, note={"writer": f"{number:.0f}.{turn}"}), flush=True)
"""


def write_at_once(root: str, commits: int, *years: str) -> list[list[int]]:
    """The versions that each of several processes committed, which begin together."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, root, str(number), of, str(commits)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number, of in enumerate(years)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    versions = [[int(line) for line in writer.communicate(timeout=120)[0].split()] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * len(years)
    return versions


@pytest.mark.parametrize(
    ("place", "years"),
    [
        pytest.param("bucket", ("2018", "2019", "2020"), marks=pytest.mark.slow, id="bucket, other years"),
        pytest.param("bucket", ("2018,2019", "2018,2019", "2019,2020"), id="bucket, the same years"),
        pytest.param("folder", ("2018,2019", "2018,2019", "2019,2020"), id="folder, the same years"),
    ],
)
def test_processes_that_write_one_table_at_once_lose_no_commit(request, tmp_path, place, years):
    # The table is not there yet, so that they meet in making it too.
    root = request.getfixturevalue("bucket") if place == "bucket" else str(tmp_path / "lake")
    commits = 6
    versions = write_at_once(root, commits, *years)
    lake = Lake(root)
    assert sorted(version for of_one in versions for version in of_one) == list(range(commits * len(years)))
    assert all(of_one == sorted(of_one) for of_one in versions)
    written = {commit["version"]: commit["writer"] for commit in lake.history(KEY)}
    assert written == {version: f"{number}.{turn}" for number, of_one in enumerate(versions) for turn, version in enumerate(of_one)}
    # Each year is whole, and of the last who wrote it.
    for year in sorted({year for of_one in years for year in of_one.split(",")}):
        wrote = [number for number, of_one in enumerate(years) if year in of_one.split(",")]
        last = max((version, number) for number in wrote for version in versions[number])[1]
        table = lake.read(KEY, years=[int(year)])
        assert (table.height, table["size"].unique().to_list()) == (6, [float(last * 1000 + commits - 1)])


KILLED_WRITER = """
import sys
import polars as pl
from mech_exo_assets.schemas import SCORES
from mech_exo_assets.storage.lake import Lake
days = pl.date_range(pl.date(2019, 1, 1), pl.date(2020, 12, 31), eager=True)
frame = pl.DataFrame({"date": days}).join(pl.DataFrame({"symbol": [f"S{i}" for i in range(100)]}), how="cross")
lake, number = Lake(sys.argv[1]), 0.0
while True:
    number += 1
    print(lake.write(SCORES, frame.with_columns(pl.lit(number).alias("size")), years=[2019, 2020]), flush=True)
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_a_whole_version_in_a_bucket(bucket):
    lake, committed = Lake(bucket), -1
    for number in range(6):
        writer = subprocess.Popen([sys.executable, "-c", KILLED_WRITER, bucket], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.07 * number)
        writer.send_signal(signal.SIGKILL)
        said, _ = writer.communicate()
        committed = max([committed, *map(int, said.split())])
        table = lake.read(KEY)
        assert (len(table), table["size"].n_unique()) == (731 * 100, 1)
        # A commit that was told is there; one that was killed before it could be told may be.
        assert lake.version(KEY) in (committed, committed + 1)
        committed = lake.version(KEY)


def test_a_reader_during_writes_sees_whole_versions_only(bucket):
    assert_whole_while_written(Lake(bucket), names=200, writes=12)


def test_who_is_never_faster_than_others_is_told_so(bucket, monkeypatch):
    from deltalake.exceptions import CommitFailedError

    from mech_exo_assets.storage import lake as module

    def beaten(*_: object, **__: object) -> None:
        raise CommitFailedError("a concurrent transaction")

    lake = Lake(bucket)
    lake.write(UNIVERSE, universe("A"))
    monkeypatch.setattr(module.DeltaTable, "create_write_transaction", beaten)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    with pytest.raises(MechExoError) as refusal:
        lake.write(UNIVERSE, universe("B"))
    assert str(refusal.value) == (
        f"market/universe in {bucket}: other processes have committed 8 times while this one tried; nothing was written. Run "
        "again when they have ended."
    )


def test_what_is_put_is_fetched_whole_or_not_at_all(bucket, tmp_path):
    place = Lake(f"{bucket}/mine").place
    (tmp_path / "one").write_bytes(b"1" * 12_000_000)
    (tmp_path / "two").write_bytes(b"2" * 7_000_000)
    with pytest.raises(MechExoError) as refusal:
        place.fetch("_mart/file", tmp_path / "copy")
    assert str(refusal.value) == f"{bucket}/mine/_mart/file is not there yet. Run `mech-exo run` with this lake first."
    assert place.put("_mart/file", tmp_path / "one") == f"{bucket}/mine/_mart/file"
    wholes = [(tmp_path / name).read_bytes() for name in ("one", "two")]
    seen = set()
    with ThreadPoolExecutor(1) as pool:
        for name in ("two", "one") * 4:
            putting = pool.submit(place.put, "_mart/file", tmp_path / name)
            while not putting.done():
                place.fetch("_mart/file", tmp_path / "copy")
                seen.add(wholes.index((tmp_path / "copy").read_bytes()))
            putting.result()
    assert seen == {0, 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "one", "two"]


def test_a_folder_is_no_object_store(tmp_path):
    place = Lake(tmp_path).place
    assert not place.is_remote
    assert str(place) == place.uri == str(tmp_path)
    assert Lake(f"{tmp_path}/").uri(KEY) == str(tmp_path / KEY)
    assert Path(place.below(KEY)) == tmp_path / "factors" / "scores"


def test_maintenance_in_a_bucket_keeps_what_is_named_and_lets_the_rest_go(bucket):
    lake = Lake(bucket)
    for number in range(5):
        lake.write(SCORES, scores(2019, 2020, value=float(number)), years=[2019, 2020], note={"run_id": str(number)})
    before = {version: lake.read(KEY, version=version) for version in (1, 4)}
    listed = lake.stored(KEY).listed()
    done = maintain_table(
        lake, KEY, before=dt.datetime.max.replace(tzinfo=dt.UTC), named={1}, read=(), grace=dt.timedelta(0), dry_run=False
    )
    assert (done.versions, done.named) == (2, 1)
    assert done.removed_files > 0
    assert len(lake.stored(KEY).listed()) < len(listed)
    for version, table in before.items():
        assert_frame_equal(lake.read(KEY, version=version), table, check_row_order=False)
        assert lake.note(KEY, version)["run_id"] == str(version)
    with pytest.raises(MechExoError, match="is not there any more"):
        lake.read(KEY, version=2)
    assert lake.write(SCORES, scores(2020, value=9.0), years=[2020]) == 5
