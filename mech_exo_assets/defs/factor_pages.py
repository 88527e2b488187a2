"""One page for each factor: whether it is alive, since when, and how sure that is (Dagster *assets*).

What belongs here: the assets `decay/<factor>`, generated from the names of the factors. What does not: any figure (`decay`), any drawing
(`reports.factor_page`).
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE
from mech_exo_assets.defs.runs import HOME_POOL
from mech_exo_assets.defs.tables import OWNER, check, key_of, markdown_table
from mech_exo_assets.schemas import ALARMS, BREAKDOWN, IC, MONITOR, RESIDUAL_IC, ROTATION, SCORES, STATISTICS, STATUS, STATUS_HISTORY
from mech_exo_assets.storage.lake import Lake

ALIVE = "alpha_alive"
_ALIVE = (
    "Does not pass where the factor is on watch (a warning) or has decayed (an error). An unproven factor has nothing to lose, and passes."
)
_SEVERITY = {"watch": dg.AssetCheckSeverity.WARN, "decayed": dg.AssetCheckSeverity.ERROR}
_READ = (STATUS, MONITOR, ALARMS, STATUS_HISTORY, STATISTICS, BREAKDOWN, ROTATION)
_COLUMNS = (
    ("status", pl.String, "healthy, watch, decayed, recovered or unproven.", STATUS, "status"),
    ("ic", pl.Float64, "Information coefficient that is watched.", RESIDUAL_IC, "ic"),
    ("ic_by_horizon", pl.Float64, "Information coefficients of the table of horizons.", IC, "ic"),
)


def page_key(factor: str) -> dg.AssetKey:
    """The asset key of a factor's page."""
    return dg.AssetKey(["decay", factor])


def factor_pages(meanings: Mapping[str, str]) -> dg.AssetsDefinition:
    """The pages of all factors, as one step of which any part can be materialised.

    Parameters
    ----------
    meanings : mapping of str to str
        What each factor is, by name. A factor that the source's data do not allow has no page materialised.
    """

    @dg.multi_asset(
        name="decay__factors",
        specs=[_spec(name, meaning) for name, meaning in meanings.items()],
        check_specs=[dg.AssetCheckSpec(ALIVE, asset=page_key(name), description=_ALIVE) for name in meanings],
        can_subset=True,
        pool=HOME_POOL,
    )
    def pages(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[dg.MaterializeResult]:
        tables = {schema.key: lake.read(schema.key).partition_by("factor", as_dict=True) for schema in _READ}
        wanted = {key.path[-1] for key in context.selected_asset_keys}
        there = sorted(name for (name,) in tables[STATUS.key] if name in wanted)
        if absent := sorted(wanted - set(there)):
            context.log.info("No page for %s: this source's data give them no information coefficient.", ", ".join(absent))
        for name in there:
            yield _page(name, {key: parts.get((name,)) for key, parts in tables.items()})

    return pages


def _spec(name: str, meaning: str) -> dg.AssetSpec:
    columns = [dg.TableColumn(column, type=str(dtype), description=description) for column, dtype, description, _, _ in _COLUMNS]
    columns.append(dg.TableColumn("score", type=str(pl.Float64), description="The factor's score."))
    return dg.AssetSpec(
        key=page_key(name),
        deps=[key_of(schema) for schema in _READ],
        description=f"{meaning}\n\nWhether the factor still works: its status, the watched information coefficient with the statistic "
        "and threshold of the detector, and its figures by horizon. `docs/decay.md` has every rule.",
        group_name="decay",
        kinds={"matplotlib"},
        owners=[OWNER],
        code_version="1",
        automation_condition=ON_UPDATE,
        metadata={"dagster/column_schema": dg.TableSchema(columns)},
        skippable=True,
    )


def _page(name: str, tables: Mapping[str, pl.DataFrame | None]) -> dg.MaterializeResult:
    from mech_exo_assets.reports.factor_page import alarm_list, factor_figure, headline, history_list, horizon_table

    status = tables[STATUS.key]
    assert status is not None  # noqa: S101
    rows = {schema.key: schema.empty() if (part := tables[schema.key]) is None else part for schema in _READ}
    now = status.row(0, named=True)
    lineage = {column: [dg.TableColumnDep(key_of(table), source)] for column, _, _, table, source in _COLUMNS}
    lineage["score"] = [dg.TableColumnDep(key_of(SCORES), name)]
    statistics, alarms, history = rows[STATISTICS.key], rows[ALARMS.key], rows[STATUS_HISTORY.key]
    recommended = rows[ROTATION.key]
    figures = {
        "status": now["status"],
        "headline": headline(now),
        "reason": now["reason"],
        "health": dg.MetadataValue.md(factor_figure(name, monitor=rows[MONITOR.key], alarms=alarms, history=history)),
        "horizons": markdown_table(horizon_table(statistics)),
        "where": markdown_table(rows[BREAKDOWN.key].drop("factor").sort("dimension", "segment")),
        "alarms": dg.MetadataValue.md(alarm_list(alarms)),
        "history": dg.MetadataValue.md(history_list(history)),
        "weight": recommended["reason"].item(0) if recommended.height else "not in the strategy",
        "dagster/column_lineage": dg.TableColumnLineage(lineage),
    }
    outcome = check(
        ALIVE,
        passed=now["status"] not in _SEVERITY,
        severity=_SEVERITY.get(now["status"], dg.AssetCheckSeverity.WARN),
        **{field: str(now[field]) for field in ("status", "since", "reason")},
    )
    checked = dg.AssetCheckResult(
        passed=outcome.passed, asset_key=page_key(name), check_name=ALIVE, severity=outcome.severity, metadata=outcome.metadata
    )
    return dg.MaterializeResult(asset_key=page_key(name), metadata=figures, check_results=[checked])
