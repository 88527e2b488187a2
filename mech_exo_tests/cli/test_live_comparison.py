"""A challenger in shadow and as a canary, on real tables: what is computed, decided, replayed, and ended by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mech_exo_assets.definitions import build_definitions
from mech_exo_assets.defs import decisions
from mech_exo_assets.defs.lifecycle_sensors import comparison_sensor, retrain_sensor
from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.schemas import LIVE_COMPARISON
from mech_exo_assets.settings import Strategy, load_settings, load_strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event, Ledger
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.conftest import SIMULATED
from mech_exo_tests.learned import done


class Compared:
    """A home whose first champion is champion again, and whose challenger is to be compared with it once more."""

    def __init__(self, home: Path) -> None:
        self.home, self.lake, self.ledger = home, Lake(home / "lake"), Ledger(f"sqlite:///{home}/ledger.db", home / "ledger.head")
        self.sessions = decisions.sessions_of(self.lake)

    def strategy(self, mode: str, **choices: object) -> Strategy:
        default = load_strategy(self.home / "mine.yaml")
        ab_test = default.lifecycle.ab_test.model_copy(update={"mode": mode, **choices})
        return default.model_copy(update={"lifecycle": default.lifecycle.model_copy(update={"ab_test": ab_test})})

    def begin(self, mode: str, *, sessions: int) -> tuple[Event, Strategy]:
        """A comparison that has begun so many sessions ago."""
        request = decisions.request_retraining(self.ledger, actor="test", reason="again", as_of=self.sessions[-1].item())
        (known,) = self.ledger.events(kinds=["ab_test_concluded"])
        (built,) = self.ledger.events(kinds=["challenger_built"])
        self.ledger.append(Entry("challenger_built", "test", {**built.payload, "request": request.id}, version=built.version))
        payload = {**known.payload, "request": request.id, "promote": False, "continues": True}
        key = f"ab_verdict/{request.id}/{known.version}"
        concluded = self.ledger.append(Entry("ab_test_concluded", "test", payload, version=known.version, key=key))
        ago, after = self.sessions[-1 - sessions].item(), self.sessions[-sessions].item()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mech_exo_assets.defs.decisions.live_trials.last_session", lambda _: ago)
            patch.setattr("mech_exo_assets.defs.decisions.live_trials.next_session", lambda *_: after)
            strategy = self.strategy(mode)
            return decisions.begin_live(self.ledger, self.lake, strategy, concluded, actor="test", run_id=None), strategy

    def materialise(self, instance: dg.DagsterInstance) -> Mapping[str, dg.MetadataValue]:
        """What the asset says, run by Dagster."""
        definitions = build_definitions(load_settings(home=self.home, source=SIMULATED, config=self.home / "mine.yaml"))
        job = definitions.resolve_implicit_global_asset_job_def()
        key = dg.AssetKey(LIVE_COMPARISON.key.split("/"))
        result = job.execute_in_process(instance=instance, asset_selection=[key])
        assert result.success
        (event,) = result.get_asset_materialization_events()
        return event.materialization.metadata

    def table(self, started: Event, strategy: Strategy) -> pl.DataFrame:
        tables = decisions.tables_of(self.lake, started.payload["stage"])
        return decisions.live_comparison(self.ledger.events(), self.lake, strategy, started, tables=tables)


@pytest.fixture(scope="module")
def rolled_back(retrained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after a rollback, which computes all that follows from the champion; each test takes a copy."""
    home = Path(shutil.copytree(retrained_home, tmp_path_factory.mktemp("rolled_back") / "home"))
    done("rollback", "--reason", "to compare", "--home", str(home))
    return home


@pytest.fixture
def compared(rolled_back: Path, tmp_path: Path) -> Compared:
    return Compared(Path(shutil.copytree(rolled_back, tmp_path / "home")))


