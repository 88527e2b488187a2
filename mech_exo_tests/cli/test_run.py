import json
import os
import shutil
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from mech_exo_assets.cli.options import only_writer
from mech_exo_assets.defs.runs import ACTOR_TAG
from mech_exo_assets.quant.factor_names import declared
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.settings import load_settings
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.learned import QUICK, SOURCE, TRAINED


def _few_factors(path: Path, **more: object) -> Path:
    """Choices for a run of which only the way counts: planted factors alone, on two horizons; sections in `more` are added."""
    quick = {"factors": {"exclude": sorted(declared())}, "horizons": [1, 5], "decay": {"resamples": 99}}
    path.write_text(yaml.safe_dump(quick | more), encoding="utf-8")
    return path


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_one_run_makes_every_table_but_those_of_search_training_and_maintenance_and_the_mart(finished_home: Path):
    asked_for = {f"lifecycle/{name}" for name in ("challenger", "validation", "ab_test", "ab_returns")}
    made = [key for key in TABLES if not key.startswith(("weights/", "operations/")) and key not in TRAINED | asked_for]
    assert Lake(finished_home / "lake").tables() == made
    assert (finished_home / "mech_exo.duckdb").exists()
    assert (finished_home / "dagster" / "dagster.yaml").exists()


def test_every_check_of_the_run_has_an_outcome_and_no_error_failed(finished_home: Path):
    with dg.DagsterInstance.from_config(str(finished_home / "dagster")) as instance:
        (run,) = instance.get_runs()
        events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = [event.dagster_event.asset_check_evaluation_data for event in events]
    assert len(checks) >= len(TABLES)
    assert [check.check_name for check in checks if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR] == []
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert run.tags["mech_exo/reason"] == "nothing was computed here before"


def test_a_materialisation_says_which_versions_were_written_and_read(finished_home: Path):
    with dg.DagsterInstance.from_config(str(finished_home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["strategy", "backtest"]))
    metadata = event.asset_materialization.metadata
    assert metadata["table_version"].value == 0
    assert metadata["tables_read"].value == {"market/prices": 0, "strategy/targets": 0}
    assert metadata["dagster/row_count"].value == Lake(finished_home / "lake").read("strategy/backtest").height


def test_column_lineage_leads_from_a_factor_back_to_prices(finished_home: Path):
    with dg.DagsterInstance.from_config(str(finished_home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["factors", "exposures"]))
    lineage = event.asset_materialization.metadata["dagster/column_lineage"].value.deps_by_column
    amihud = {(dep.asset_key.to_user_string(), dep.column_name) for dep in lineage["amihud"]}
    assert ("market/prices", "volume") in amihud
    planted = {(dep.asset_key.to_user_string(), dep.column_name) for dep in lineage["planted_a"]}
    assert planted == {("market/features", "value")}


def test_a_run_again_computes_nothing_and_says_so(mech_exo: Command, finished_home: Path):
    before = _bytes_of(finished_home / "lake")
    said = mech_exo("run", "--home", finished_home)
    assert said.code == 0
    assert "Up to date: nothing to compute" in said.out
    assert _bytes_of(finished_home / "lake") == before


def test_the_json_summary_has_the_figures(mech_exo: Command, finished_home: Path):
    said = mech_exo("run", "--home", finished_home, "--json")
    summary = json.loads(said.out)
    assert (summary["symbols"], summary["sessions"], summary["source"].split(":")[0]) == (12, 420, "simulator")
    backtest = Lake(finished_home / "lake").read("strategy/backtest").sort("date")
    assert summary["backtest"]["nav"] == backtest["nav"][-1]
    assert summary["tables"]["decay/ic"]["rows"] == Lake(finished_home / "lake").read("decay/ic").height
    assert "planted_a" in summary["factors"]
    assert "earnings_yield: needs earnings_yield, which the source does not have" in summary["absent_factors"].values()


def test_another_source_on_the_same_home_is_refused(mech_exo: Command, finished_home: Path):
    before = _bytes_of(finished_home / "lake")
    said = mech_exo("run", "--home", finished_home, "--source", "sample")
    assert said.code == 2
    assert "holds tables of the source simulator:" in said.err
    assert _bytes_of(finished_home / "lake") == before


def test_replace_lets_the_other_sources_tables_go(mech_exo: Command, finished_home: Path, tmp_path: Path):
    home = Path(shutil.copytree(finished_home, tmp_path / "home"))
    assert Lake(home / "lake").read("market/prices")["date"].min().year < 2014
    assert Lake(home / "lake").read("strategy/targets")["symbol"].n_unique() == 12
    other = ("--source", "simulator:names=11,sessions=300,seed=2,first=2014-01-06", "--config", _few_factors(tmp_path / "few.yaml"))
    said = mech_exo("run", "--home", home, *other, "--replace")
    assert said.code == 0, said.err
    dates = Lake(home / "lake").read("market/prices")["date"]
    assert dates.min().year == 2014
    assert Lake(home / "lake").read("strategy/targets")["symbol"].n_unique() <= 11


