"""The sensors of the lifecycle: each episode is put on record once, one retraining at a time, whatever is repeated or lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from mech_exo_assets.defs.decay import STATUSES
from mech_exo_assets.defs.decisions import REQUEST_TAG
from mech_exo_assets.defs.drift import DRIFT_STATE
from mech_exo_assets.defs.lifecycle_sensors import (
    DEATHS,
    decay_sensor,
    deploy_sensor,
    drift_sensor,
    probation_sensor,
    record_decay,
    retrain_sensor,
)
from mech_exo_assets.defs.lifecycle_watch import PROBATION_STATE
from mech_exo_assets.defs.runs import SEARCH_JOB
from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.schemas import PRICES
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event, Ledger
from mech_exo_tests.quant.lifecycle.facts import version

A, B = version(x=0.7, y=0.3), version(y=1.0)
AXIS = sessions(np.datetime64("2020-01-02"), np.datetime64("2020-06-30"))
TRIGGER = {"metric": "t_hac", "value": -5.0, "threshold": -4.1, "date": "2020-03-02", "summary": "-25.0 % drift over 63 sessions."}

LATER = TRIGGER | {"date": "2020-05-04"}
ALARM = TRIGGER | {"metric": "cusum difference", "value": 15.2, "threshold": 14.7}


@dataclass
class Home:
    """A ledger with a champion, a lake with prices, and Dagster's storage."""

    ledger: Ledger
    lake: Lake
    instance: dg.DagsterInstance

    def know(self, count: int) -> None:
        """Let the prices have so many sessions."""
        days = pl.Series("date", AXIS[:count]).cast(pl.Date)
        rows = {name: (1.0 if dtype == pl.Float64 else None) for name, dtype in PRICES.dtypes().items()}
        frame = pl.DataFrame({"date": days, "symbol": ["A"] * count}).with_columns(
            pl.lit(value).alias(name) for name, value in rows.items() if name not in ("date", "symbol")
        )
        self.lake.write(PRICES, frame.select(PRICES.names).cast(PRICES.dtypes()), years=[2020])

    def tell(self, key: str, name: str, state: dict) -> None:
        """Say that a table was materialised with this metadata."""
        metadata = {name: dg.MetadataValue.json(state), "tables_read": dg.MetadataValue.json({"live/nav": 3})}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key.split("/"), metadata=metadata))

    def drift(self, *, trigger: dict | None = None, standing: bool = False, as_of: str = "2020-03-02", **more: object) -> None:
        state = {"as_of": as_of, "champion": A.id, "standing": standing, "raised": [], "trigger": trigger} | more
        self.tell("live/drift", DRIFT_STATE, state)

    def tick(self, sensor: dg.SensorDefinition, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
        resources = {"ledger": self.ledger, "lake": self.lake, "strategy": load_strategy()}
        wanted = {name: each for name, each in resources.items() if name in sensor.required_resource_keys}
        with dg.build_sensor_context(instance=self.instance, cursor=cursor, resources=wanted) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult | dg.SkipReason)
        return result

    def kinds(self) -> list[str]:
        return [each.kind for each in self.ledger.events()]

    def run(self, tags: dict[str, str], status: dg.DagsterRunStatus) -> str:
        """A run of Dagster in some status."""
        run = self.instance.create_run_for_job(dg.job(name="retrain")(lambda: None), tags=tags)
        if status is not dg.DagsterRunStatus.NOT_STARTED:
            self.instance.report_run_failed(run) if status is dg.DagsterRunStatus.FAILURE else None
        return run.run_id


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head")
    for number, (each, since) in enumerate(((A, "2020-01-02"), (B, None))):
        content = {"summary": "s", "content": each.as_json(), "as_of": "2020-01-02"} | ({} if since is None else {"since": since})
        ledger.append(Entry("strategy_registered", "test", content, version=each.id, key=f"r{number}"))
    with dg.DagsterInstance.ephemeral() as instance:
        made = Home(ledger, Lake(tmp_path / "lake"), instance)
        made.know(60)
        yield made