def test_in_shadow_the_better_one_is_promoted_by_the_sensor_and_the_verdict_is_replayed(compared: Compared, mech_exo: Command):
    started, strategy = compared.begin("shadow", sessions=150)
    table = compared.table(started, strategy)
    assert table["date"].min() == compared.sessions[-150].item()
    assert (table["stage"].unique().to_list(), table["version"].unique().to_list()) == (["shadow"], [started.version])
    assert table["verdict"][-1] == "better", "the challenger has the factor that ranks returns"
    resources = {"ledger": compared.ledger, "lake": compared.lake, "strategy": strategy}
    with dg.DagsterInstance.ephemeral() as instance:
        made = compared.materialise(instance)
        assert "better" not in made["verdict"].value, "the verdict is a sentence"
        assert "above" in made["verdict"].value
        assert made["confidence"].value.startswith("![")
        assert compared.lake.read(LIVE_COMPARISON.key).equals(table)
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            waiting = retrain_sensor(context)
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            result = comparison_sensor(context)
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            again = comparison_sensor(context)
    assert isinstance(waiting, dg.SkipReason), "nothing is retrained while the comparison goes on"
    (request,) = result.run_requests
    assert again.run_requests == []
    kinds = [each.kind for each in compared.ledger.events(after=started.id)]
    assert kinds[:2] == ["ab_test_concluded", "promoted"]
    assert request.tags["mech_exo/event"] == str(started.id + 2)
    assert champion(compared.ledger.events()).version == started.version
    said = mech_exo("replay", str(started.id + 1), "--json", "--home", str(compared.home))
    (row,) = json.loads(said.out)
    assert row["equal"], row
    assert compared.ledger.verify().ok


def test_a_canary_is_compared_on_its_part_of_the_account_and_ended_by_hand(compared: Compared, mech_exo: Command):
    started, strategy = compared.begin("canary", sessions=30)
    table = compared.table(started, strategy)
    lag = strategy.execution_lag
    assert table["date"].min() == compared.sessions[-30 + lag + 1].item(), "the session after the first that is traded for both"
    assert table["challenger_return"].std() > 0
    assert (table["challenger_return"] - table["champion_return"]).abs().max() > 1e-4
    assert set(table["verdict"]) == {"running"}
    assert table["low"].null_count() == table.height, "thirty sessions say nothing yet"
    under_way = mech_exo("retrain", "--reason", "x", "--home", str(compared.home))
    assert under_way.code == 2
    assert "mech-exo refuse" in under_way.err
    ended = mech_exo("refuse", "--reason", "not allowed", "--json", "--home", str(compared.home))
    assert ended.code == 0, ended.err
    assert "not allowed" in json.loads(ended.out)["reason"]
    assert [each.kind for each in compared.ledger.events(after=started.id)] == ["ab_test_concluded", "refused"]
    assert champion(compared.ledger.events()).version == started.payload["champion"]
    replayed = mech_exo("replay", str(started.id + 1), "--home", str(compared.home))
    assert (replayed.code, "was not computed from data" in replayed.err) == (2, True)
    nothing = mech_exo("refuse", "--reason", "again", "--home", str(compared.home))
    assert (nothing.code, "no challenger is compared" in nothing.err) == (2, True)


def test_a_champion_that_was_replaced_ends_the_comparison(compared: Compared, mech_exo: Command):
    started, strategy = compared.begin("shadow", sessions=20)
    assert mech_exo("promote", str(started.version), "--reason", "now", "--home", str(compared.home)).code == 0
    resources = {"ledger": compared.ledger, "lake": compared.lake, "strategy": strategy}
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources=resources) as context,
    ):
        comparison_sensor(context)
    last = compared.ledger.events()[-1]
    assert (last.kind, "was replaced by" in last.payload["reason"]) == ("refused", True)


def test_a_verdict_whose_decision_was_lost_is_decided_by_the_next_look(compared: Compared):
    """As when the process was killed between the two events."""
    started, strategy = compared.begin("shadow", sessions=150)
    state = decisions.state_of(compared.table(started, strategy), strategy)
    decisions.conclude_live(compared.ledger, compared.lake, strategy, started, state, actor="test")
    resources = {"ledger": compared.ledger, "lake": compared.lake, "strategy": strategy}
    with dg.DagsterInstance.ephemeral() as instance:
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            assert isinstance(retrain_sensor(context), dg.SkipReason)
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            (request,) = comparison_sensor(context).run_requests
    promoted = compared.ledger.get(int(request.tags["mech_exo/event"]))
    assert (promoted.kind, promoted.version) == ("promoted", started.version)
