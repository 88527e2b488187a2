"""The loop closes, through Dagster with daemon and sensors running: nobody calls anything but the refresh of the market."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.quant.simulator import Planted
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Event, Ledger
from mech_exo_tests.e2e.browser import served
from mech_exo_tests.e2e.living_market import LivingMarket, ask, living_market, refresh, write_choices
from mech_exo_tests.e2e.market_folder import mech_exo

pytestmark = pytest.mark.slow

PATIENCE = 420
BREAK = 1000
RUNS = "{ runsOrError { ... on Runs { results { runId jobName status tags { key value } } } } }"


def dying_market(folder: Path) -> LivingMarket:
    """Three factors, of which the first dies."""
    planted = [
        Planted("planted_a", 0.12, profile="abrupt", at=BREAK),
        Planted("planted_b", 0.084),
        Planted("planted_c", 0.084, persistence=0.9),
    ]
    return living_market(folder, planted, sessions=1100, seed=5)


def ledger_of(home: Path) -> Ledger:
    return Ledger(f"sqlite:///{home}/ledger.db", home / "ledger.head")


def wait_for(ledger: Ledger, kinds: Iterable[str], *, after: int = 0) -> Event:
    """The first event of these kinds after one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = ledger.events(kinds=kinds, after=after)
        if found:
            return found[0]
        time.sleep(1)
    told = "\n".join(f"{each.id} {each.kind}: {each.payload['summary']}" for each in ledger.events())
    raise AssertionError(f"none of {list(kinds)} within {PATIENCE} s. The ledger has:\n{told}")


def wait_until(known: Lake, key: str, session: object) -> None:
    """Until a table has a session."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if known.exists(key) and known.scan(key).select(pl.col("date").max()).collect().item() == session:
            return
        time.sleep(1)
    raise AssertionError(f"{key} has no session {session} after {PATIENCE} s")


def test_a_break_is_found_answered_promoted_watched_and_taken_back(tmp_path: Path):
    home, market = tmp_path / "home", dying_market(tmp_path / "market")
    choices = write_choices(tmp_path / "choices.yaml", composite={"weights": {"planted_a": 1.0}})
    market.know(BREAK)
    done = mech_exo("run", "--home", home, "--source", market.source, "--config", choices)
    assert done.returncode == 0, done.stderr
    ledger, lake = ledger_of(home), Lake(home / "lake")
    first = ledger.get(1)
    assert (first.kind, first.payload["content"]["weights"]) == ("strategy_registered", {"planted_a": 1.0})
    with served(home) as address:
        market.know(BREAK + 45)
        refresh(address)
        promoted = wait_for(ledger, ["promoted", "refused", "retrain_failed"])
        assert promoted.kind == "promoted", promoted.payload["summary"]
        # Two sessions in which the new strategy is decided and bought, then one in which all it holds goes against it.
        bought = market.know(BREAK + 47)
        refresh(address)
        wait_until(lake, "live/nav", bought)
        targets = lake.read("live/targets").filter(pl.col("date") == market.dates[BREAK + 45])
        assert targets["version"].unique().to_list() == [promoted.version]
        market.crash(BREAK + 48, dict(targets.select("symbol", "weight").iter_rows()), by=0.05)
        lost = market.know(BREAK + 49)
        refresh(address)
        back = wait_for(ledger, ["rolled_back", "probation_passed"], after=promoted.id)
        assert back.kind == "rolled_back", back.payload["summary"]
        runs = ask(address, RUNS)["runsOrError"]["results"]
    assert [run for run in runs if run["status"] == "FAILURE"] == []
    events = {each.kind: each for each in ledger.events(until=back.id)}
    assert set(events) >= {"drift_detected", "retrain_requested", "challenger_built", "validation_passed", "ab_test_concluded", "promoted"}
    (retraining,) = [run for run in runs if run["jobName"] == "retrain"]
    tags = {tag["key"]: tag["value"] for tag in retraining["tags"]}
    request = events["retrain_requested"]
    assert tags["mech_exo/request"] == str(request.id)
    assert json.loads(tags["mech_exo/detections"]) == request.payload["detections"]
    assert tags["mech_exo/metric"] == request.payload["metric"]
    # The dead factor is rotated out.
    weights = events["challenger_built"].payload["content"]["weights"]
    assert abs(weights.get("planted_a", 0.0)) < 0.01
    assert events["rotated"].payload["factors"]["planted_a"]["before"] == 1.0
    assert back.version == first.version
    assert back.actor == "sensor:probation"
    assert back.payload["figures"]["live_return"] <= back.payload["figures"]["limit"]
    assert str(lost) == back.payload["as_of"]
    verified = mech_exo("ledger", "verify", "--home", home)
    assert verified.returncode == 0, verified.stdout
    replayed = mech_exo("replay", "--all", "--json", "--home", home)
    rows = json.loads(replayed.stdout)
    assert replayed.returncode == 0, replayed.stdout
    assert {row["kind"] for row in rows} >= {
        "drift_detected",
        "challenger_built",
        "validation_passed",
        "ab_test_concluded",
        "promoted",
        "rolled_back",
    }
    assert all(row["equal"] and row["compared"] > 0 for row in rows)


@pytest.mark.long
def test_a_challenger_that_is_no_better_is_refused(tmp_path: Path):
    home, market = tmp_path / "home", dying_market(tmp_path / "market")
    # Fills are ten times as dear as the backtest thinks, so that live drifts from it; and the search may not use the best factor.
    choices = write_choices(
        tmp_path / "choices.yaml",
        composite={"weights": {"planted_a": 0.4, "planted_b": 0.3, "planted_c": 0.3}},
        live={"backdate": 80, "half_spread_bps": 10.0},
        search={"trials": 40, "startup": 20, "holdout_months": 9, "shrinkage": [0.0], "bounds": {"planted_a": [0.0, 0.0]}},
    )
    market.know(BREAK - 30)
    done = mech_exo("run", "--home", home, "--source", market.source, "--config", choices)
    assert done.returncode == 0, done.stderr
    ledger = ledger_of(home)
    with served(home) as address:
        market.know(BREAK)
        refresh(address)
        decided = wait_for(ledger, ["promoted", "refused", "retrain_failed"])
    assert decided.kind == "refused", decided.payload["summary"]
    (drift,) = ledger.events(kinds=["drift_detected"])
    assert drift.payload["value"] < drift.payload["threshold"] or drift.payload["metric"].startswith("cusum")
    assert [each.kind for each in ledger.events(kinds=["promoted", "rolled_back"])] == []
    assert len(ledger.events(kinds=["retrain_requested"])) == 1
    assert (decided.payload["figures"]["difference"] < 0, decided.payload["figures"]["wanted"]) == (True, -0.5)
    assert ledger.verify().ok