def requests(result: dg.SensorResult | dg.SkipReason) -> list[dg.RunRequest]:
    return list(result.run_requests or []) if isinstance(result, dg.SensorResult) else []


def test_a_trigger_is_put_on_record_once_however_often_it_is_looked_at(home: Home):
    home.drift(trigger=TRIGGER, standing=True)
    first = home.tick(drift_sensor)
    home.tick(drift_sensor)  # The cursor was lost: the same materialisation again.
    home.drift(trigger=TRIGGER, standing=True, as_of="2020-03-03")
    home.tick(drift_sensor, first.cursor)
    (event,) = home.ledger.events(kinds=["drift_detected"])
    assert {name: event.payload[name] for name in ("metric", "value", "threshold")} == {"metric": "t_hac", "value": -5.0, "threshold": -4.1}
    assert event.payload["tables"] == {"live/nav": 3}
    assert (event.version, event.actor) == (A.id, "sensor:drift")


def test_after_a_recovery_it_is_put_on_record_again(home: Home):
    cursor = None
    for trigger, standing in ((TRIGGER, True), (None, True), (None, False), (LATER, True)):
        home.drift(trigger=trigger, standing=standing)
        cursor = home.tick(drift_sensor, cursor).cursor
    assert home.kinds()[2:] == ["drift_detected", "recovered", "drift_detected"]


def test_materialisations_between_two_looks_are_all_read(home: Home):
    home.drift()
    cursor = home.tick(drift_sensor).cursor
    for trigger, standing in ((TRIGGER, True), (None, False), (LATER, True)):
        home.drift(trigger=trigger, standing=standing)
    home.tick(drift_sensor, cursor)
    assert home.kinds()[2:] == ["drift_detected", "recovered", "drift_detected"]


def test_an_alarm_stands_until_its_cusum_is_back_and_is_not_told_twice(home: Home):
    cursor = None
    for raised in (["difference"], ["difference", "expectation"], ["expectation"], ["expectation"]):
        home.drift(trigger=ALARM, raised=raised)
        cursor = home.tick(drift_sensor, cursor).cursor
    assert home.kinds()[2:] == ["drift_detected", "recovered"], "the old alarm is no news"
    home.drift(trigger=ALARM | {"date": "2020-05-04"}, raised=["difference"])
    home.tick(drift_sensor, cursor)
    assert home.kinds()[2:] == ["drift_detected", "recovered", "drift_detected"]


def test_what_was_computed_of_another_strategy_or_before_it_was_deployed_is_not_acted_on(home: Home):
    home.drift(trigger=TRIGGER, standing=True, champion=B.id)
    home.tick(drift_sensor)
    home.drift(trigger=TRIGGER, standing=True, as_of="2020-01-02")
    home.tick(drift_sensor)
    assert home.kinds() == ["strategy_registered"] * 2


def test_nothing_is_requested_where_nothing_stands(home: Home):
    assert isinstance(home.tick(retrain_sensor), dg.SkipReason)
    assert home.kinds() == ["strategy_registered"] * 2


def test_a_detection_becomes_one_request_and_one_run_with_its_reason(home: Home):
    home.drift(trigger=TRIGGER, standing=True)
    home.tick(drift_sensor)
    (request,) = requests(home.tick(retrain_sensor))
    (event,) = home.ledger.events(kinds=["retrain_requested"])
    tags = request.tags
    assert tags[REQUEST_TAG] == str(event.id)
    assert (tags["mech_exo/metric"], tags["mech_exo/value"], tags["mech_exo/threshold"]) == ("t_hac", "-5", "-4.1")
    assert TRIGGER["summary"] in tags["mech_exo/reason"]
    assert event.payload["detections"] == [3]
    # The same tick again, as after a restart: Dagster knows the run key, and launches nothing twice.
    (again,) = requests(home.tick(retrain_sensor))
    assert again.run_key == request.run_key
    assert len(home.ledger.events(kinds=["retrain_requested"])) == 1


