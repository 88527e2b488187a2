"""The whole chain as a user runs it: once more, a day later, after a correction, killed in the middle, on changed choices."""

import datetime as dt
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.e2e.living_market import write_choices
from mech_exo_tests.e2e.market_folder import assert_same_tables, lake_tables, mech_exo, small_market, write_folder

pytestmark = pytest.mark.slow

FUTURE_SESSIONS = 200


@pytest.fixture(scope="module")
def market() -> dict[str, pl.DataFrame]:
    return small_market()


@pytest.fixture(scope="module")
def undisturbed(market: dict[str, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The source, and a home that one undisturbed run has filled."""
    folder, home = tmp_path_factory.mktemp("prices"), tmp_path_factory.mktemp("home")
    uri = write_folder(folder, market)
    done = mech_exo("run", "--source", uri, "--home", home)
    assert done.returncode == 0, done.stderr
    return uri, home


@pytest.fixture(scope="module")
def few(market: dict[str, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """Options of a run on the same market with its planted factors alone, and a home that one undisturbed run of them has filled.

    For what does not depend on the factors, and takes many runs.
    """
    folder, home = tmp_path_factory.mktemp("few"), tmp_path_factory.mktemp("home")
    uri = write_folder(folder / "prices", market)
    options = ["--source", uri, "--config", str(write_choices(folder / "mine.yaml"))]
    done = mech_exo("run", *options, "--home", home)
    assert done.returncode == 0, done.stderr
    return options, home


def _until(market: dict[str, pl.DataFrame], sessions: int) -> dict[str, pl.DataFrame]:
    """The market as it was known some sessions before its end."""
    last = market["prices"]["date"].unique().sort()[-1 - sessions]
    return {name: table.filter(pl.col("date") <= last) if "date" in table.columns else table for name, table in market.items()}


def test_a_second_run_finds_everything_up_to_date(undisturbed: tuple[str, Path]):
    uri, home = undisturbed
    lake = Lake(home / "lake")
    before = {key: lake.version(key) for key in lake.tables()}
    again = mech_exo("run", "--home", home, "--json")
    assert json.loads(again.stdout)["status"] == "up to date"
    assert json.loads(again.stdout)["source"] == uri
    assert {key: lake.version(key) for key in lake.tables()} == before


def test_a_day_more_recomputes_only_the_last_years_and_equals_a_run_from_nothing(
    market: dict[str, pl.DataFrame], undisturbed: tuple[str, Path], tmp_path: Path
):
    _, whole = undisturbed
    folder, home = tmp_path / "prices", tmp_path / "home"
    uri = write_folder(folder, _until(market, 1))
    assert mech_exo("run", "--source", uri, "--home", home).returncode == 0
    lake = Lake(home / "lake")
    partitioned = [key for key, schema in TABLES.items() if schema.time_column]
    old = {key: lake.files(key) for key in partitioned}
    write_folder(folder, market)
    done = json.loads(mech_exo("run", "--home", home, "--json").stdout)
    last = market["prices"]["date"].max().year
    assert done["years_computed"] == [last - 1, last]
    for key in partitioned:
        new = lake.files(key)
        assert {year for year in new if new[year] != old[key].get(year)} <= {last - 1, last}, key
    # Features may come late, so a day more of them makes the whole history new; here only prices have grown.
    assert_same_tables(lake_tables(home), lake_tables(whole))


PATH_DEPENDENT = {
    "kind": "top_n",
    "top_n": {"names": 4, "leave": 2, "min_holding": 30},
    "sizing": "inverse_volatility",
    "rebalance": "weekly",
    "volatility_target": 0.1,
}


@pytest.mark.long
def test_a_day_more_goes_on_from_the_holdings_of_the_year_before(market: dict[str, pl.DataFrame], tmp_path: Path):
    choices = write_choices(tmp_path / "hold.yaml", construction=PATH_DEPENDENT)
    homes = {}
    for name, steps in {"grown": (1, 0), "whole": (0,)}.items():
        for sessions in steps:
            uri = write_folder(tmp_path / name, _until(market, sessions) if sessions else market)
            done = mech_exo("run", "--source", uri, "--home", tmp_path / f"{name}_home", "--config", choices)
            assert done.returncode == 0, done.stderr
        homes[name] = lake_tables(tmp_path / f"{name}_home")
    assert_same_tables(homes["grown"], homes["whole"])
    held = homes["whole"]["strategy/targets"].group_by("date").len()
    assert held["len"].max() <= 4


@pytest.mark.long
def test_a_correction_of_old_prices_is_carried_through(market: dict[str, pl.DataFrame], undisturbed: tuple[str, Path], tmp_path: Path):
    day = market["prices"]["date"].unique().sort()[600]
    wrong = pl.when((pl.col("date") == day) & (pl.col("symbol") == "SIM003"))
    names = ("open", "high", "low", "close", "adjusted_close")
    mistaken = {
        **market,
        "prices": market["prices"].with_columns(wrong.then(pl.col(name) * 1.1).otherwise(pl.col(name)).alias(name) for name in names),
    }
    folder, home = tmp_path / "prices", tmp_path / "home"
    uri = write_folder(folder, mistaken)
    assert mech_exo("run", "--source", uri, "--home", home).returncode == 0
    write_folder(folder, market)
    done = json.loads(mech_exo("run", "--home", home, "--json").stdout)
    assert done["years_computed"][0] <= day.year
    assert_same_tables(lake_tables(home), lake_tables(undisturbed[1]))


LEARNED = """
learning:
  horizon: 5
  train_months: 15
  refit_months: 6
  rounds: 8
  patience: 3
  ensemble: stacked
  tuning: {trials: 3, folds: 2, every: 2}
  gate: {ic: 0, confidence: 0.51, sessions: 63}
  blend: {step: 0.2, sessions: 42}
"""
LEARNED_HORIZON = 5


def _learned(tables: dict[str, pl.DataFrame], folder: Path) -> dict[str, pl.DataFrame]:
    """Every table of a home, in which models were trained on this market."""
    folder.mkdir()
    (folder / "learn.yaml").write_text(LEARNED)
    uri = write_folder(folder / "prices", tables)
    done = mech_exo("run", "--source", uri, "--home", folder / "home", "--config", folder / "learn.yaml")
    assert done.returncode == 0, done.stderr
    done = mech_exo("learn", "--home", folder / "home")
    assert done.returncode == 0, done.stderr
    return lake_tables(folder / "home", decided=True)


def test_nothing_stamped_before_a_change_of_the_future_moves(market: dict[str, pl.DataFrame], tmp_path: Path):
    """DESIGN section 2: change every price after t, and nothing stamped t or earlier moves."""
    sessions = market["prices"]["date"].unique().sort()
    t = sessions[-FUTURE_SESSIONS]
    later = pl.when(pl.col("date") > t)
    wild = 1 + 0.5 * (pl.struct("date", "symbol").hash(seed=1) % 1000) / 1000
    prices = market["prices"].with_columns(
        *(
            later.then(pl.col(name) * wild).otherwise(pl.col(name)).alias(name)
            for name in ("open", "high", "low", "close", "adjusted_close")
        ),
        later.then(pl.col("volume") * wild).otherwise(pl.col("volume")).alias("volume"),
        later.then(0.1).otherwise(pl.col("dividend_amount")).alias("dividend_amount"),
    )
    features = {
        name: table.with_columns(later.then(-pl.col("value")).otherwise(pl.col("value")).alias("value"))
        for name, table in market.items()
        if name.startswith("features/")
    }
    before = _learned(market, tmp_path / "as_it_was")
    after = _learned({**market, "prices": prices, **features}, tmp_path / "perturbed")
    position = {date: i for i, date in enumerate(sessions)}
    _nothing_learned_looks_ahead(before, after, t, position)
    # What is stamped with a score's session and known only when its return is: those rows end before t by lag and horizon.
    known_later = {
        "market/forward_returns": "horizon",
        "decay/ic": "horizon",
        "decay/residual_ic": "horizon",
        "decay/sector_ic": "horizon",
        "decay/quintile_returns": "horizon",
        "decay/lagged_ic": "lag",
    }
    # Whole-history diagnostics without a session of their own; nothing before the last session reads them.
    diagnostics = {
        "market/quality",
        "decay/statistics",
        "decay/breakdown",
        "decay/status",
        "decay/rotation",
        "market/universe",
        "market/fundamentals",
        "strategy/performance",
        "live/inputs",
    } | {key for key in before if key.startswith("lifecycle/")}
    # Held against each other above.
    by_training = {key for key in before if key.startswith("learning/")} - {"learning/predictions", "learning/scores", "learning/blend"}
    # Rows only where something happened; the change of the future need not have made any.
    by_event = {"decay/alarms": "alarm_date", "decay/status_history": "date"}
    for key, at in by_event.items():
        told = [table[key].filter(pl.col(at) <= t).sort("factor", at) for table in (before, after)]
        assert told[0].equals(told[1].select(told[0].columns), null_equal=True), f"{key} looks ahead"
    assert before["decay/status_history"].filter(pl.col("date") <= t).height > 0
    # What is known of a window when its training ends; its one test ends later than t.
    by_window = {"strategy/walk_forward_windows", "strategy/walk_forward_weights"}
    fitted = [table["strategy/walk_forward_windows"].filter(pl.col("train_to") <= t) for table in (before, after)]
    of_training = ["window", "fit", "train_from", "train_to", "test_from", "train_sessions", "train_sharpe"]
    assert fitted[0].height > 0
    assert fitted[0].select(of_training).equals(fitted[1].select(of_training), null_equal=True)
    assert before["strategy/walk_forward_weights"].equals(after["strategy/walk_forward_weights"])
    for key in sorted(set(before) - diagnostics - by_window - by_training - set(by_event)):
        # A strategy version is called by a hash that has the versions of tables in it.
        rows = [table.filter(pl.col("date") <= t).drop("version", strict=False) for table in (before[key], after[key])]
        if key in known_later:
            # A lag of 0 runs over one session, like a horizon of 1.
            horizon = pl.col(known_later[key]) + (2 if known_later[key] == "lag" else 1)
            at = pl.col("date").replace_strict(position, return_dtype=pl.Int64)
            rows = [table.filter(at + horizon <= position[t]) for table in rows]
        assert rows[0].height > 0, key
        assert rows[0].equals(rows[1].select(rows[0].columns), null_equal=True), f"{key} looks ahead"
        assert not before[key].equals(after[key].select(before[key].columns), null_equal=True), (
            f"{key}: the change of the future was not felt"
        )


def _nothing_learned_looks_ahead(
    before: dict[str, pl.DataFrame], after: dict[str, pl.DataFrame], t: dt.date, position: dict[dt.date, int]
) -> None:
    """Tables of machine-learned factors that have more than one time in a row: of two trainings, one on a changed future."""
    at = pl.col("date").replace_strict(position, return_dtype=pl.Int64)
    label_known = at + 1 + LEARNED_HORIZON <= position[t]
    rows = [table["learning/dataset"].filter(pl.col("date") <= t) for table in (before, after)]
    assert rows[0].drop("label").equals(rows[1].select(rows[0].columns).drop("label"), null_equal=True)
    labels = [table.filter(label_known)["label"] for table in rows]
    assert labels[0].count() > 0
    assert labels[0].equals(labels[1], null_equal=True)
    assert not rows[0]["label"].equals(rows[1]["label"], null_equal=True), "the change of the future was not felt"
    # Everything about a training but its test, which may end later than t.
    known_when_trained = ["fold", "train_from", "train_to", "train_sessions", "train_rows", "validation_from", "test_from", "rounds"]
    known_when_trained += ["train_ic", "validation_ic", "parameters", "digest"]
    for kind in ("lightgbm", "xgboost", "ridge"):
        trained = [table[f"learning/{kind}"].filter(pl.col("test_from") <= t) for table in (before, after)]
        assert 3 <= trained[0].height < before[f"learning/{kind}"].height
        assert trained[0].select(known_when_trained).equals(trained[1].select(known_when_trained), null_equal=True), kind
    models = [table["learning/models"].filter(pl.col("test_from") <= t) for table in (before, after)]
    assert models[0].select("model", "fold", "features", "text").equals(models[1].select("model", "fold", "features", "text"))
    assert not before["learning/models"]["text"].equals(after["learning/models"]["text"]), "the change of the future was not felt"
    weights = [table["learning/stacking"].filter(pl.col("fold").is_in(models[0]["fold"])) for table in (before, after)]
    assert weights[0].equals(weights[1])
    over = [
        table["learning/comparison"].filter(
            pl.col("fold") > 0, pl.col("last_date").replace_strict(position, return_dtype=pl.Int64) + 1 + LEARNED_HORIZON <= position[t]
        )
        for table in (before, after)
    ]
    assert over[0].height >= 6
    assert over[0].equals(over[1], null_equal=True)
    # Without a weight before t, the composite would be tested without ml_alpha in it.
    assert before["learning/blend"].filter(pl.col("date") < t)["weight"].max() > 0


@pytest.mark.long
def test_killed_at_ten_random_moments_the_next_run_completes_and_nothing_differs(few: tuple[list[str], Path], tmp_path: Path):
    options, whole = few
    home = tmp_path / "home"
    arguments = [sys.executable, "-m", "mech_exo_assets.cli", "run", *options, "--home", str(home)]
    started = time.monotonic()
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == 0
    whole_run = time.monotonic() - started
    moments = random.Random(20)  # noqa: S311
    killed = 0
    for _ in range(10):
        process = subprocess.Popen([*arguments, "--force"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=moments.uniform(0.2, 0.95) * whole_run)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        for key in Lake(home / "lake").tables():
            Lake(home / "lake").read(key)
    assert killed >= 7
    done = mech_exo("run", "--home", home, "--force")
    assert done.returncode == 0, done.stderr
    assert_same_tables(lake_tables(home), lake_tables(whole))


def test_killed_during_the_first_run_the_next_one_completes(few: tuple[list[str], Path], tmp_path: Path):
    options, whole = few
    moments = random.Random(21)  # noqa: S311
    for attempt in range(3):
        home = tmp_path / f"home{attempt}"
        process = subprocess.Popen(
            [sys.executable, "-m", "mech_exo_assets.cli", "run", *options, "--home", str(home)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(1.0, 5.0))
        process.kill()
        process.wait()
        done = mech_exo("run", *options, "--home", home)
        assert done.returncode == 0, done.stderr
        assert_same_tables(lake_tables(home), lake_tables(whole))
