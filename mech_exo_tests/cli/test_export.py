import datetime as dt
import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mech_exo_assets.cli.export import Format, Period, _write
from mech_exo_assets.schemas import FEATURES, TABLES, TARGETS, UNIVERSE
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command

FIRST, LAST = dt.date(2020, 11, 2), dt.date(2022, 12, 28)
DIFFICULT = ("", None, "a,b", 'say "no"', "two\nlines", "old\rline", " blanks ", "null", "NaN", "1.50", "007", "#", "é", "\ttab", "\r", '"')


def targets(first: dt.date = FIRST, last: dt.date = LAST) -> pl.DataFrame:
    days = pl.date_range(first, last, eager=True).alias("date")
    return days.to_frame().with_columns(symbol=pl.lit("A"), weight=1 / (pl.int_range(1, pl.len() + 1) * 3.0))


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose tables end in 2022; `market/features` was computed and has no rows."""
    home = tmp_path_factory.mktemp("small")
    lake = Lake(home / "lake")
    lake.write(TARGETS, targets(), years=[2020, 2021, 2022])
    lake.write(FEATURES, FEATURES.empty())
    names = pl.DataFrame(
        [{"symbol": f"S{number:02}", "name": name, "asset_class": "equity"} for number, name in enumerate(DIFFICULT)],
        schema=UNIVERSE.dtypes(),
    )
    lake.write(UNIVERSE, names)
    return home


def read_back(content: bytes, schema: pl.Schema, kind: Format) -> pl.DataFrame:
    return pl.read_csv(content, schema=schema) if kind is Format.csv else pl.read_parquet(io.BytesIO(content))


@pytest.mark.parametrize("key", TABLES)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_table_comes_back_from_its_export_as_it_was(
    mech_exo: Command, request: pytest.FixtureRequest, tmp_path: Path, key: str, ending: str
):
    homes = {"weights": "searched_home", "learning": "learned_home", "lifecycle": "retrained_home", "operations": "maintained_home"}
    home = request.getfixturevalue(homes.get(key.partition("/")[0], "finished_home"))
    target = tmp_path / f"table.{ending}"
    said = mech_exo("export", key, "--home", home, "--format", ending, "--out", target)
    assert said.code == 0, said.err
    table = Lake(home / "lake").read(key).sort(*TABLES[key].unique)
    back = pl.read_csv(target, schema=table.schema) if ending == "csv" else pl.read_parquet(target)
    assert back.equals(table, null_equal=True)


def test_only_the_asked_for_dates_are_exported(mech_exo: Command, finished_home: Path, tmp_path: Path):
    target = tmp_path / "prices.parquet"
    arguments = ("--home", finished_home, "--format", "parquet", "--out", target, "--from", "2006-01-03", "--to", "2006-01-31")
    assert mech_exo("export", "market/prices", *arguments).code == 0
    dates = pl.read_parquet(target)["date"]
    assert (dates.min(), dates.max()) == (dt.date(2006, 1, 3), dt.date(2006, 1, 31))


def test_a_dash_is_standard_output(finished_home: Path, capfdbinary: pytest.CaptureFixture[bytes]):
    from mech_exo_assets.cli.main import main

    with pytest.raises(SystemExit):
        main(["export", "market/universe", "--home", str(finished_home), "--out", "-"])
    assert capfdbinary.readouterr().out.startswith(b"symbol,name,sector,asset_class,listed_from,listed_to\n")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["decay/icc"], "Did you mean decay/ic?"),
        (["nothing"], "There are: market/prices"),
        (["decay/ic", "--from", "yesterday"], "--from yesterday: not a date"),
        (["market/universe", "--to", "2020-01-01"], "has no column date"),
    ],
)
def test_wrong_wishes_are_refused(mech_exo: Command, finished_home: Path, tmp_path: Path, arguments: list[str], part: str):
    said = mech_exo("export", *arguments, "--home", finished_home, "--out", tmp_path / "x.csv")
    assert said.code == 2
    assert part in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(mech_exo: Command, finished_home: Path, tmp_path: Path):
    said = mech_exo("export", "decay/ic", "--home", finished_home, "--out", tmp_path / "none" / "x.csv")
    assert said.code == 2
    assert "cannot be written" in said.err


def test_a_table_that_was_not_computed_yet_is_a_failure(mech_exo: Command, tmp_path: Path):
    said = mech_exo("export", "decay/ic", "--home", tmp_path, "--out", tmp_path / "x.csv")
    assert said.code == 1
    assert "Run `mech-exo run` first" in said.err


@pytest.mark.parametrize(
    ("period", "first"),
    [
        ("last7d", dt.date(2022, 12, 22)),
        ("last30d", dt.date(2022, 11, 29)),
        ("last90d", dt.date(2022, 9, 30)),
        ("last365d", dt.date(2021, 12, 29)),
        ("ytd", dt.date(2022, 1, 1)),
    ],
)
def test_a_period_counts_back_from_the_last_date_of_the_table(
    mech_exo: Command, small_home: Path, tmp_path: Path, period: str, first: dt.date
):
    said = mech_exo("export", "strategy/targets", "--home", small_home, "--out", tmp_path / "t.csv", "--period", period)
    assert said.code == 0, said.err
    rows = pl.read_csv(tmp_path / "t.csv", schema=targets().schema)
    assert rows.equals(targets().filter(pl.col("date") >= first))
    assert said.err == (
        f"{len(rows)} rows of strategy/targets, {first} to 2022-12-28 ({period} is {first} to 2022-12-28) in {tmp_path / 't.csv'}\n"
    )


@given(st.dates(dt.date(1901, 1, 1)), st.sampled_from([each for each in Period if each is not Period.ytd]))
def test_a_period_has_as_many_days_as_its_name_says(last: dt.date, period: Period):
    assert period == f"last{(last - period.first_day(last)).days + 1}d"


def test_the_year_to_date_of_the_first_of_january_is_that_day():
    assert Period.ytd.first_day(dt.date(2024, 1, 1)) == dt.date(2024, 1, 1)
    assert Period.ytd.first_day(dt.date(2024, 12, 31)) == dt.date(2024, 1, 1)


def test_a_period_longer_than_the_table_is_the_whole_table(mech_exo: Command, tmp_path: Path):
    Lake(tmp_path / "lake").write(TARGETS, targets(dt.date(2022, 12, 20)), years=[2022])
    said = mech_exo("export", "strategy/targets", "--home", tmp_path, "--out", tmp_path / "t.csv", "--period", "last30d")
    assert said.err.startswith("9 rows of strategy/targets, 2022-12-20 to 2022-12-28 (last30d is 2022-11-29 to 2022-12-28) in ")


@pytest.mark.parametrize(
    ("arguments", "first", "last", "part"),
    [
        (["--from", "2022-12-27"], dt.date(2022, 12, 27), LAST, "2 rows of strategy/targets, 2022-12-27 to 2022-12-28 in "),
        (["--to", "2020-11-02"], FIRST, FIRST, "1 row of strategy/targets, 2020-11-02 to 2020-11-02 in "),
        (
            ["--from", "2021-01-01", "--to", "2021-01-01"],
            dt.date(2021, 1, 1),
            dt.date(2021, 1, 1),
            "1 row of strategy/targets, 2021-01-01",
        ),
    ],
)
def test_both_ends_of_the_dates_are_included(mech_exo: Command, small_home: Path, tmp_path: Path, arguments, first, last, part):
    said = mech_exo("export", "strategy/targets", "--home", small_home, "--out", tmp_path / "t.parquet", *arguments)
    assert pl.read_parquet(tmp_path / "t.parquet").equals(targets().filter(pl.col("date").is_between(first, last)))
    assert part in said.err


@pytest.mark.parametrize("ending", ["csv", "parquet", "csv.gz"])
@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["--from", "2023-01-01"], "from 2023-01-01 to its last date"),
        (["--to", "1999-12-31"], "from its first date to 1999-12-31"),
        (["--from", "2030-01-01", "--to", "2030-01-31"], "from 2030-01-01 to 2030-01-31"),
    ],
)
def test_no_rows_in_the_dates_is_an_empty_table_and_a_word_about_it(
    mech_exo: Command, small_home: Path, tmp_path: Path, arguments: list[str], asked: str, ending: str
):
    out = tmp_path / f"t.{ending}"
    said = mech_exo("export", "strategy/targets", "--home", small_home, "--out", out, *arguments)
    assert said.code == 0
    assert said.err == (
        f"strategy/targets has no rows {asked}; it has them from 2020-11-02 to 2022-12-28: just the names of the columns in {out}\n"
    )
    rows = pl.read_parquet(out) if ending == "parquet" else pl.read_csv(out, schema=targets().schema)
    assert rows.equals(targets().clear())


@pytest.mark.parametrize("arguments", [[], ["--period", "ytd"], ["--from", "2020-01-01"]])
def test_a_table_without_rows_says_so(mech_exo: Command, small_home: Path, tmp_path: Path, arguments: list[str]):
    said = mech_exo("export", "market/features", "--home", small_home, "--out", tmp_path / "f.csv", *arguments)
    assert said.code == 0
    assert said.err == f"market/features has no rows: just the names of the columns in {tmp_path / 'f.csv'}\n"
    assert (tmp_path / "f.csv").read_text(encoding="utf-8") == "date,symbol,feature,value,known_at\n"


@pytest.mark.parametrize(
    ("name", "arguments", "made"),
    [
        ("t.csv", [], "csv"),
        ("t.CSV", [], "csv"),
        ("t", [], "csv"),
        ("t.txt", [], "csv"),
        ("t.csv.gz", [], "csv.gz"),
        ("t.csv.gz", ["--gzip"], "csv.gz"),
        ("t.csv.gz", ["--format", "csv"], "csv.gz"),
        ("t.gz", [], "csv.gz"),
        ("t.txt", ["--gzip"], "csv.gz"),
        ("t.parquet", [], "parquet"),
        ("t.parquet", ["--format", "parquet", "--gzip"], "parquet, gzip pages"),
        ("t.pq", ["--format", "parquet"], "parquet"),
    ],
)
def test_the_ending_says_the_format_where_the_options_do_not(
    mech_exo: Command, small_home: Path, tmp_path: Path, name: str, arguments: list[str], made: str
):
    assert mech_exo("export", "strategy/targets", "--home", small_home, "--out", tmp_path / name, *arguments).code == 0
    content = (tmp_path / name).read_bytes()
    if made.startswith("parquet"):
        pages = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(0).compression
        assert (content[:4], pages) == (b"PAR1", "GZIP" if made.endswith("pages") else "ZSTD")
    else:
        plain = gzip.decompress(content) if made.endswith("gz") else content
        assert plain.startswith(b"date,symbol,weight\n2020-11-02,A,0.3333333333333333\n")
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--out", "t.parquet", "--format", "csv"], "--format csv and --out t.parquet say different formats."),
        (["--out", "t.csv", "--format", "parquet"], "--format parquet and --out t.csv say different formats."),
        (["--out", "t.parquet.gz"], "--out t.parquet.gz: a Parquet file is compressed inside, not around."),
        (["--out", "t.gz", "--format", "parquet"], "--out t.gz: a Parquet file is compressed inside, not around."),
        (["--out", "t.csv", "--gzip"], "Give t.csv.gz, or leave --gzip out."),
        (["--out", "t.csv", "--period", "last7d", "--from", "2020-01-01"], "--period last7d with --from or --to: both say which dates."),
        (["--out", "t.csv", "--period", "ytd", "--to", "2020-01-01"], "--period ytd with --from or --to: both say which dates."),
        (["--out", "t.csv", "--from", "2020-01-02", "--to", "2020-01-01"], "--from 2020-01-02 is after --to 2020-01-01."),
        (["--out", "t.csv", "--period", "7d"], "'last7d', 'last30d', 'last90d', 'last365d', 'ytd'"),
        (["--out", "t.csv", "--format", "xlsx"], "'csv', 'parquet'"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(
    mech_exo: Command, small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], part: str
):
    monkeypatch.chdir(tmp_path)
    said = mech_exo("export", "strategy/targets", "--home", small_home, *arguments)
    assert said.code == 2
    assert part in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("market/universe", "market/universe has no column date, so that --period ytd cannot be applied."),
        ("decay/statistics", "decay/statistics has no column date, so that --period ytd cannot be applied."),
        ("shop/orders", "no table is called shop/orders. There are: market/prices, "),
        ("shop/nothing", "no table is called shop/nothing. There are: market/prices, "),
        ("strategy/target", "Did you mean strategy/targets? There are: market/prices, "),
    ],
)
def test_a_period_of_a_table_without_dates_or_without_being_is_refused(
    mech_exo: Command, small_home: Path, tmp_path: Path, table: str, part: str
):
    said = mech_exo("export", table, "--home", small_home, "--out", tmp_path / "t.csv", "--period", "ytd")
    assert said.code == 2
    assert part in said.err


FLOATS = st.floats(allow_nan=False, allow_subnormal=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(DIFFICULT)
ROWS = st.lists(
    st.tuples(
        st.none() | TEXTS,
        st.none() | st.dates(),
        st.none() | FLOATS,
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | TEXTS,
    ),
    max_size=12,
)
SCHEMA = pl.Schema({"text": pl.String, "date": pl.Date, "value": pl.Float64, "n": pl.Int32, "last": pl.String})


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("zipped", [False, True])
@given(rows=ROWS)
@example(rows=[(None, None, value, None, None) for value in (5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -0.0, 0.1 + 0.2)])
@example(rows=[(None, None, None, None, None), ("", None, None, None, ""), ("\r", None, None, None, "\r")])
def test_all_values_come_back_to_the_last_bit(kind: Format, zipped: bool, rows: list[tuple]):
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    target = io.BytesIO()
    _write(frame, target, kind, gzip=zipped)
    content = target.getvalue()
    back = read_back(gzip.decompress(content) if zipped and kind is Format.csv else content, SCHEMA, kind)
    assert back.equals(frame, null_equal=True)
    # Equality takes -0.0 for 0.0.
    assert back["value"].to_numpy().tobytes() == frame["value"].to_numpy().tobytes()


@pytest.mark.parametrize("kind", Format)
@given(values=st.lists(st.none() | TEXTS, max_size=6))
def test_a_single_column_of_texts_comes_back(kind: Format, values: list[str | None]):
    frame = pl.DataFrame({"text": values}, schema={"text": pl.String})
    target = io.BytesIO()
    _write(frame, target, kind, gzip=False)
    assert read_back(target.getvalue(), frame.schema, kind).equals(frame, null_equal=True)


@pytest.mark.parametrize("name", ["u.csv", "u.csv.gz", "u.parquet"])
def test_an_empty_text_and_an_absent_one_stay_apart(mech_exo: Command, small_home: Path, tmp_path: Path, name: str):
    assert mech_exo("export", "market/universe", "--home", small_home, "--out", tmp_path / name).code == 0
    path = tmp_path / name
    back = pl.read_parquet(path) if name == "u.parquet" else pl.read_csv(path, schema=UNIVERSE.dtypes())
    assert tuple(back["name"]) == DIFFICULT


def test_the_same_table_makes_the_same_compressed_bytes(mech_exo: Command, small_home: Path, tmp_path: Path):
    for name in ("one.csv.gz", "other.csv.gz"):
        mech_exo("export", "strategy/targets", "--home", small_home, "--out", tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "other.csv.gz").read_bytes()


@pytest.mark.parametrize(("arguments", "kind"), [([], Format.csv), (["--gzip"], Format.csv), (["--format", "parquet"], Format.parquet)])
def test_standard_output_holds_the_table_and_nothing_else(
    small_home: Path, capfdbinary: pytest.CaptureFixture[bytes], arguments: list[str], kind: Format
):
    from mech_exo_assets.cli.main import main

    with pytest.raises(SystemExit):
        main(["export", "strategy/targets", "--home", str(small_home), "--out", "-", *arguments])
    shown = capfdbinary.readouterr()
    assert shown.err == b"787 rows of strategy/targets, 2020-11-02 to 2022-12-28 in standard output\n"
    content = gzip.decompress(shown.out) if "--gzip" in arguments else shown.out
    assert read_back(content, targets().schema, kind).equals(targets())


@pytest.mark.parametrize("kind", Format)
def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word(small_home: Path, kind: Format):
    # The reader's end is closed before the first byte comes.
    reader, writer = os.pipe()
    os.close(reader)
    words = ["export", "strategy/targets", "--home", str(small_home), "--out", "-", "--format", kind]
    with os.fdopen(writer, "wb") as pipe:
        ended = subprocess.run([sys.executable, "-m", "mech_exo_assets.cli", *words], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert ended.stderr == b""
    assert ended.returncode == 1


@pytest.mark.parametrize("arguments", [["--format", "csv"], ["--format", "csv", "--gzip"], ["--format", "parquet"]])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_a_failure_and_a_device_is_not_replaced(mech_exo: Command, small_home: Path, arguments: list[str]):
    said = mech_exo("export", "strategy/targets", "--home", small_home, "--out", "/dev/full", *arguments)
    assert said.code == 1
    assert "--out /dev/full: could not be written to its end" in said.err
    assert "No space left on device" in said.err
    assert Path("/dev/full").is_char_device()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    mech_exo: Command, small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "t.csv").write_text("old", encoding="utf-8")
    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    said = mech_exo("export", "strategy/targets", "--home", small_home, "--out", tmp_path / "t.csv")
    assert said.code == 1
    assert [(each.name, each.read_text(encoding="utf-8")) for each in tmp_path.iterdir()] == [("t.csv", "old")]


def test_a_link_is_followed_and_a_folder_is_refused(mech_exo: Command, small_home: Path, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "folder" / "real.csv")
    (tmp_path / "folder" / "real.csv").write_text("old", encoding="utf-8")
    assert mech_exo("export", "strategy/targets", "--home", small_home, "--out", tmp_path / "link.csv").code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "folder" / "real.csv").read_text(encoding="utf-8").startswith("date,symbol,weight\n")
    said = mech_exo("export", "strategy/targets", "--home", small_home, "--out", tmp_path / "folder")
    assert said.code == 2
    assert "cannot be written (Is a directory)" in said.err
