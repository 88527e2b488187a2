"""The pages of factors: a check that says whether the factor is alive, and columns that lead back to prices."""

from __future__ import annotations

import dagster as dg
import polars as pl
import pytest

from mech_exo_assets.defs.factor_pages import factor_pages, page_key
from mech_exo_assets.defs.tables import markdown_table
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.reports.books import lake_with
from mech_exo_tests.reports.decay_tables import STATUSES, decay_tables

MEANINGS = {name: f"{name.capitalize()} is a factor of the test." for name in (*STATUSES, "absent")}
MONITORED = (
    "decay/status",
    "decay/monitor",
    "decay/alarms",
    "decay/status_history",
    "decay/statistics",
    "decay/breakdown",
    "decay/rotation",
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lake_with(tmp_path_factory.mktemp("lake"), decay_tables())


@pytest.fixture(scope="module")
def run(lake: Lake) -> dg.ExecuteInProcessResult:
    return _run(lake)


def _run(lake: Lake, *wanted: str) -> dg.ExecuteInProcessResult:
    """Materialise the pages, or those that are named."""
    pages = factor_pages(MEANINGS)
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [pages, *(dg.AssetSpec(key.split("/")) for key in MONITORED)],
            selection=[page_key(name) for name in wanted] if wanted else [pages],
            instance=instance,
            resources={"lake": lake},
        )


def _pages(run: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """Metadata of the pages that were materialised, by factor."""
    events = [event.materialization for event in run.get_asset_materialization_events()]
    return {event.asset_key.path[-1]: dict(event.metadata) for event in events}


@pytest.mark.parametrize(
    ("factor", "passed", "severity"),
    [
        ("dead", False, dg.AssetCheckSeverity.ERROR),
        ("weak", False, dg.AssetCheckSeverity.WARN),
        ("back", True, None),
        ("good", True, None),
        ("new", True, None),
    ],
)
def test_alpha_is_alive_unless_on_watch_which_warns_or_decayed_which_is_an_error(
    run: dg.ExecuteInProcessResult, factor: str, passed: bool, severity: dg.AssetCheckSeverity | None
) -> None:
    (evaluation,) = [each for each in run.get_asset_check_evaluations() if each.asset_key == page_key(factor)]
    assert evaluation.check_name == "alpha_alive"
    assert evaluation.passed == passed
    assert severity is None or evaluation.severity == severity
    status = decay_tables()["decay/status"].filter(factor=factor).row(0, named=True)
    told = {name: value.value for name, value in evaluation.metadata.items()}
    assert told == {name: str(status[name]) for name in ("status", "since", "reason")}


def test_a_decayed_factor_fails_its_check_and_not_the_run(run: dg.ExecuteInProcessResult) -> None:
    assert run.success
    assert set(_pages(run)) == set(STATUSES)


def test_a_factor_without_data_has_no_page_and_no_check(run: dg.ExecuteInProcessResult) -> None:
    assert "absent" not in _pages(run)
    assert page_key("absent") not in {each.asset_key for each in run.get_asset_check_evaluations()}


def test_one_page_can_be_materialised_alone(lake: Lake) -> None:
    run = _run(lake, "good")
    assert set(_pages(run)) == {"good"}
    assert len(run.get_asset_check_evaluations()) == 1


def test_a_page_answers_the_first_questions(run: dg.ExecuteInProcessResult) -> None:
    pages = {name: {key: getattr(value, "value", None) for key, value in page.items()} for name, page in _pages(run).items()}
    dead = pages["dead"]
    assert dead["status"] == "decayed"
    assert str(dead["headline"]).startswith("decayed since ")
    assert dead["reason"] == "dead is decayed [by 3 of 4]."
    assert str(dead["health"]).startswith("![Rolling information coefficient of dead")
    assert dead["weight"] == "0.00: by what is known of dead."
    assert pages["new"]["weight"] == "not in the strategy"
    assert pages["new"]["alarms"] == "none"
    assert "cusum" in str(dead["alarms"])
    assert "turbulent" in str(dead["where"])
    assert "residual IC" in str(dead["horizons"])
    assert len(str(dead["history"]).splitlines()) == 3


def test_tables_of_a_page_have_one_line_for_each_row_and_whole_words() -> None:
    reason = "IC 0.0077 → -0.0284 since 2008-11-19 (95 %: 2003-04-02 to 2009-06-30); alarm after 213 sessions; " * 2
    wide = pl.DataFrame({f"a column with a long name, {number}": [0.123456] for number in range(20)} | {"reason": [reason.strip()]})
    head, rule, row = str(markdown_table(wide).value).splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == wide.columns
    assert set(rule) <= set("|-: ")
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["0.1235"] * 20 + [reason.strip()]


def _ends(columns: set[str], seen: frozenset[str] = frozenset()) -> set[str]:
    """Columns without a source that these were computed from, over any number of tables."""
    ends: set[str] = set()
    for column in columns - seen:
        table, name = column.rsplit(".", 1)
        schema = TABLES[table]
        named = [each for each in schema.columns if each.name == name]
        sources = {source for each in named for source in each.source}
        if table in ("factors/scores", "factors/exposures"):
            # A column for each factor: what it was computed from is told when it is materialised.
            sources = {"factors/exposures.*"} if table == "factors/scores" else {"market/prices.close"}
        ends |= _ends(sources, seen | columns) if sources else {column}
    return ends


def test_column_lineage_goes_back_to_prices_through_the_tables(run: dg.ExecuteInProcessResult) -> None:
    for name, page in _pages(run).items():
        lineage = page["dagster/column_lineage"].value.deps_by_column
        told = {column: [(dep.asset_key.to_user_string(), dep.column_name) for dep in deps] for column, deps in lineage.items()}
        assert told == {
            "status": [("decay/status", "status")],
            "ic": [("decay/residual_ic", "ic")],
            "ic_by_horizon": [("decay/ic", "ic")],
            "score": [("factors/scores", name)],
        }
        for deps in told.values():
            ends = _ends({f"{table}.{column}" for table, column in deps})
            assert any(end.startswith("market/prices.") for end in ends), deps
            assert all(end.startswith("market/") for end in ends), ends


def test_the_columns_of_lineage_are_those_of_the_pages_schema() -> None:
    for spec in factor_pages(MEANINGS).specs:
        schema = spec.metadata["dagster/column_schema"]
        types = {"status": "String", "ic": "Float64", "ic_by_horizon": "Float64", "score": "Float64"}
        assert {column.name: column.type for column in schema.columns} == types
        assert spec.description is not None
        assert spec.description.startswith(MEANINGS[spec.key.path[-1]])
        assert {dep.asset_key.to_user_string() for dep in spec.deps} == set(MONITORED)
