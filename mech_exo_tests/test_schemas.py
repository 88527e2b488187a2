"""Schemas: complete, consistent with each other, and with the columns that people's own code reads."""

from __future__ import annotations

import polars as pl
import pytest

from mech_exo_assets.schemas import PRICES, SCORES, TABLES, TableSchema, factor_columns

FIXED = {
    "market/prices": "date symbol open high low close adjusted_close volume dividend_amount split_coefficient",
    "market/forward_returns": "date symbol horizon value",
    "factors/exposures": "date symbol",
    "factors/scores": "date symbol",
    "decay/ic": "date factor horizon ic n",
    "decay/statistics": "factor horizon mean_ic icir t_hac p_value q_value half_life half_life_low half_life_high turnover",
    "decay/status": "factor status since alarm_date change_date ic_before ic_after expected_delay",
    "decay/rotation": "factor multiplier weight_before weight_after reason",
    "strategy/composite": "date symbol score rank",
    "strategy/targets": "date symbol weight",
    "strategy/backtest": "date gross_return net_return cost turnover exposure nav",
}
"""What people's own code reads: these columns, in this order, may not go; more may stand behind them."""

every_table = pytest.mark.parametrize("schema", TABLES.values(), ids=TABLES)


@pytest.mark.parametrize("key", FIXED)
def test_the_columns_that_peoples_code_reads_are_there_in_order(key):
    assert TABLES[key].names[: len(FIXED[key].split())] == tuple(FIXED[key].split())


@every_table
def test_a_key_is_group_and_name(schema: TableSchema):
    group, name = schema.key.split("/")
    assert group.isidentifier()
    assert name.isidentifier()
    assert TABLES[schema.key] is schema


@every_table
def test_column_names_are_distinct_plain_words_and_not_the_partition_column(schema: TableSchema):
    assert len(set(schema.names)) == len(schema.names)
    assert all(name == name.lower() and name.isidentifier() and name != "year" for name in schema.names)


@every_table
def test_what_makes_a_row_unique_is_declared_and_never_null(schema: TableSchema):
    declared = {column.name: column for column in schema.columns}
    assert schema.unique
    assert not any(declared[name].nullable for name in schema.unique)


@every_table
def test_a_time_column_is_a_date_that_is_never_null(schema: TableSchema):
    if schema.time_column is not None:
        (column,) = (each for each in schema.columns if each.name == schema.time_column)
        assert column.dtype == pl.Date
        assert not column.nullable


@every_table
def test_rows_and_columns_are_explained_in_sentences(schema: TableSchema):
    assert schema.row.endswith(".")
    for column in schema.columns:
        assert column.meaning.endswith((".", "…")), column.name


@every_table
def test_sources_are_columns_of_other_tables_or_of_this_one(schema: TableSchema):
    for source in {source for column in schema.columns for source in column.source}:
        table, column = source.rsplit(".", 1)
        assert (TABLES[table].one_column_per_factor and column == "*") or column in TABLES[table].names, source


@every_table
def test_an_empty_frame_has_the_declared_types_and_no_rows(schema: TableSchema):
    empty = schema.empty()
    assert empty.is_empty()
    assert dict(empty.schema) == schema.dtypes()
    assert tuple(empty.columns) == schema.names


def test_prices_know_their_close_always_and_their_open_where_the_source_does():
    nullable = {column.name for column in PRICES.columns if column.nullable}
    assert "close" not in nullable
    assert {"open", "high", "low", "volume"} <= nullable


def test_factor_columns_are_all_but_date_and_symbol_in_order():
    assert factor_columns(["date", "symbol", "value", "momentum"]) == ["value", "momentum"]
    assert factor_columns(SCORES.names) == []
