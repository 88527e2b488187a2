"""The whole asset graph: what every asset must have, and a snapshot that shows each change of it in review.

After a wanted change: `python -m mech_exo_tests.defs.test_graph` writes the snapshot anew.
"""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from mech_exo_assets.definitions import build_definitions, defs
from mech_exo_assets.defs.runs import HOME_POOL, SEARCH_POOL
from mech_exo_assets.quant.factor_names import ML_ALPHA, declared
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.one_search import SEARCH_TABLES

SNAPSHOT = Path(__file__).parent / "graph.json"
FILES = {"reporting/tear_sheet", "reporting/quantstats_report"}
"""Assets that are a file to read, without columns."""
PAGES = {f"decay/{name}" for name in (*declared(), ML_ALPHA)}
"""One for each factor of the platform, and one for what is learned from them; the sample has no features."""
GROUPS = {"market", "factors", "decay", "weights", "learning", "strategy", "live", "lifecycle", "operations", "reporting"}


def _specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def _checks() -> dict[str, list[str]]:
    graph = defs.resolve_asset_graph()
    checks: dict[str, list[str]] = {}
    for key in graph.asset_check_keys:
        checks.setdefault(key.asset_key.to_user_string(), []).append(key.name)
    return {key: sorted(names) for key, names in checks.items()}


def _pools() -> dict[str, str | None]:
    return {key.to_user_string(): each.op.pool for key, each in defs.get_repository_def().assets_defs_by_key.items()}


def describe_graph() -> dict[str, object]:
    """What a reviewer wants to see change, and nothing that changes by itself."""
    repository = defs.get_repository_def()
    checks, pools = _checks(), _pools()
    assets = {
        key: {
            "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            "group": spec.group_name,
            "partitioned": spec.partitions_def is not None,
            "trigger": None if spec.automation_condition is None else spec.automation_condition.get_label(),
            "checks": checks.get(key, []),
            "code_version": spec.code_version,
            "pool": pools[key],
        }
        for key, spec in sorted(_specs().items())
    }
    return {
        "assets": assets,
        "jobs": sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
        "schedules": {each.name: [each.cron_schedule, each.execution_timezone] for each in repository.schedule_defs},
        "sensors": {each.name: each.default_status.value for each in repository.sensor_defs},
    }


@pytest.mark.parametrize("key", sorted(_specs()))
def test_every_asset_answers_a_reviewers_first_questions(key: str):
    spec = _specs()[key]
    assert spec.description, "says what it is"
    assert len(spec.description) > 30, "in a sentence"
    assert spec.owners, "has somebody to ask"
    assert spec.group_name == key.split("/", maxsplit=1)[0]
    assert spec.group_name in GROUPS
    assert spec.code_version
    assert spec.kinds
    assert "dagster/column_schema" in spec.metadata or key in FILES, "shows its columns"
    assert _checks()[key], "is checked by something"


def test_every_table_is_an_asset_with_its_unique_key_checked():
    assert set(TABLES) <= set(_specs())
    assert all("unique_rows" in _checks()[key] for key in TABLES)


def test_every_factor_has_a_page_with_a_check_whether_it_is_alive():
    assert set(_specs()) - set(TABLES) - FILES - {"reporting/mart"} == PAGES
    assert all(_checks()[key] == ["alpha_alive"] for key in PAGES)


def test_features_of_a_folder_have_pages_and_excluded_factors_have_none(tmp_path: Path):
    features, choices = tmp_path / "prices" / "features", tmp_path / "strategy.yaml"
    features.mkdir(parents=True)
    (features / "mood.csv").write_text("date,symbol,value\n", encoding="utf-8")
    choices.write_text("factors: {exclude: [momentum_12_1]}\n", encoding="utf-8")
    chosen = build_definitions(Settings(home=tmp_path / "home", source=f"files:{tmp_path / 'prices'}", config=choices))
    keys = {spec.key.to_user_string() for spec in chosen.resolve_all_asset_specs()}
    assert keys & (PAGES | {"decay/mood"}) == (PAGES | {"decay/mood"}) - {"decay/momentum_12_1"}


def test_an_asset_is_partitioned_just_when_its_table_is():
    specs = _specs()
    assert {key for key, schema in TABLES.items() if schema.time_column} == {key for key in TABLES if specs[key].partitions_def is not None}


def test_each_asset_has_one_trigger():
    jobs = [defs.resolve_job_def(name) for name in ("market_refresh", "nightly_backtest", "learning", "weight_search", "maintenance")]
    # What a request makes, on a threshold. The job `retrain` trains and searches too, out of turn.
    on_request = {"challenger", "validation", "ab_test", "ab_returns", "champion", "events"}
    on_the_clock = [key.to_user_string() for job in jobs for key in job.asset_layer.executable_asset_keys]
    assert len(on_the_clock) == len(set(on_the_clock))
    by_automation = {key for key, spec in _specs().items() if spec.automation_condition is not None}
    assert not set(on_the_clock) & by_automation
    asked = {f"lifecycle/{name}" for name in on_request}
    assert not asked & (set(on_the_clock) | by_automation)
    assert asked <= {key.to_user_string() for key in defs.resolve_job_def("retrain").asset_layer.executable_asset_keys}
    assert set(on_the_clock) | by_automation | asked == set(_specs())


def test_every_step_is_of_a_pool_and_only_those_of_a_search_are_not_of_the_homes():
    assert {key: pool for key, pool in _pools().items() if not key.startswith("weights/")} == dict.fromkeys(
        set(_specs()) - set(SEARCH_TABLES), HOME_POOL
    )
    assert {key: pool for key, pool in _pools().items() if key.startswith("weights/")} == dict.fromkeys(SEARCH_TABLES, SEARCH_POOL)


@pytest.mark.parametrize(
    ("job", "pools"),
    [
        ("refresh", {HOME_POOL}),
        ("market_refresh", {HOME_POOL}),
        ("nightly_backtest", {HOME_POOL}),
        ("learning", {HOME_POOL}),
        ("deploy", {HOME_POOL}),
        ("maintenance", {HOME_POOL}),
        ("weight_search", {SEARCH_POOL}),
        ("retrain", {HOME_POOL, SEARCH_POOL}),
    ],
)
def test_a_search_goes_beside_all_jobs_but_a_retraining(job: str, pools: set[str]):
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(defs.resolve_job_def(job))
    assert run.run_op_concurrency is not None
    assert set(run.run_op_concurrency.all_pools or ()) == pools


def test_the_graph_is_the_one_in_the_snapshot():
    assert describe_graph() == json.loads(SNAPSHOT.read_text(encoding="utf-8")), (
        "The graph has changed. If that was wanted: python -m mech_exo_tests.defs.test_graph"
    )


def test_no_heavy_library_is_imported_by_the_definitions():
    heavy = (
        "numba",
        "pandas",
        "matplotlib",
        "pandera",
        "scipy",
        "exchange_calendars",
        "yfinance",
        "skfolio",
        "plotly",
        "quantstats",
        "weasyprint",
        "jinja2",
        "slack_sdk",
        "apprise",
        "optuna",
        "arch",
        "sklearn",
        "lightgbm",
        "xgboost",
        "mlflow",
        "shap",
    )
    program = f"import sys, mech_exo_assets.definitions; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(describe_graph(), indent=1) + "\n", encoding="utf-8")