def test_while_a_run_is_under_way_nothing_else_is_launched(home: Home):
    home.drift(trigger=TRIGGER, standing=True)
    home.tick(drift_sensor)
    (request,) = requests(home.tick(retrain_sensor))
    home.run(dict(request.tags), dg.DagsterRunStatus.NOT_STARTED)
    record_decay(home.ledger, {"x": ("decayed", "2020-03-02", "why")}, read={"as_of": "2020-03-02", "tables": {}})
    skipped = home.tick(retrain_sensor)
    assert isinstance(skipped, dg.SkipReason)
    assert "under way" in str(skipped.skip_message)
    assert len(home.ledger.events(kinds=["retrain_requested"])) == 1


def test_a_retraining_waits_while_a_search_goes_on_and_not_in_the_queue(home: Home):
    home.drift(trigger=TRIGGER, standing=True)
    home.tick(drift_sensor)
    search = home.instance.create_run_for_job(dg.job(name=SEARCH_JOB)(lambda: None), status=dg.DagsterRunStatus.STARTED)
    skipped = home.tick(retrain_sensor)
    assert isinstance(skipped, dg.SkipReason)
    assert "waits until the weight search that goes on has ended" in str(skipped.skip_message)
    home.instance.report_run_failed(search)
    assert len(requests(home.tick(retrain_sensor))) == 1
    assert len(home.ledger.events(kinds=["retrain_requested"])) == 1


def test_a_run_that_died_is_launched_again_and_after_ten_the_request_is_closed(home: Home):
    home.drift(trigger=TRIGGER, standing=True)
    home.tick(drift_sensor)
    keys = []
    for _ in range(DEATHS):
        (request,) = requests(home.tick(retrain_sensor))
        keys.append(request.run_key)
        home.run(dict(request.tags), dg.DagsterRunStatus.FAILURE)
    assert len(set(keys)) == DEATHS
    assert requests(home.tick(retrain_sensor)) == []
    (failed,) = home.ledger.events(kinds=["retrain_failed"])
    assert len(failed.payload["runs"]) == DEATHS
    assert isinstance(home.tick(retrain_sensor), dg.SkipReason)


def decided(home: Home, kind: str, as_of: str) -> Event:
    request = home.ledger.events(kinds=["retrain_requested"])[-1]
    return home.ledger.append(Entry(kind, "test", {"summary": "s", "request": request.id, "as_of": as_of}, version=B.id))


def test_after_a_decision_the_cool_down_is_kept_and_then_what_stands_is_answered(home: Home):
    home.drift(trigger=TRIGGER, standing=True)
    home.tick(drift_sensor)
    home.tick(retrain_sensor)
    decided(home, "refused", str(AXIS[59]))
    assert isinstance(home.tick(retrain_sensor), dg.SkipReason), "the level that was answered fires no second time"
    record_decay(home.ledger, {"x": ("decayed", "2020-04-01", "why")}, read={"as_of": "2020-04-01", "tables": {}})
    cooling = home.tick(retrain_sensor)
    assert isinstance(cooling, dg.SkipReason)
    assert "cool-down" in str(cooling.skip_message)
    home.know(59 + 1 + load_strategy().lifecycle.cool_down)
    (request,) = requests(home.tick(retrain_sensor))
    assert "x, with a weight of 0.700" in request.tags["mech_exo/reason"]


def test_decay_is_put_on_record_for_factors_in_use_only_and_once(home: Home):
    read = {"as_of": "2020-03-02", "tables": {"decay/residual_ic": 4}}
    told = {"x": ("decayed", "2020-02-20", "IC fell."), "z": ("decayed", "2020-02-20", "IC fell."), "y": ("healthy", "2020-01-02", "fine")}
    assert record_decay(home.ledger, told, read=read) == ["decay_detected"]
    assert record_decay(home.ledger, told, read=read) == []
    (event,) = home.ledger.events(kinds=["decay_detected"])
    assert (event.payload["subject"], event.payload["decayed_since"], event.payload["tables"]) == (
        "x",
        "2020-02-20",
        {"decay/residual_ic": 4},
    )
    assert record_decay(home.ledger, told | {"x": ("recovered", "2020-05-01", "back")}, read=read) == ["recovered"]
    assert record_decay(home.ledger, told | {"x": ("decayed", "2020-06-01", "again")}, read=read) == ["decay_detected"]