def test_bad_input_leaves_the_lake_byte_for_byte_as_it_was(mech_exo: Command, tmp_path: Path):
    folder, home = tmp_path / "prices", tmp_path / "home"
    folder.mkdir()
    dates = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 12, 31), "1d", eager=True)
    dates = dates.filter(dates.dt.weekday() <= 5)
    prices = pl.concat([pl.DataFrame({"date": dates, "symbol": f"S{i:02d}", "close": 50.0 + i}) for i in range(10)])
    moved = prices.with_columns(close=pl.col("close") + (pl.struct(pl.all()).hash(seed=4) % 100) / 50)
    moved.write_csv(folder / "prices.csv")
    assert mech_exo("run", "--source", f"files:{folder}", "--home", home, "--select", "group:market").code == 0
    before = _bytes_of(home / "lake")
    moved.with_columns(close=pl.when(pl.int_range(pl.len()) == 40).then(-3.2).otherwise("close")).write_csv(folder / "prices.csv")
    said = mech_exo("run", "--home", home, "--source", f"files:{folder}", "--json")
    assert said.code == 2
    assert "prices.csv, row 42: close is -3.2; a price must be above zero." in said.err
    assert said.err.count("\n") == 1
    assert _bytes_of(home / "lake") == before


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--source", "smaple"], ["smaple", "sample"]),
        (["--source", "files:/nowhere/at/all"], ["/nowhere/at/all"]),
        (["--config", "/nowhere.yaml"], ["/nowhere.yaml", "cannot be read"]),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(mech_exo: Command, tmp_path: Path, arguments: list[str], parts: list[str]):
    said = mech_exo("run", "--home", tmp_path, *arguments)
    assert said.code == 2
    assert all(part in said.err for part in parts)
    assert "Traceback" not in said.err
    assert not (tmp_path / "lake").exists()


