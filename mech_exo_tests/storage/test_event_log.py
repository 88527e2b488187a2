from pathlib import Path

import dagster as dg
import pytest

from mech_exo_assets.storage.event_log import KeptConnectionEventLog, kept_instance


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]), backfill_policy=dg.BackfillPolicy.single_run())
def letters() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"figure": 7})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return tmp_path


def _run(instance: dg.DagsterInstance) -> str:
    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    job = dg.Definitions(assets=[letters]).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, tags=tags).run_id


def test_what_it_wrote_is_read_by_dagsters_own_class(home: Path):
    with kept_instance(home) as instance:
        assert isinstance(instance.event_log_storage, KeptConnectionEventLog)
        run_id = _run(instance)
        written = [entry.message for entry in instance.all_logs(run_id)]
    with dg.DagsterInstance.from_config(str(home)) as plain:
        assert type(plain.event_log_storage).__name__ == "SqliteEventLogStorage"
        assert [entry.message for entry in plain.all_logs(run_id)] == written
        assert plain.get_materialized_partitions(letters.key) == {"a", "b"}


def test_a_home_of_dagsters_own_class_is_carried_on(home: Path):
    with dg.DagsterInstance.from_config(str(home)) as plain:
        first = _run(plain)
    with kept_instance(home) as instance:
        second = _run(instance)
        assert {run.run_id for run in instance.get_runs()} == {first, second}
        assert len(instance.all_logs(first)) == len(instance.all_logs(second))


def test_a_reader_sees_the_events_while_they_are_written(home: Path):
    with kept_instance(home) as instance:
        run_id = _run(instance)
        with dg.DagsterInstance.from_config(str(home)) as reader:
            assert len(reader.all_logs(run_id)) == len(instance.all_logs(run_id)) > 0


def test_no_connection_is_left_open_after_the_run(home: Path):
    with kept_instance(home) as instance:
        _run(instance)
    assert list(home.rglob("*.db-wal")) == []
