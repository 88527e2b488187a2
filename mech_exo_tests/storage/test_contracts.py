"""Contracts: what does not conform is refused, with table, column and reason."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from mech_exo_assets.schemas import DATASET, SCORES, TABLES, TARGETS
from mech_exo_assets.storage.contracts import ContractError, conform


def target(**changes: pl.Series | None) -> pl.DataFrame:
    """One valid row of strategy/targets, with columns changed, added, or (None) taken away."""
    columns = {"date": pl.Series([date(2020, 1, 2)]), "symbol": pl.Series(["A"]), "weight": pl.Series([0.5])} | changes
    return pl.DataFrame({name: values for name, values in columns.items() if values is not None})


def refusal(schema, frame) -> str:
    with pytest.raises(ContractError) as caught:
        conform(schema, frame)
    return str(caught.value)


@pytest.mark.parametrize("schema", TABLES.values(), ids=TABLES)
def test_every_schema_accepts_its_own_empty_frame(schema):
    assert conform(schema, schema.empty()).schema == schema.empty().schema


def test_columns_come_back_in_the_order_of_the_schema():
    assert conform(TARGETS, target().select("weight", "symbol", "date")).columns == ["date", "symbol", "weight"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"symbol": None}, "column 'symbol' is missing"),
        ({"extra": pl.Series([1.0])}, "column 'extra' is not one of its columns"),
        ({"weight": pl.Series([1])}, "expected column 'weight' to have type Float64, got Int64"),
        ({"date": pl.Series(["2020-01-02"])}, "expected column 'date' to have type Date, got String"),
        ({"symbol": pl.Series([None], dtype=pl.String)}, "non-nullable column 'symbol' contains null values"),
        ({"weight": pl.Series([None], dtype=pl.Float64)}, "non-nullable column 'weight' contains null values"),
        ({"weight": pl.Series([float("nan")])}, "non-nullable column 'weight' contains null values"),
    ],
)
def test_a_refusal_names_table_column_and_reason(changes, reason):
    assert refusal(TARGETS, target(**changes)) == f"strategy/targets: {reason}; nothing was written."


def scored(**factors: pl.Series) -> pl.DataFrame:
    return target(weight=None).with_columns(**factors)


def test_factor_columns_are_allowed_where_they_are_declared_and_may_be_null():
    frame = scored(momentum=pl.Series([None], dtype=pl.Float64), size=pl.Series([1.0]))
    assert conform(SCORES, frame.select("size", "symbol", "momentum", "date")).columns == ["date", "symbol", "size", "momentum"]


@pytest.mark.parametrize(
    ("factor", "values", "reason"),
    [
        ("size", [1], "expected column 'size' to have type Float64, got Int64"),
        ("year", [1.0], "factor 'year' has the name of column 'year'"),
        ("Date", [1.0], "factor 'Date' has the name of column 'date'"),
    ],
)
def test_a_factor_column_that_cannot_be_stored_is_refused(factor, values, reason):
    assert refusal(SCORES, scored(**{factor: pl.Series(values)})) == f"factors/scores: {reason}; nothing was written."


def test_two_factors_that_differ_by_case_only_are_refused():
    frame = scored(size=pl.Series([1.0]), Size=pl.Series([1.0]))
    assert refusal(SCORES, frame) == "factors/scores: factor 'Size' has the name of column 'size'; nothing was written."


def learned(**features: pl.Series) -> pl.DataFrame:
    """One valid row of learning/dataset, whose label is not known yet."""
    unknown = {"label": pl.Series([None], dtype=pl.Float32), "sector": pl.Series(["Energy"])}
    return target(weight=None, **unknown).with_columns(**features)


def test_features_are_single_precision_where_the_schema_says_so():
    frame = learned(size=pl.Series([0.5], dtype=pl.Float32), trend=pl.Series([None], dtype=pl.Float32))
    assert conform(DATASET, frame).schema == frame.schema
    assert refusal(DATASET, learned(size=pl.Series([0.5]))) == (
        "learning/dataset: expected column 'size' to have type Float32, got Float64; nothing was written."
    )
    assert refusal(SCORES, scored(size=pl.Series([0.5], dtype=pl.Float32))) == (
        "factors/scores: expected column 'size' to have type Float64, got Float32; nothing was written."
    )