def test_a_weight_for_a_factor_that_is_not_there_is_wrong_input(mech_exo: Command, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("composite: {weights: {momentum_12_1: 1, no_such_factor: 2}}\n")
    said = mech_exo("run", "--home", tmp_path / "home", "--source", "simulator:names=10,sessions=300", "--config", tmp_path / "mine.yaml")
    assert said.code == 2
    assert "composite.weights: no factor 'no_such_factor'" in said.err


def test_a_fault_in_our_own_code_names_the_stage_and_exits_with_1(mech_exo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: pl.DataFrame, **__: object) -> pl.DataFrame:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("mech_exo_assets.quant.decay.statistics", broken)
    few = _few_factors(tmp_path / "few.yaml")
    said = mech_exo("run", "--home", tmp_path, "--source", "simulator:names=10,sessions=300", "--config", few)
    assert said.code == 1
    assert "decay/statistics: ZeroDivisionError: by nothing" in said.err
    assert not (tmp_path / "refresh.json").exists()


def test_after_a_failure_on_other_choices_nothing_counts_as_up_to_date(
    mech_exo: Command, finished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home, other = Path(shutil.copytree(finished_home, tmp_path / "home")), tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(QUICK | {"scores": {"winsorise": 0.2}}), encoding="utf-8")
    right = Lake(home / "lake").read("factors/scores").sort("date", "symbol")
    with monkeypatch.context() as broken:
        broken.setattr("mech_exo_assets.quant.decay.statistics", lambda *_, **__: 1 / 0)
        assert mech_exo("run", "--home", home, "--config", other).code == 1
    monkeypatch.delenv("MECH_EXO_CONFIG")
    assert not Lake(home / "lake").read("factors/scores").sort("date", "symbol").equals(right)
    assert "the run before was not completed" in mech_exo("run", "--home", home).out
    assert Lake(home / "lake").read("factors/scores").sort("date", "symbol").equals(right)


def test_debug_shows_the_traceback(mech_exo: Command, tmp_path: Path):
    with pytest.raises(Exception, match="smaple"):
        mech_exo("--debug", "run", "--home", tmp_path, "--source", "smaple")


def test_a_selection_that_selects_nothing_is_wrong_usage(mech_exo: Command, finished_home: Path):
    said = mech_exo("run", "--home", finished_home, "--select", "group:nothing")
    assert said.code == 2
    assert "selects no asset" in said.err
    said = mech_exo("run", "--home", finished_home, "--select", "group:(")
    assert said.code == 2
    assert "--select" in said.err


def test_parts_alone_are_computed_and_are_no_complete_refresh(mech_exo: Command, tmp_path: Path):
    said = mech_exo("run", "--home", tmp_path, "--source", "simulator:names=10,sessions=300", "--select", "group:market")
    assert said.code == 0, said.err
    assert Lake(tmp_path / "lake").tables() == [key for key in TABLES if key.startswith("market/")]
    assert not (tmp_path / "refresh.json").exists()


def test_two_runs_on_one_home_do_not_overlap(mech_exo: Command, tmp_path: Path):
    with only_writer(load_settings(home=tmp_path)):
        said = mech_exo("run", "--home", tmp_path, "--source", SOURCE)
    assert said.code == 1
    assert "another run is writing" in said.err


def test_a_run_whose_process_was_killed_is_closed_as_failed(mech_exo: Command, tmp_path: Path):
    assert mech_exo("run", "--home", tmp_path, "--source", "simulator:names=10,sessions=260", "--select", 'key:"market/universe"').code == 0
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        (done,) = instance.get_runs()
        dead = instance.add_run(
            dg.DagsterRun(
                job_name="refresh",
                run_id="11111111-1111-4111-8111-111111111111",
                status=dg.DagsterRunStatus.STARTED,
                tags={ACTOR_TAG: done.tags[ACTOR_TAG]},
            )
        )
    assert mech_exo("run", "--home", tmp_path, "--source", "simulator:names=10,sessions=260", "--select", 'key:"market/universe"').code == 0
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        assert instance.get_run_by_id(dead.run_id).status == dg.DagsterRunStatus.FAILURE


def test_the_options_reach_processes_that_are_started_from_here(mech_exo: Command, finished_home: Path):
    assert mech_exo("run", "--home", finished_home).code == 0
    assert os.environ["MECH_EXO_HOME"] == str(finished_home)
    assert os.environ["DAGSTER_HOME"] == str(finished_home / "dagster")


def test_rows_before_the_first_year_are_left_out_and_the_run_says_so(mech_exo: Command, tmp_path: Path):
    source = "simulator:names=10,sessions=300,first=1989-06-01"
    said = mech_exo("run", "--home", tmp_path, "--source", source, "--select", "group:market", "--json")
    assert said.code == 0, said.err
    assert any("rows before 1990 are left out" in note for note in json.loads(said.out)["notes"])
    assert Lake(tmp_path / "lake").read("market/prices")["date"].min().year == 1990


def test_a_home_keeps_the_choices_of_its_run_for_all_that_comes_later(mech_exo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home, mine = tmp_path / "home", _few_factors(tmp_path / "mine.yaml", costs={"commission_bps": 30})
    kept = mine.read_text()
    assert mech_exo("run", "--home", home, "--source", SOURCE, "--config", mine).code == 0
    assert (home / "strategy.yaml").read_text() == kept
    monkeypatch.delenv("MECH_EXO_CONFIG")
    again = mech_exo("run", "--home", home, "--json")
    assert json.loads(again.out)["status"] == "up to date"
    _few_factors(mine, costs={"commission_bps": 31})
    for arguments in (("run", "--select", "group:strategy"), ("up",)):
        said = mech_exo(*arguments, "--home", home, "--config", mine)
        assert said.code == 2
        assert "holds tables of other choices than" in said.err
    monkeypatch.delenv("MECH_EXO_CONFIG")  # the command before has left it for the processes that it starts
    assert (home / "strategy.yaml").read_text() == kept
    part = mech_exo("run", "--home", home, "--select", 'key:"strategy/trades"', "--json")
    assert part.code == 0, part.err
    told = json.loads(part.out)
    if sys.platform == "linux":
        assert list(told["stages_memory_mb"]) == list(told["stages"]) == ["strategy/book"]
        assert 0 < told["stages_memory_mb"]["strategy/book"] <= told["peak_memory_mb"]
    strategy = json.loads(Lake(home / "lake").note("strategy/trades", 1)["choices"])
    assert strategy["costs"]["commission_bps"] == 30


def test_what_did_not_pass_and_the_tear_sheet_are_named_at_the_end(mech_exo: Command, tmp_path: Path):
    home, mine = tmp_path / "home", _few_factors(tmp_path / "mine.yaml", alerts={"sessions": 60, "min_sharpe": 50})
    said = mech_exo("run", "--home", home, "--source", SOURCE, "--config", mine)
    assert said.code == 0
    assert "check strategy/performance, within_limits, did not pass: " in said.out
    assert "(limit 50.0)" in said.out
    assert "check strategy/walk_forward, out_of_sample, did not pass: not_checked walk_forward: the" in " ".join(said.out.split())
    assert str(home / "reports" / "tear_sheet.html") in said.out.replace("\n", "")


def test_a_backtest_that_never_trades_is_refused_with_what_to_change(mech_exo: Command, tmp_path: Path):
    mine = _few_factors(tmp_path / "mine.yaml", backtest={"initial_nav": 10, "integer_shares": True})
    said = mech_exo("run", "--home", tmp_path / "home", "--source", SOURCE, "--config", mine)
    assert said.code == 2
    assert "the backtest never trades" in said.err
    assert not (tmp_path / "home" / "strategy.yaml").exists()
