"""What people are given (Dagster *assets*).

What belongs here: the group `reporting`. What does not: how a file is built (`storage.mart`, `reports`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from dagster_duckdb import DuckDBResource

from mech_exo_assets.defs.automation import ON_UPDATE_BESIDE_A_SEARCH
from mech_exo_assets.defs.resources import MarketSource
from mech_exo_assets.defs.runs import HOME_POOL
from mech_exo_assets.defs.tables import OWNER, check, key_of, markdown_table, table_input
from mech_exo_assets.errors import InputError, MissingLibraryError
from mech_exo_assets.reports.files import ReportFiles
from mech_exo_assets.schemas import (
    BACKTEST,
    CONTRIBUTIONS,
    PERFORMANCE,
    POSITIONS,
    TABLES,
    TRADES,
    WALK_FORWARD,
    WALK_FORWARD_WEIGHTS,
    WALK_FORWARD_WINDOWS,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import PUBLISHED, Mart, update

MART = dg.AssetKey(["reporting", "mart"])
TEAR_SHEET = dg.AssetKey(["reporting", "tear_sheet"])
QUANTSTATS_REPORT = dg.AssetKey(["reporting", "quantstats_report"])


@dg.asset(
    key=MART,
    group_name="reporting",
    kinds={"duckdb"},
    owners=[OWNER],
    code_version="1",
    deps=[key_of(schema) for schema in TABLES.values()],
    pool=HOME_POOL,
    automation_condition=ON_UPDATE_BESIDE_A_SEARCH,
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
    check_specs=[
        dg.AssetCheckSpec(
            "equals_lake", asset=MART, description="Every table that was published has as many rows in the file as in the lake."
        )
    ],
)
def mart(duckdb: DuckDBResource, mart: dg.ResourceParam[Mart], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
    """The DuckDB file that people query: all tables of the lake, put in place in one step, never locked by a run.

    While a weight search is not finished, its tables stay as the search before it has left them.
    """
    with mart.staged(), duckdb.get_connection() as connection:
        published = update(connection, lake)
    counts = {each.key: lake.rows(each.key, version=each.version) for each in published}
    wrong = [each.key for each in published if counts[each.key] != each.rows]
    left = sorted(key for key in lake.tables() if TABLES[key].published and key not in counts)
    # Only a file that equals the lake goes where other machines take it from.
    shared = lake.place.put(PUBLISHED, mart.path) if lake.place.is_remote and not wrong else None
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(mart.path)),
            **({} if shared is None else {"published_to": shared}),
            "bytes": mart.path.stat().st_size,
            "dagster/row_count": sum(each.rows for each in published),
            "left_until_the_search_is_done": ", ".join(left) or "none",
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


@dg.asset(
    key=TEAR_SHEET,
    group_name="reporting",
    kinds={"plotly"},
    owners=[OWNER],
    code_version="1",
    pool=HOME_POOL,
    deps=[
        key_of(schema)
        for schema in (
            BACKTEST,
            PERFORMANCE,
            CONTRIBUTIONS,
            POSITIONS,
            TRADES,
            WALK_FORWARD,
            WALK_FORWARD_WINDOWS,
            WALK_FORWARD_WEIGHTS,
        )
    ],
    check_specs=[dg.AssetCheckSpec("self_contained", asset=TEAR_SHEET, description="The page asks for nothing from a network.")],
)
def tear_sheet(
    lake: dg.ResourceParam[Lake],
    market_source: dg.ResourceParam[MarketSource],
    report_files: dg.ResourceParam[ReportFiles],
) -> dg.MaterializeResult:
    """Everything about the backtest on one HTML page that needs no network; the file can be mailed, printed and kept."""
    from mech_exo_assets.reports.files import write_in_one_step
    from mech_exo_assets.reports.rendering import external_references
    from mech_exo_assets.reports.tear_sheet import gather
    from mech_exo_assets.reports.tear_sheet import tear_sheet as page_of

    content = gather(lake, source=market_source.uri, written=datetime.now(UTC))
    page = page_of(content)
    path = report_files.tear_sheet
    write_in_one_step(path, page.encode())
    fetched = external_references(page)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(path)),
            "bytes": path.stat().st_size,
            "first_date": str(content.backtest["date"][0]),
            "last_date": str(content.backtest["date"][-1]),
            "tables_read": dg.MetadataValue.json(dict(content.versions)),
        },
        check_results=[check("self_contained", passed=not fetched, references=", ".join(fetched))],
    )


@dg.asset(
    key=QUANTSTATS_REPORT,
    group_name="reporting",
    kinds={"quantstats", "pdf"},
    owners=[OWNER],
    code_version="1",
    pool=HOME_POOL,
    ins={"backtest": table_input(BACKTEST, columns=["date", "net_return", "benchmark_return"])},
    output_required=False,
    check_specs=[
        dg.AssetCheckSpec("made", asset=QUANTSTATS_REPORT, description="There is a report, and it is a PDF; or why there is none.")
    ],
)
def quantstats_report(
    context: dg.AssetExecutionContext,
    backtest: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    market_source: dg.ResourceParam[MarketSource],
    report_files: dg.ResourceParam[ReportFiles],
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """QuantStats' metrics and figures of the backtest beside its benchmark, as a PDF."""
    from mech_exo_assets.quant.backtest.benchmark import UNIVERSE
    from mech_exo_assets.reports.files import write_in_one_step
    from mech_exo_assets.reports.quantstats_report import pdf_of_backtest

    try:
        document = pdf_of_backtest(
            backtest,
            benchmark_name=strategy.backtest.benchmark or UNIVERSE,
            source=market_source.uri,
            written=datetime.now(UTC),
        )
    except (InputError, MissingLibraryError) as error:
        # A history too short for a report, or a machine that cannot make one, is no failure of the run; the check says why there is none.
        context.log.warning(str(error))
        yield check("made", passed=False, severity=dg.AssetCheckSeverity.WARN, reason=str(error))
        return
    path = report_files.quantstats
    write_in_one_step(path, document)
    yield dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(path)),
            "bytes": len(document),
            "first_date": str(backtest["date"].min()),
            "last_date": str(backtest["date"].max()),
        },
        check_results=[check("made", passed=document.startswith(b"%PDF-"), bytes=len(document))],
    )
