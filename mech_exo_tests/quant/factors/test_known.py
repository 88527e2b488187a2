import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.factors.known import (
    FEATURE_CARRY_SESSIONS,
    FUNDAMENTALS_CARRY_DAYS,
    as_of,
    features_as_of,
    fundamentals_as_of,
)
from mech_exo_assets.schemas import FEATURES, FUNDAMENTALS
from mech_exo_tests.quant.factors.panels import weekdays

SYMBOLS = np.array(["A", "B"])


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def fundamentals(*rows: tuple[str, str, str, float]) -> pl.DataFrame:
    return pl.DataFrame([(day(date), *rest) for date, *rest in rows], schema=FUNDAMENTALS.dtypes(), orient="row")


def features(*rows: tuple[str, str, str, float, str]) -> pl.DataFrame:
    table = [(day(date), symbol, name, value, day(known)) for date, symbol, name, value, known in rows]
    return pl.DataFrame(table, schema=FEATURES.dtypes(), orient="row")


def test_a_figure_is_used_from_the_session_on_which_it_became_known():
    sessions = weekdays(5, "2020-01-06")
    known = fundamentals_as_of(fundamentals(("2020-01-08", "A", "book_to_price", 0.5)), sessions, SYMBOLS)
    np.testing.assert_array_equal(known["book_to_price"][:, 0], [np.nan, np.nan, 0.5, 0.5, 0.5])
    assert np.isnan(known["book_to_price"][:, 1]).all()


def test_a_figure_of_the_weekend_is_used_on_monday_and_the_later_of_two_counts():
    sessions = weekdays(6, "2020-01-10")
    table = fundamentals(("2020-01-12", "A", "x", 2.0), ("2020-01-11", "A", "x", 1.0), ("2020-01-15", "A", "x", 3.0))
    np.testing.assert_array_equal(fundamentals_as_of(table, sessions, SYMBOLS)["x"][:, 0], [np.nan, 2.0, 2.0, 3.0, 3.0, 3.0])


def test_a_figure_from_before_the_first_session_is_known_and_expires_by_its_own_date():
    sessions = weekdays(10, "2021-02-01")
    expires = np.datetime64("2021-02-05")
    table = fundamentals((str(expires - FUNDAMENTALS_CARRY_DAYS), "B", "x", 1.0))
    known = fundamentals_as_of(table, sessions, SYMBOLS)["x"][:, 1]
    np.testing.assert_array_equal(~np.isnan(known), sessions <= expires)


def test_figures_do_not_depend_on_the_first_session_that_is_loaded():
    sessions = weekdays(900, "2015-01-05")
    rng = np.random.default_rng(0)
    table = fundamentals(*((str(sessions[i] + 2), "AB"[i % 2], "x", float(i)) for i in sorted(rng.choice(800, 12, replace=False))))
    full = fundamentals_as_of(table, sessions, SYMBOLS)["x"]
    np.testing.assert_array_equal(fundamentals_as_of(table, sessions[500:], SYMBOLS)["x"], full[500:])


def test_a_feature_is_used_from_known_at_for_a_stated_number_of_sessions():
    sessions = weekdays(100, "2020-01-06")
    known = features_as_of(features(("2020-01-06", "A", "mood", 0.3, "2020-01-09")), sessions, SYMBOLS)["feature/mood"][:, 0]
    assert np.isnan(known[:3]).all()
    np.testing.assert_array_equal(known[3 : 4 + FEATURE_CARRY_SESSIONS], 0.3)
    assert np.isnan(known[4 + FEATURE_CARRY_SESSIONS :]).all()


def test_a_late_value_for_an_old_date_replaces_nothing_newer():
    sessions = weekdays(5, "2020-01-06")
    table = features(("2020-01-06", "A", "mood", 1.0, "2020-01-06"), ("2020-01-03", "A", "mood", 9.0, "2020-01-07"))
    np.testing.assert_array_equal(features_as_of(table, sessions, SYMBOLS)["feature/mood"][:, 0], 1.0)


def test_figures_after_the_last_session_and_of_other_symbols_are_left_out():
    sessions = weekdays(3, "2020-01-06")
    table = fundamentals(("2020-02-01", "A", "x", 1.0), ("2020-01-06", "Z", "x", 2.0))
    assert np.isnan(fundamentals_as_of(table, sessions, SYMBOLS)["x"]).all()


