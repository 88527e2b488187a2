"""The refresh: the fingerprint changes exactly when a table could, and the plan computes the years that it has to, and no others."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.defs.refresh import RECORD, Fingerprint, Plan, begin, completed_at, fingerprint, plan, read_record, write_record
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.schemas import FEATURES, FUNDAMENTALS, PRICES, UNIVERSE
from mech_exo_assets.settings import Strategy, load_strategy
from mech_exo_assets.sources.protocol import MarketData

STRATEGY = load_strategy()


def rows(schema, *given_rows: dict) -> pl.DataFrame:
    return pl.DataFrame(list(given_rows), schema=schema.dtypes())


def market() -> MarketData:
    prices = rows(
        PRICES,
        *(
            {
                "date": date(year, month, 3),
                "symbol": symbol,
                "open": 9.0,
                "close": 10.0 + month,
                "adjusted_close": 10.0 + month,
                "volume": None,
            }
            for year in (2018, 2019, 2020, 2021)
            for month in (1, 6)
            for symbol in ("A", "B")
        ),
    )
    return MarketData(
        prices=prices.drop("total_return_index"),
        universe=rows(UNIVERSE, *({"symbol": symbol, "sector": "Energy", "asset_class": "equity"} for symbol in ("A", "B"))),
        fundamentals=rows(FUNDAMENTALS, {"date": date(2019, 5, 5), "symbol": "A", "item": "earnings_yield", "value": 0.05}),
        features=rows(FEATURES, {"date": date(2018, 12, 1), "symbol": "A", "feature": "mood", "value": 1.0, "known_at": date(2019, 2, 1)}),
    )


def of(data: MarketData, *, source: str = "sample", strategy: Strategy = STRATEGY) -> Fingerprint:
    return fingerprint(source, data, strategy)


def with_value(frame: pl.DataFrame, row: int, column: str, value: object) -> pl.DataFrame:
    index = pl.int_range(pl.len())
    return frame.with_columns(pl.when(index == row).then(pl.lit(value, dtype=frame.schema[column])).otherwise(pl.col(column)).alias(column))


def changed_years(now: Fingerprint, last: Fingerprint) -> set[str]:
    return {year for year in now.years.keys() | last.years.keys() if now.years.get(year) != last.years.get(year)}


def changed_parts(now: Fingerprint, last: Fingerprint) -> set[str]:
    return {part for part, value in asdict(now).items() if value != asdict(last)[part]}


def test_the_same_data_have_the_same_fingerprint():
    assert of(market()) == of(market())


@given(st.randoms())
def test_the_order_of_the_rows_does_not_matter(random):
    data = market()
    frames = {name: getattr(data, name) for name in ("prices", "universe", "fundamentals", "features")}
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=random.randrange(2**32)) for name, frame in frames.items()}
    assert of(MarketData(**shuffled)) == of(data)


def test_another_process_computes_the_same_fingerprint():
    script = "from mech_exo_tests.defs.test_refresh import market, of; print(of(market()))"
    checkout = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(of(market()))


@pytest.mark.parametrize(
    ("column", "value"), [("close", 11.000000000000002), ("volume", 0.0), ("open", None), ("symbol", "C"), ("date", date(2019, 1, 4))]
)
def test_any_change_of_a_price_row_changes_its_year_and_nothing_else(column, value):
    data = market()
    now = of(replace(data, prices=with_value(data.prices, 4, column, value)))
    assert changed_years(now, of(data)) == {"2019"}
    assert changed_parts(now, of(data)) == {"years"}


def test_two_values_that_change_places_change_the_fingerprint():
    data = market()
    swapped = data.prices.with_columns(pl.col("open").alias("close"), pl.col("close").alias("open"))
    assert len(changed_years(of(replace(data, prices=swapped)), of(data))) == 4


def test_a_row_that_is_added_or_taken_away_changes_its_year():
    data = market()
    assert changed_years(of(replace(data, prices=data.prices[:-1])), of(data)) == {"2021"}
    assert changed_years(of(replace(data, prices=pl.concat([data.prices, data.prices[:1]]))), of(data)) == {"2018"}


def test_a_fundamental_changes_the_year_in_which_it_became_known():
    data = market()
    now = of(replace(data, fundamentals=with_value(data.fundamentals, 0, "value", 0.06)))
    assert changed_years(now, of(data)) == {"2019"}


def test_a_feature_changes_the_year_in_which_it_became_known():
    data = market()
    now = of(replace(data, features=with_value(data.features, 0, "value", 2.0)))
    assert changed_years(now, of(data)) == {"2019"}


def test_a_symbols_sector_changes_the_universe_and_nothing_else():
    data = market()
    assert changed_parts(of(replace(data, universe=with_value(data.universe, 1, "sector", "Banks"))), of(data)) == {"universe"}


@pytest.mark.parametrize(
    "update",
    [
        {"execution_lag": 2},
        {"seed": 7},
        {"costs": STRATEGY.costs.model_copy(update={"commission_bps": 9.0})},
        {"composite": STRATEGY.composite.model_copy(update={"weights": {"size": 1.0}})},
    ],
)
def test_any_key_of_the_strategy_changes_the_choices_and_nothing_else(update):
    changed = of(market(), strategy=STRATEGY.model_copy(update=update))
    assert changed_parts(changed, of(market())) == {"choices"}


def test_a_change_of_the_code_is_told_from_one_of_the_choices(monkeypatch):
    before = of(market())
    monkeypatch.setattr("mech_exo_assets.defs.refresh.code_hash", lambda: "other code")
    assert changed_parts(of(market()), before) == {"code"}


def test_notes_and_rows_before_the_first_year_make_no_year_of_their_own():
    data = market()
    strategy = STRATEGY.model_copy(update={"first_year": 2020})
    assert list(of(data, strategy=strategy).years) == ["2020", "2021"]
    assert of(replace(data, notes=("adjusted_close is missing.",))) == of(data)


def test_a_source_without_the_wanted_years_is_refused():
    with pytest.raises(InputError) as refusal:
        of(market(), source="files:prices", strategy=STRATEGY.model_copy(update={"first_year": 2022}))
    assert str(refusal.value) == "files:prices: no prices from 2022 on. Lower first_year in the configuration; nothing was changed."


def seen(*years: int, **parts: str) -> Fingerprint:
    """A fingerprint of years; a year `-2019` stands for other data of 2019."""
    return Fingerprint(
        **{"source": "sample", "choices": "c", "universe": "u", **parts},
        years={str(abs(year)): "other" if year < 0 else "same" for year in years},
    )


LAST = seen(2017, 2018, 2019, 2020)


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        pytest.param(LAST, None, Plan(2017, 2020, rebuild=True, reason="nothing was computed here before"), id="first run"),
        pytest.param(LAST, LAST, None, id="nothing changed"),
        pytest.param(
            seen(2017, 2018, 2019, 2020, lake="s3://bucket/new"),
            LAST,
            Plan(2017, 2020, rebuild=True, reason="the tables were in the home before"),
            id="into a bucket",
        ),
        pytest.param(
            LAST,
            seen(2017, 2018, 2019, 2020, lake="s3://bucket/old"),
            Plan(2017, 2020, rebuild=True, reason="the tables were in s3://bucket/old before"),
            id="out of a bucket",
        ),
        pytest.param(
            seen(2017, 2018, 2019, -2020),
            LAST,
            Plan(2019, 2020, rebuild=False, reason="the source's data of 2020 have changed"),
            id="next session",
        ),
        pytest.param(
            seen(2017, 2018, 2019, 2020, 2021),
            LAST,
            Plan(2020, 2021, rebuild=False, reason="the source's data of 2021 have changed"),
            id="first session of a year",
        ),
        pytest.param(
            seen(2017, 2018, -2019, -2020),
            LAST,
            Plan(2018, 2020, rebuild=False, reason="the source's data of 2019 have changed"),
            id="correction in an old year",
        ),
        pytest.param(
            seen(2017, -2018, 2019, 2020),
            LAST,
            Plan(2017, 2020, rebuild=True, reason="the source's data of 2018 have changed"),
            id="correction in the second year",
        ),
        pytest.param(
            seen(-2017, 2018, 2019, 2020),
            LAST,
            Plan(2017, 2020, rebuild=True, reason="the source's data of 2017 have changed"),
            id="in the first",
        ),
        pytest.param(
            seen(2016, 2017, 2018, 2019, 2020),
            LAST,
            Plan(2016, 2020, rebuild=True, reason="the source's data of 2016 have changed"),
            id="an earlier year",
        ),
        pytest.param(
            seen(2018, 2019, 2020), LAST, Plan(2018, 2020, rebuild=True, reason="the source has nothing of 2017 any more"), id="a year gone"
        ),
        pytest.param(
            seen(2017, 2018, 2019),
            LAST,
            Plan(2017, 2019, rebuild=True, reason="the source has nothing of 2020 any more"),
            id="the last year gone",
        ),
        pytest.param(
            replace(LAST, choices="other"),
            LAST,
            Plan(2017, 2020, rebuild=True, reason="the strategy has changed"),
            id="choices",
        ),
        pytest.param(
            replace(LAST, universe="other"), LAST, Plan(2017, 2020, rebuild=True, reason="the universe has changed"), id="universe"
        ),
    ],
)
def test_the_plan_computes_what_has_to_be_computed(now, last, expected):
    assert plan(now, last) == expected


def test_years_that_a_run_began_and_did_not_complete_are_computed_again(tmp_path: Path):
    write_record(tmp_path, LAST, run_id="run-1")
    begin(tmp_path, LAST, Plan(2019, 2020, rebuild=False, reason="a day more"))
    assert completed_at(tmp_path) is None
    assert plan(LAST, read_record(tmp_path)) == Plan(2018, 2020, rebuild=False, reason="the run before was not completed")


def test_a_rebuild_that_was_not_completed_is_a_rebuild_again(tmp_path: Path):
    begin(tmp_path, LAST, Plan(2017, 2020, rebuild=True, reason="the strategy has changed"))
    assert plan(LAST, read_record(tmp_path)) == Plan(2017, 2020, rebuild=True, reason="the run before was not completed")
    assert read_record(tmp_path).source == LAST.source


def test_before_the_first_refresh_there_is_nothing_to_take_back(tmp_path: Path):
    begin(tmp_path, None, Plan(2017, 2020, rebuild=True, reason="nothing was computed here before"))
    assert read_record(tmp_path) is None


def test_force_computes_everything_even_when_nothing_has_changed():
    assert plan(LAST, LAST, because="--force was given") == Plan(2017, 2020, rebuild=True, reason="--force was given")


def test_the_reason_for_a_first_run_is_not_that_it_was_forced():
    assert plan(LAST, None, because="--force was given") == Plan(2017, 2020, rebuild=True, reason="nothing was computed here before")


@given(st.sets(st.integers(2000, 2020), min_size=1), st.sets(st.integers(2000, 2020)))
def test_all_changed_years_are_within_the_plan_and_the_year_before_the_first_too(years, touched):
    last = seen(*years)
    now = seen(*(-year if year in touched else year for year in years))
    todo = plan(now, last)
    if not years & touched:
        assert todo is None
        return
    first = min(years & touched)
    assert (todo.first_year, todo.last_year) == (max(min(years), first - 1), max(years))
    assert todo.rebuild == (todo.first_year == min(years))


def test_a_record_is_read_as_it_was_written(tmp_path):
    before = datetime.now(UTC)
    write_record(tmp_path, of(market()), run_id="run-1")
    assert read_record(tmp_path) == of(market())
    assert before <= completed_at(tmp_path) <= datetime.now(UTC) + timedelta(seconds=1)
    assert plan(of(market()), read_record(tmp_path)) is None


def test_before_the_first_refresh_there_is_no_record(tmp_path):
    assert read_record(tmp_path) is None
    assert completed_at(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"completed_at": "yesterday", "fingerprint": {}}',
        '{"completed_at": "2020-01-01", "fingerprint": {"a": 1}}',
    ],
)
def test_a_broken_record_is_refused_with_what_to_do(tmp_path, content):
    (tmp_path / RECORD).write_text(content, encoding="utf-8")
    for read in (read_record, completed_at):
        with pytest.raises(
            InputError, match=r"refresh.json: not a record of a refresh \(.*\). Delete it; the next run computes everything anew."
        ):
            read(tmp_path)


def test_a_writer_that_fails_leaves_the_record_before(tmp_path, monkeypatch):
    write_record(tmp_path, LAST, run_id="run-1")

    def disk_full(self: Path, text: str, **options: object) -> int:
        self.write_bytes(text.encode()[: len(text) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", disk_full)
    with pytest.raises(MechExoError, match=r"refresh.json: .* cannot be written \(No space left on device\). Make room on the disk"):
        write_record(tmp_path, seen(1999), run_id="run-2")
    monkeypatch.undo()
    assert read_record(tmp_path) == LAST
    write_record(tmp_path, seen(1999), run_id="run-3")
    assert read_record(tmp_path) == seen(1999)
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]
