"""One way to declare an asset that is a table, and one way to return it.

What belongs here: what all table assets share — group, key, schema, checks, row counts, column lineage. What does not: any one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from mech_exo_assets.defs.partitions import YEARS, accepted_beta
from mech_exo_assets.defs.runs import pool_of
from mech_exo_assets.schemas import TABLES, TableSchema
from mech_exo_assets.storage.data_files import Written, duplicated_rows, period
from mech_exo_assets.storage.io_manager import AS_READ_BY

OWNER = "team:research"
UNIQUE_ROWS = "unique_rows"
COMES_FROM = "comes_from"
"""Name of the metadata with column lineage as text."""
KINDS = {"polars", "delta"}


def key_of(schema: TableSchema) -> dg.AssetKey:
    """The asset key of a table: `group/name`."""
    return dg.AssetKey(schema.key.split("/"))


def table_input(
    schema: TableSchema,
    *,
    columns: Iterable[str] | None = None,
    partition_mapping: dg.PartitionMapping | None = None,
    lazy: bool = False,
    optional: bool = False,
) -> dg.AssetIn:
    """An input from another table: which columns are read, and which years beside the asset's own.

    With `lazy` it comes as a LazyFrame. With `optional` it has no rows where the table was never written.
    """
    metadata: dict[str, Any] = {} if columns is None else {"columns": list(columns)}
    metadata |= {name: True for name, wanted in (("lazy", lazy), ("optional", optional)) if wanted}
    return dg.AssetIn(key=key_of(schema), metadata=metadata, partition_mapping=partition_mapping)


def as_read_by(schema: TableSchema, inputs: Mapping[str, dg.AssetIn]) -> dict[str, dg.AssetIn]:
    """The same inputs, each in the version that a table before it was computed from, whatever was written since.

    Parameters
    ----------
    schema : TableSchema
        That table. The asset whose inputs these are must read it too, before them: its commit notes the versions.
    inputs : mapping of str to AssetIn
        As `table_input` gives them.
    """
    return {name: each._replace(metadata={**(each.metadata or {}), AS_READ_BY: schema.key}) for name, each in inputs.items()}


def table_asset(
    schema: TableSchema,
    *,
    code_version: str,
    checks: Mapping[str, str] | None = None,
    automation: dg.AutomationCondition | None = None,
    ins: Mapping[str, dg.AssetIn] | None = None,
    deps: Iterable[dg.AssetKey] = (),
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorator for an asset that is the table of a schema; the function's docstring is its description.

    Parameters
    ----------
    schema : TableSchema
        Gives the key, the group, the columns, and whether the asset is partitioned by year.
    code_version : str
        Raised by hand whenever the same inputs give other rows.
    checks : mapping of str to str
        Name and description of the checks that the asset reports beside `unique_rows`.
    automation : AutomationCondition, optional
        What materialises the asset, where that is another asset.
    """
    group, name = schema.key.split("/")

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        # Dagster refuses `MaterializeResult[...]` beside checks, and takes a bare one for an asset without a value.
        function.__annotations__.pop("return", None)
        with accepted_beta("backfill_policy"):
            return dg.asset(
                name=name,
                key_prefix=group,
                group_name=group,
                kinds=KINDS,
                owners=[OWNER],
                code_version=code_version,
                ins=dict(ins or {}),
                deps=list(deps),
                partitions_def=YEARS if schema.time_column else None,
                backfill_policy=dg.BackfillPolicy.single_run() if schema.time_column else None,
                pool=pool_of(group),
                automation_condition=automation,
                metadata=_static_metadata(schema),
                check_specs=_check_specs(schema, checks),
            )(function)

    return declare


