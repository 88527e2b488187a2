"""Between assets: each output is one commit with a note of what was read, each input just the years and columns it needs."""

from datetime import date

import dagster as dg
import polars as pl
import pytest

from mech_exo_assets.schemas import PERFORMANCE, SCORES, TARGETS, UNIVERSE
from mech_exo_assets.storage.contracts import ContractError
from mech_exo_assets.storage.io_manager import REBUILD_TAG, LakeIOManager
from mech_exo_assets.storage.lake import Lake

YEARS = dg.StaticPartitionsDefinition(["2018", "2019", "2020"])
SINGLE_RUN = dg.BackfillPolicy.single_run()


@dg.asset(key=["factors", "scores"], partitions_def=YEARS, backfill_policy=SINGLE_RUN)
def scores(context: dg.AssetExecutionContext) -> pl.DataFrame:
    return pl.DataFrame(
        {"date": [date(int(year), 1, 2) for year in context.partition_keys], "symbol": "A", "size": 0.5, "momentum": 1.0},
        schema={"date": pl.Date, "symbol": pl.String, "size": pl.Float64, "momentum": pl.Float64},
    )


@dg.asset(
    key=["strategy", "targets"],
    partitions_def=YEARS,
    backfill_policy=SINGLE_RUN,
    ins={"scores": dg.AssetIn(["factors", "scores"], metadata={"columns": ["date", "symbol", "size"]})},
)
def targets(context: dg.AssetExecutionContext, scores: pl.DataFrame) -> pl.DataFrame:
    context.log.info("columns: %s", scores.columns)
    return scores.rename({"size": "weight"})


@dg.asset(key=["market", "universe"], ins={"scores": dg.AssetIn(["factors", "scores"])})
def universe(scores: pl.DataFrame) -> pl.DataFrame:
    """One symbol for each year that was read."""
    rows = [{"symbol": str(year), "asset_class": "equity"} for year in scores["date"].dt.year()]
    return pl.DataFrame(rows, schema=UNIVERSE.dtypes())


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def run(lake: Lake, assets: list, *, years: tuple[str, str] | None = None, tags: dict[str, str] | None = None, raise_on_error: bool = True):
    span = {} if years is None else {"dagster/asset_partition_range_start": years[0], "dagster/asset_partition_range_end": years[1]}
    return dg.materialize(
        [scores, targets, universe],
        selection=assets,
        resources={"io_manager": LakeIOManager(lake)},
        tags={**span, **(tags or {})},
        raise_on_error=raise_on_error,
    )


def metadata_of(result: dg.ExecuteInProcessResult, asset) -> dict:
    (event,) = result.get_asset_materialization_events()
    assert event.asset_key == asset.key
    return {name: value.value for name, value in event.materialization.metadata.items()}


def years_in(lake: Lake, key: str) -> list[int]:
    return lake.read(key)["date"].dt.year().unique().sort().to_list()


def test_a_partitioned_output_replaces_the_years_of_its_run(lake):
    run(lake, [scores], years=("2018", "2020"))
    before = lake.files(SCORES.key)
    run(lake, [scores], years=("2019", "2020"))
    assert years_in(lake, SCORES.key) == [2018, 2019, 2020]
    assert {year for year, paths in lake.files(SCORES.key).items() if paths != before[year]} == {2019, 2020}


def test_in_a_rebuild_all_other_years_go(lake):
    run(lake, [scores], years=("2018", "2020"))
    run(lake, [scores], years=("2019", "2020"), tags={REBUILD_TAG: "true"})
    assert years_in(lake, SCORES.key) == [2019, 2020]


def test_an_input_has_the_years_of_the_run_and_the_columns_that_were_asked_for(lake):
    run(lake, [scores], years=("2018", "2020"))
    run(lake, [targets], years=("2019", "2020"))
    assert years_in(lake, TARGETS.key) == [2019, 2020]
    assert lake.read(TARGETS.key).columns == ["date", "symbol", "weight"]


def test_an_input_without_partitions_downstream_has_all_years(lake):
    run(lake, [scores], years=("2018", "2020"))
    run(lake, [universe])
    assert sorted(lake.read(UNIVERSE.key)["symbol"]) == ["2018", "2019", "2020"]


def test_the_versions_written_and_read_are_in_the_metadata_and_in_the_commit(lake):
    run(lake, [scores], years=("2018", "2020"))
    run(lake, [scores], years=("2020", "2020"))
    result = run(lake, [targets], years=("2019", "2019"))
    metadata = metadata_of(result, targets)
    assert metadata["table_version"] == 0
    assert metadata["tables_read"] == {SCORES.key: 1}
    assert metadata["dagster/uri"] == lake.uri(TARGETS.key)
    (commit,) = lake.history(TARGETS.key)
    assert (commit["run_id"], commit[f"read:{SCORES.key}"]) == (result.run_id, "1")


def test_every_output_of_a_step_notes_what_the_step_has_read(lake):
    outs = {"one": dg.AssetOut(key=["market", "universe"]), "two": dg.AssetOut(key=["strategy", "performance"])}

    @dg.multi_asset(outs=outs, ins={"scores": dg.AssetIn(["factors", "scores"])})
    def both(scores: pl.DataFrame):
        return UNIVERSE.empty(), PERFORMANCE.empty()

    run(lake, [scores], years=("2018", "2019"))
    dg.materialize([both, scores.to_source_asset()], selection=[both], resources={"io_manager": LakeIOManager(lake)})
    for key in (UNIVERSE.key, PERFORMANCE.key):
        assert lake.history(key)[0][f"read:{SCORES.key}"] == "0"


def test_an_asset_that_reads_nothing_says_so(lake):
    assert metadata_of(run(lake, [scores], years=("2018", "2018")), scores)["tables_read"] == {}


def test_a_frame_that_breaks_its_contract_fails_the_step_and_writes_nothing(lake):
    @dg.asset(key=["market", "universe"])
    def broken() -> pl.DataFrame:
        return pl.DataFrame({"symbol": ["A"]})

    with pytest.raises(ContractError, match="market/universe: column 'name' is missing; nothing was written"):
        dg.materialize([broken], resources={"io_manager": LakeIOManager(lake)})
    assert not lake.exists(UNIVERSE.key)


def test_a_missing_input_fails_the_step_with_what_to_do(lake):
    result = run(lake, [universe], raise_on_error=False)
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert "factors/scores is not in the lake" in str(failure.step_failure_data.error)


def test_an_input_may_be_lazy_and_one_that_was_never_written_may_be_without_rows(lake: Lake):
    seen = {}
    lazily = {"scores": dg.AssetIn(["factors", "scores"], metadata={"lazy": True, "columns": ["date", "size"]})}
    absent = {"known": dg.AssetIn(["market", "universe"], metadata={"optional": True, "columns": ["symbol"]})}

    @dg.asset(key=["strategy", "performance"], ins={**lazily, **absent})
    def reads(scores: pl.LazyFrame, known: pl.DataFrame) -> pl.DataFrame:
        seen["scores"], seen["known"] = scores, known
        return PERFORMANCE.empty()

    run(lake, [scores], years=("2018", "2020"))
    result = dg.materialize([scores, universe, reads], selection=[reads], resources={"io_manager": LakeIOManager(lake)})
    assert result.success
    assert isinstance(seen["scores"], pl.LazyFrame)
    assert seen["scores"].filter(pl.col("date") >= date(2019, 1, 1)).collect().shape == (2, 2)
    assert seen["known"].equals(UNIVERSE.empty().select("symbol"))
    # What was read is on record, and what was not there is not.
    assert metadata_of(result, reads)["tables_read"] == {"factors/scores": 0}
