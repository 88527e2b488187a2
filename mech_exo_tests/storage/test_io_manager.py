"""Between assets: each output is one commit with a note of what was read, each input just the years and columns it needs."""

from datetime import date

import dagster as dg
import polars as pl
import pytest

from mech_exo_assets.schemas import PERFORMANCE, SCORES, TARGETS, UNIVERSE
from mech_exo_assets.storage.contracts import ContractError
from mech_exo_assets.storage.io_manager import AS_READ_BY, REBUILD_TAG, LakeIOManager
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


def reader(seen: dict[str, pl.DataFrame], **inputs: dg.AssetIn) -> dg.AssetsDefinition:
    """An asset that keeps what it was given."""

    @dg.asset(key=["strategy", "performance"], ins=inputs)
    def reads(**tables: pl.DataFrame) -> pl.DataFrame:
        seen.update(tables)
        return PERFORMANCE.empty()

    return reads


def with_size(value: float) -> pl.DataFrame:
    return pl.DataFrame({"date": [date(2018, 1, 2)], "symbol": ["A"], "size": [value]})


def test_an_input_is_read_as_a_table_before_it_was_whatever_was_written_since(lake: Lake):
    lake.write(SCORES, with_size(1.0), years=[2018])
    run(lake, [targets], years=("2018", "2018"))
    lake.write(SCORES, with_size(2.0), years=[2018])
    seen: dict[str, pl.DataFrame] = {}
    late = reader(
        seen,
        targets=dg.AssetIn(["strategy", "targets"]),
        then=dg.AssetIn(["factors", "scores"], metadata={AS_READ_BY: TARGETS.key, "columns": ["size"]}),
    )
    # With another I/O manager, as in another process.
    result = dg.materialize([scores, targets, late], selection=[late], resources={"io_manager": LakeIOManager(lake)})
    assert seen["then"].to_dicts() == [{"size": 1.0}]
    assert metadata_of(result, late)["tables_read"] == {TARGETS.key: 0, SCORES.key: 0}
    # Once the other table is made anew, the new version is read.
    run(lake, [targets], years=("2018", "2018"))
    result = dg.materialize([scores, targets, late], selection=[late], resources={"io_manager": LakeIOManager(lake)})
    assert seen["then"].to_dicts() == [{"size": 2.0}]
    assert metadata_of(result, late)["tables_read"] == {TARGETS.key: 1, SCORES.key: 1}


def test_the_version_is_that_of_the_table_which_the_step_itself_has_read(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    lake.write(SCORES, with_size(1.0), years=[2018])
    run(lake, [targets], years=("2018", "2018"))
    scan = Lake.scan

    def scanned(self: Lake, key: str, **how: object) -> pl.LazyFrame:
        found = scan(self, key, **how)
        if key == TARGETS.key:
            # Somebody writes both anew between the two inputs of the step.
            self.write(SCORES, with_size(2.0), years=[2018])
            self.write(TARGETS, TARGETS.empty(), years=[2018], note={f"read:{SCORES.key}": "1"})
        return found

    monkeypatch.setattr(Lake, "scan", scanned)
    seen: dict[str, pl.DataFrame] = {}
    scores_then = dg.AssetIn(["factors", "scores"], metadata={AS_READ_BY: TARGETS.key})
    late = reader(seen, targets=dg.AssetIn(["strategy", "targets"]), then=scores_then)
    result = dg.materialize([scores, targets, late], selection=[late], resources={"io_manager": LakeIOManager(lake)})
    assert seen["then"]["size"].to_list() == [1.0]
    assert metadata_of(result, late)["tables_read"] == {TARGETS.key: 0, SCORES.key: 0}


def test_what_was_not_there_for_a_table_is_not_there_for_what_is_made_from_it(lake: Lake):
    lake.write(UNIVERSE, UNIVERSE.empty())
    lake.write(SCORES, with_size(1.0), years=[2018])
    seen: dict[str, pl.DataFrame] = {}
    how = {AS_READ_BY: UNIVERSE.key, "optional": True, "columns": ["date"]}
    late = reader(seen, known=dg.AssetIn(["market", "universe"]), then=dg.AssetIn(["factors", "scores"], metadata=how))
    result = dg.materialize([scores, universe, late], selection=[late], resources={"io_manager": LakeIOManager(lake)})
    assert seen["then"].equals(SCORES.empty().select("date"))
    assert metadata_of(result, late)["tables_read"] == {UNIVERSE.key: 0}


def test_a_table_that_does_not_say_what_it_was_made_from_is_refused_where_that_is_asked_for(lake: Lake):
    lake.write(UNIVERSE, UNIVERSE.empty())
    lake.write(SCORES, with_size(1.0), years=[2018])
    how = {AS_READ_BY: UNIVERSE.key}
    late = reader({}, known=dg.AssetIn(["market", "universe"]), then=dg.AssetIn(["factors", "scores"], metadata=how))
    result = dg.materialize([scores, universe, late], selection=[late], resources={"io_manager": LakeIOManager(lake)}, raise_on_error=False)
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert "market/universe does not say from which version of factors/scores it was computed" in str(failure.step_failure_data.error)
    assert not lake.exists(PERFORMANCE.key)