def table_assets(
    schemas: Mapping[TableSchema, Mapping[str, str]],
    *,
    name: str,
    code_version: str,
    automation: dg.AutomationCondition | None = None,
    ins: Mapping[str, dg.AssetIn] | None = None,
    deps: Iterable[dg.AssetKey] = (),
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorator for several tables that one computation gives; it yields the result of each, in order.

    Parameters
    ----------
    schemas : mapping of TableSchema to mapping of str to str
        The tables, and name and description of the checks that each reports beside `unique_rows`. A table's description in the graph is
        what its row is. Either all of them are partitioned by year or none is, and all of them are of groups of one pool.
    name : str
        Of the step.
    automation : AutomationCondition, optional
        What materialises them, where that is another asset.
    """
    (partitioned,) = {schema.time_column is not None for schema in schemas}
    (pool,) = {pool_of(schema.key.partition("/")[0]) for schema in schemas}

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        function.__annotations__.pop("return", None)
        with accepted_beta("backfill_policy"):
            return dg.multi_asset(
                name=name,
                outs={
                    schema.key.replace("/", "__"): dg.AssetOut(
                        key=key_of(schema),
                        dagster_type=pl.DataFrame,
                        description=f"{schema.row}\n\n{function.__doc__}",
                        group_name=schema.key.split("/")[0],
                        kinds=KINDS,
                        owners=[OWNER],
                        code_version=code_version,
                        automation_condition=automation,
                        metadata=_static_metadata(schema),
                    )
                    for schema in schemas
                },
                ins=dict(ins or {}),
                deps=list(deps),
                partitions_def=YEARS if partitioned else None,
                backfill_policy=dg.BackfillPolicy.single_run() if partitioned else None,
                pool=pool,
                check_specs=[spec for schema, checks in schemas.items() for spec in _check_specs(schema, checks)],
            )(function)

    return declare


def _static_metadata(schema: TableSchema) -> dict[str, Any]:
    return {
        "dagster/column_schema": column_schema(schema),
        "dagster/table_name": schema.key.replace("/", "."),
        "row": schema.row,
        **_comes_from({column.name: column.source for column in schema.columns if column.source}),
    }


def _comes_from(sources: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Column lineage as a table that can be read: Dagster's open-source UI does not draw it."""
    if not sources:
        return {}
    rows = [f"| `{column}` | {', '.join(f'`{source}`' for source in of)} |" for column, of in sources.items()]
    return {COMES_FROM: dg.MetadataValue.md("\n".join(["| column | comes from |", "| --- | --- |", *rows]))}


def _check_specs(schema: TableSchema, checks: Mapping[str, str] | None) -> list[dg.AssetCheckSpec]:
    described = {UNIQUE_ROWS: f"No two rows share {' and '.join(schema.unique)}.", **(checks or {})}
    return [dg.AssetCheckSpec(check, asset=key_of(schema), description=description) for check, description in described.items()]


def materialised(
    schema: TableSchema,
    rows: pl.DataFrame | Written,
    *,
    metadata: Mapping[str, Any] | None = None,
    checks: Iterable[dg.AssetCheckResult] = (),
    lineage: Mapping[str, Iterable[str]] | None = None,
) -> dg.MaterializeResult[Any]:
    """The rows as an asset's result, with their number, period, column lineage, and the outcome of its checks.

    Parameters
    ----------
    rows : DataFrame or Written
        The table, or the files of all its parts.
    lineage : mapping of str to iterable of str, optional
        For columns that are known only now: the columns (`group/table.column`) that each comes from. What the schema
        declares is added.
    """
    count = rows.rows if isinstance(rows, Written) else len(rows)
    figures: dict[str, Any] = {"dagster/row_count": count, **_period(schema, rows), **(metadata or {})}
    declared = {column.name: column.source for column in schema.columns if column.source and not any("*" in each for each in column.source)}
    deps = {column: [_column_dep(source) for source in sources] for column, sources in {**declared, **(lineage or {})}.items()}
    if deps:
        figures["dagster/column_lineage"] = dg.TableColumnLineage(deps)
    if schema.one_column_per_factor:
        figures["dagster/column_schema"] = column_schema(schema, factors=[name for name in rows.columns if name not in schema.names])
    if lineage:
        figures |= _comes_from({**declared, **lineage})
    outcomes = [_of(schema, outcome) for outcome in (_unique_rows(schema, rows), *checks)]
    return dg.MaterializeResult(asset_key=key_of(schema), value=rows, metadata=figures, check_results=outcomes)


def check(
    name: str, *, passed: bool, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR, **metadata: Any
) -> dg.AssetCheckResult:
    """The outcome of one of the asset's declared checks, with the figures it was judged by."""
    return dg.AssetCheckResult(check_name=name, passed=passed, severity=severity, metadata=metadata)


def unmeasured(name: str, why: str) -> dg.AssetCheckResult:
    """The outcome of a declared check for which there was nothing to judge: a warning that says why, and no figure."""
    return check(name, passed=False, severity=dg.AssetCheckSeverity.WARN, not_checked=why)


def _of(schema: TableSchema, outcome: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """The outcome with the table's key, without which a step of several tables does not know whose it is."""
    return dg.AssetCheckResult(
        passed=outcome.passed,
        asset_key=key_of(schema),
        check_name=outcome.check_name,
        metadata=outcome.metadata,
        severity=outcome.severity,
        description=outcome.description,
    )


def column_schema(schema: TableSchema, *, factors: Iterable[str] = ()) -> dg.TableSchema:
    """The columns of a table as Dagster shows them: type, unit and meaning."""
    columns = [
        dg.TableColumn(
            column.name,
            type=str(column.dtype),
            description=f"{column.meaning} [{column.unit}]" if column.unit else column.meaning,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in schema.columns
    ]
    columns += [dg.TableColumn(name, type=str(schema.factor_dtype), description="Factor.") for name in factors]
    return dg.TableSchema(columns)


def markdown_table(frame: pl.DataFrame, *, digits: int = 4) -> dg.MarkdownMetadataValue:
    """A small table for a page of the Dagster UI; numbers are rounded for reading."""
    with pl.Config(
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_rows=-1,
        tbl_cols=-1,
        # Without a width, a page's table would be cut to that of a terminal, its words broken over several rows.
        tbl_width_chars=20_000,
        fmt_str_lengths=1_000,
        float_precision=digits,
    ):
        return dg.MetadataValue.md(str(frame))


def _column_dep(source: str) -> dg.TableColumnDep:
    table, column = source.rsplit(".", 1)
    return dg.TableColumnDep(asset_key=key_of(TABLES[table]), column_name=column)


def _period(schema: TableSchema, rows: pl.DataFrame | Written) -> dict[str, str]:
    first, last = (rows.first, rows.last) if isinstance(rows, Written) else period(rows, schema)
    return {} if first is None else {"first_date": str(first), "last_date": str(last)}


def _unique_rows(schema: TableSchema, rows: pl.DataFrame | Written) -> dg.AssetCheckResult:
    duplicated = rows.duplicated if isinstance(rows, Written) else duplicated_rows(rows, schema)
    return check(UNIQUE_ROWS, passed=duplicated == 0, duplicated_rows=duplicated)