def test_a_file_of_features_gives_what_the_table_gives(tmp_path: Path):
    sessions = weekdays(60, "2020-01-06")
    table = features(
        ("2020-01-06", "A", "mood", 0.3, "2020-01-09"),
        ("2020-02-03", "B", "mood", 0.5, "2020-02-03"),
        ("2020-01-10", "A", "buzz", 2.0, "2020-01-10"),
        ("2021-01-04", "A", "later", 1.0, "2021-01-04"),
    )
    table.write_parquet(tmp_path / "features.parquet")
    known = features_as_of(pl.scan_parquet(tmp_path / "features.parquet"), sessions, SYMBOLS)
    assert list(known) == ["feature/buzz", "feature/later", "feature/mood"]
    # What is known only after the last session is a feature all the same: which ones there are must not depend on the years asked for.
    assert np.isnan(known["feature/later"]).all()
    for name, matrix in features_as_of(table, sessions, SYMBOLS).items():
        np.testing.assert_array_equal(known[name], matrix)
    assert known["feature/mood"][3, 0] == 0.3
    assert known["feature/mood"][20, 1] == 0.5


def test_an_empty_table_has_no_fields():
    assert fundamentals_as_of(FUNDAMENTALS.empty(), weekdays(3), SYMBOLS) == {}
    assert features_as_of(FEATURES.empty(), weekdays(3), SYMBOLS) == {}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-30, 90), st.integers(0, 20), st.sampled_from("AB"), st.floats(-5, 5)), max_size=20),
    st.sampled_from(["days", "sessions"]),
)
def test_as_of_is_what_a_loop_over_sessions_finds(rows, unit):
    start, carry = dt.date(2020, 3, 2), 15
    table = [(start + dt.timedelta(described + delay), start + dt.timedelta(described), s, v) for described, delay, s, v in rows]
    unique = {(known, described, symbol): value for known, described, symbol, value in table}
    table = [(*key, value) for key, value in unique.items()]
    frame = pl.DataFrame(table, schema={"known": pl.Date, "described": pl.Date, "symbol": pl.String, "value": pl.Float64}, orient="row")
    sessions = weekdays(60, "2020-03-02")
    expected = np.full((60, 2), np.nan)
    for t, session in enumerate(sessions.astype(dt.date)):
        for j, symbol in enumerate("AB"):
            candidates = [row for row in table if row[0] <= session and row[2] == symbol]
            if candidates:
                # The latest date described; if that was told twice, what was told last.
                known, _, _, value = max(candidates, key=lambda row: (row[1], row[0]))
                first = int(np.searchsorted(sessions, np.datetime64(known)))
                age = (session - known).days if unit == "days" else t - first
                expected[t, j] = value if age <= carry else np.nan
    found = as_of(frame, sessions, SYMBOLS, carry=carry, carry_unit=unit)
    np.testing.assert_array_equal(found, expected)


def test_a_value_that_is_not_a_number_is_no_observation():
    frame = pl.DataFrame(
        {"symbol": ["A", "A"], "value": [1.0, float("nan")], "known": [day("2020-01-06"), day("2020-01-07")]}
    ).with_columns(described="known")
    np.testing.assert_array_equal(as_of(frame, weekdays(3, "2020-01-06"), SYMBOLS, carry=9, carry_unit="days")[:, 0], 1.0)


@pytest.mark.parametrize("unit", ["days", "sessions"])
def test_what_becomes_known_later_moves_nothing_earlier(unit):
    sessions = weekdays(30, "2020-01-06")
    first = pl.DataFrame({"symbol": ["A"], "value": [1.0], "known": [day("2020-01-07")], "described": [day("2020-01-07")]})
    later = pl.DataFrame({"symbol": ["A"], "value": [2.0], "known": [day("2020-01-20")], "described": [day("2020-01-01")]})
    alone = as_of(first, sessions, SYMBOLS, carry=40, carry_unit=unit)
    both = as_of(pl.concat([first, later]), sessions, SYMBOLS, carry=40, carry_unit=unit)
    np.testing.assert_array_equal(both[sessions < np.datetime64("2020-01-20")], alone[sessions < np.datetime64("2020-01-20")])