def test_every_materialisation_of_the_statuses_is_put_on_record_also_where_the_cursor_is_lost(home: Home):
    home.tell("decay/status", STATUSES, {"x": ["healthy", "2020-01-02", "fine"]})
    cursor = home.tick(decay_sensor).cursor
    home.tell("decay/status", STATUSES, {"x": ["decayed", "2020-02-20", "IC fell."]})
    home.tell("decay/status", STATUSES, {"x": ["recovered", "2020-03-02", "It is back."]})
    cursor = home.tick(decay_sensor, cursor).cursor
    assert home.kinds()[2:] == ["decay_detected", "recovered"]
    assert home.ledger.events(kinds=["decay_detected"])[0].payload["tables"] == {"live/nav": 3}
    for again in (cursor, None):
        home.tick(decay_sensor, again)
    assert home.kinds()[2:] == ["decay_detected", "recovered"]


def test_what_a_person_does_in_the_dashboard_is_deployed_by_one_run(home: Home):
    assert requests(home.tick(deploy_sensor)) == []
    for name, reason in ((B.id, "first"), (A.id, "second")):
        payload = {"summary": "s", "since": "2020-03-02", "as_of": "2020-02-28", "reason": reason, "deploy": True}
        home.ledger.append(Entry("manual_override", "bob (dashboard)", payload, version=name))
    result = home.tick(deploy_sensor)
    (request,) = requests(result)
    assert (request.tags["mech_exo/reason"], request.tags["mech_exo/actor"]) == ("second", "bob (dashboard)")
    assert requests(home.tick(deploy_sensor, result.cursor)) == []
    # A lost cursor asks for the same run, which Dagster knows by its key.
    assert requests(home.tick(deploy_sensor))[0].run_key == request.run_key


def promoted(home: Home) -> Event:
    payload = {"summary": "s", "since": "2020-03-02", "as_of": "2020-02-28", "version_before": A.id, "version_after": B.id, "request": 1}
    return home.ledger.append(Entry("promoted", "test", payload, version=B.id))


def probation(home: Home, promotion: int, status: str) -> None:
    state = {
        "promotion": promotion,
        "status": status,
        "as_of": "2020-03-04",
        "sessions": 2,
        "live_return": -0.03,
        "limit": -0.02,
        "p_value": 0.001,
    }
    home.tell("lifecycle/probation", PROBATION_STATE, state)


def test_a_breach_in_probation_takes_the_strategy_back_once(home: Home):
    promotion = promoted(home)
    probation(home, promotion.id, "breach")
    (request,) = requests(home.tick(probation_sensor))
    (back,) = home.ledger.events(kinds=["rolled_back"])
    assert (back.version, back.payload["promotion"]) == (A.id, promotion.id)
    assert back.payload["figures"] == {"sessions": 2, "live_return": -0.03, "limit": -0.02, "p_value": 0.001}
    assert request.tags["mech_exo/event"] == str(back.id)
    assert dt.date.fromisoformat(back.payload["since"]) > AXIS[59].item()
    assert requests(home.tick(probation_sensor)) == [], "the champion is another one now"
    assert len(home.ledger.events(kinds=["rolled_back"])) == 1


def test_a_passed_probation_is_put_on_record_once(home: Home):
    promotion = promoted(home)
    probation(home, promotion.id, "passed")
    home.tick(probation_sensor)
    home.tick(probation_sensor)
    (event,) = home.ledger.events(kinds=["probation_passed"])
    assert (event.version, event.payload["promotion"]) == (B.id, promotion.id)


def test_what_was_said_of_an_earlier_promotion_is_not_acted_on(home: Home):
    promotion = promoted(home)
    probation(home, promotion.id - 1, "breach")
    assert requests(home.tick(probation_sensor)) == []
    assert home.ledger.events(kinds=["rolled_back"]) == []
