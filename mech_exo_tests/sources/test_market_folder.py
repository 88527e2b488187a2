"""A market written as a folder is read back as it was, and stands there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.simulator import Defects, SimulatedMarket, plant, simulate_planted, truth_as_json
from mech_exo_assets.sources.market_folder import TRUTH, write_market
from mech_exo_assets.sources.uri import open_source

DEFECTS = Defects(delistings_per_year=0.2, late_listings=0.2, gaps_per_year=4, feature_delay=2, fundamentals=True, fills=True)


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return _market()


def _market(seed: int = 3, defects: Defects = DEFECTS) -> SimulatedMarket:
    return simulate_planted(plant(factors=3, dying=1, ic=0.05, sessions=260, seed=seed), names=15, sessions=260, seed=seed, defects=defects)


def _write(market: SimulatedMarket, folder: Path, form: str = "parquet", *, replace: bool = False) -> dict[str, int]:
    return write_market(market, truth_as_json(market), folder, form=form, replace=replace)


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_what_is_written_is_read_back_to_the_last_bit(market: SimulatedMarket, tmp_path: Path, form: str) -> None:
    _write(market, tmp_path / "market", form)
    source = open_source(f"files:{tmp_path / 'market'}")
    read = source.load()
    assert_frame_equal(read.prices, market.prices, check_exact=True)
    assert_frame_equal(read.universe, market.universe, check_exact=True)
    assert_frame_equal(read.features, market.features, check_exact=True)
    assert market.fundamentals is not None
    assert_frame_equal(read.fundamentals, market.fundamentals, check_exact=True)
    assert market.fills is not None
    assert market.cash is not None
    assert_frame_equal(read.fills, market.fills.sort("timestamp", "symbol", "order_id"), check_exact=True)
    assert_frame_equal(read.cash, market.cash, check_exact=True)
    assert read.notes == (f"Not read: {TRUTH}.",)
    assert source.feature_names() == ("planted_01", "planted_02", "planted_03")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_fills_and_cash_are_written_with_the_columns_of_the_design(market: SimulatedMarket, tmp_path: Path, form: str) -> None:
    _write(market, tmp_path / "market", form)
    read = pl.read_parquet if form == "parquet" else lambda path: pl.read_csv(path, try_parse_dates=True)
    fills, cash = (read(tmp_path / "market" / f"{name}.{form}") for name in ("fills", "cash"))
    assert market.fills is not None
    assert market.cash is not None
    assert fills.columns == ["timestamp", "symbol", "quantity", "price", "fee", "order_id"]
    assert fills.rows() == market.fills.rows()
    assert cash.rows() == market.cash.rows()


def test_the_answer_counts_the_rows_of_each_table_and_the_truth_stands_beside_them(market: SimulatedMarket, tmp_path: Path) -> None:
    rows = _write(market, tmp_path / "deep" / "market")
    assert market.fundamentals is not None
    assert market.fills is not None
    assert rows == {
        "prices": market.prices.height,
        "universe": 15,
        "features/planted_01": 258 * 15,
        "features/planted_02": 258 * 15,
        "features/planted_03": 258 * 15,
        "fundamentals": market.fundamentals.height // 2,
        "fills": market.fills.height,
        "cash": 1,
    }
    assert json.loads((tmp_path / "deep" / "market" / TRUTH).read_text()) == json.loads(json.dumps(truth_as_json(market)))
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"market"}, "nothing is left beside it"


def test_a_market_without_defects_has_no_file_for_what_it_lacks(tmp_path: Path) -> None:
    _write(_market(defects=Defects()), tmp_path / "market", "csv")
    assert set(_content(tmp_path / "market")) == {
        "prices.csv",
        "universe.csv",
        "features/planted_01.csv",
        "features/planted_02.csv",
        "features/planted_03.csv",
        TRUTH,
    }


def test_a_folder_that_holds_something_is_refused_and_left_as_it_is(market: SimulatedMarket, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError) as refusal:
        _write(market, tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path}: is not empty. Give another folder with --out, or --force to replace it; nothing was written."
    )
    assert _content(tmp_path) == {"mine.txt": b"mine"}


def test_an_empty_folder_is_written_into(market: SimulatedMarket, tmp_path: Path) -> None:
    (tmp_path / "market").mkdir()
    assert _write(market, tmp_path / "market")["universe"] == 15
    assert (tmp_path / "market" / "prices.parquet").is_file()


def test_with_force_a_market_is_replaced_as_a_whole(market: SimulatedMarket, tmp_path: Path) -> None:
    _write(market, tmp_path / "market", "parquet")
    _write(_market(seed=4, defects=Defects()), tmp_path / "market", "csv", replace=True)
    _write(_market(seed=4, defects=Defects()), tmp_path / "fresh", "csv")
    assert _content(tmp_path / "market") == _content(tmp_path / "fresh"), "no table of the first market is left"
    assert {path.name for path in tmp_path.iterdir()} == {"market", "fresh"}


def test_force_replaces_no_folder_that_is_not_a_market(market: SimulatedMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, Path()):
        with pytest.raises(InputError, match=r"holds no truth\.json, so it is no simulated market"):
            _write(market, folder, replace=True)
    assert _content(tmp_path) == {"thesis.txt": b"mine"}


def test_a_file_is_never_replaced(market: SimulatedMarket, tmp_path: Path) -> None:
    (tmp_path / "market").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        _write(market, tmp_path / "market", replace=True)
    assert (tmp_path / "market").read_text() == "mine"


def test_a_link_stays_a_link(market: SimulatedMarket, tmp_path: Path) -> None:
    (tmp_path / "large_disk").mkdir()
    (tmp_path / "market").symlink_to(tmp_path / "large_disk", target_is_directory=True)
    _write(market, tmp_path / "market")
    assert (tmp_path / "market").is_symlink()
    assert (tmp_path / "large_disk" / TRUTH).is_file()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_write_that_fails_leaves_nothing_behind_and_takes_nothing_away(
    market: SimulatedMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    folder = tmp_path / "market"
    if replaced:
        _write(market, folder)
    before = _content(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(InputError) as refusal:
        _write(market, folder, "csv", replace=True)
    assert str(refusal.value) == f"{folder}: cannot be written (No space left on device). Give another folder with --out."
    assert _content(tmp_path) == before
    assert list(tmp_path.iterdir()) == [folder] * replaced


def test_where_the_new_market_cannot_take_its_place_the_old_one_comes_back(
    market: SimulatedMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "market"
    _write(market, folder)
    before, rename = _content(tmp_path), Path.rename

    def refused(self: Path, target: Path) -> Path:
        if target == folder and not self.name.endswith(".old"):
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(InputError, match="Permission denied"):
        _write(_market(seed=4), folder, replace=True)
    assert _content(tmp_path) == before


def test_a_fault_that_is_no_files_fault_also_leaves_nothing(market: SimulatedMarket, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_market(market, {"truth": object()}, tmp_path / "market", form="csv")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_wrong_input(market: SimulatedMarket, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(InputError, match=r"market: cannot be written \(.+\)\. Give another folder with --out\.$"):
        _write(market, tmp_path / "taken" / "market")
