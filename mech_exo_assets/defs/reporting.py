"""What people are given (Dagster *assets*).

What belongs here: the group `reporting`. What does not: how a file is built (`storage.mart`).
"""

import dagster as dg
import polars as pl
from dagster_duckdb import DuckDBResource

from mech_exo_assets.defs.automation import ON_UPDATE
from mech_exo_assets.defs.tables import OWNER, check, key_of, markdown_table
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import Mart, update

MART = dg.AssetKey(["reporting", "mart"])


@dg.asset(
    key=MART,
    group_name="reporting",
    kinds={"duckdb"},
    owners=[OWNER],
    code_version="1",
    deps=[key_of(schema) for schema in TABLES.values()],
    automation_condition=ON_UPDATE,
    metadata={
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn("table_name", type="VARCHAR", description="`group/name`; in the file, `group.name`."),
                dg.TableColumn("version", type="BIGINT", description="Version of the lake's table that is in the file."),
                dg.TableColumn("row_count", type="BIGINT", description="Rows in the file."),
                dg.TableColumn("published_at", type="TIMESTAMP", description="Since when, UTC."),
            ]
        )
    },
    check_specs=[dg.AssetCheckSpec("equals_lake", asset=MART, description="Every table has as many rows in the file as in the lake.")],
)
def mart(duckdb: DuckDBResource, mart: dg.ResourceParam[Mart], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
    """The DuckDB file that people query: all tables of the lake, put in place in one step, never locked by a run."""
    with mart.staged(), duckdb.get_connection() as connection:
        published = update(connection, lake)
    counts = {each.key: lake.scan(each.key, version=each.version).select(pl.len()).collect().item() for each in published}
    wrong = [each.key for each in published if counts[each.key] != each.rows]
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(mart.path)),
            "bytes": mart.path.stat().st_size,
            "dagster/row_count": sum(each.rows for each in published),
            "tables": markdown_table(
                pl.DataFrame(
                    [(each.key, each.version, each.rows, each.replaced) for each in published],
                    schema=["table", "version", "rows", "replaced"],
                    orient="row",
                )
            ),
        },
        check_results=[check("equals_lake", passed=not wrong, tables_that_differ=", ".join(wrong))],
    )
