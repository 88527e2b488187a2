"""The nightly judgement: one alert when a limit is left, none on the nights between, one when it is kept again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from mech_exo_assets.defs.backtest import LIMITS_LEFT, performance
from mech_exo_assets.schemas import BACKTEST
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.storage.io_manager import LakeIOManager
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.reports.books import book
from mech_exo_tests.reports.slack import Slack, listening

LIMITS = {"sessions": 60, "min_sharpe": 0.0, "max_drawdown": 0.5}


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with listening() as state:
        yield state


def night(
    lake: Lake, instance: dg.DagsterInstance, slack: Slack, *, mean: float, sessions: int = 80
) -> tuple[dict, dg.AssetCheckEvaluation]:
    """Judge a backtest with this mean daily return; the metadata and the check of the night."""
    days = book(sessions)["strategy/backtest"]
    noise = np.random.default_rng(0).normal(mean, 0.002, sessions)
    lake.write(BACKTEST, days.with_columns(net_return=pl.Series(noise), gross_return=pl.Series(noise)))
    strategy = load_strategy()
    result = dg.materialize(
        [performance, dg.AssetSpec(["strategy", "backtest"])],
        selection=[performance],
        instance=instance,
        resources={
            "io_manager": LakeIOManager(lake),
            "strategy": strategy.model_copy(update={"alerts": strategy.alerts.model_copy(update=LIMITS)}),
            "alerts": slack.alerts,
        },
    )
    (event,) = result.get_asset_materialization_events()
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    return {name: value.value for name, value in event.materialization.metadata.items()}, checks["within_limits"]


def test_an_alert_goes_out_once_when_a_limit_is_left_and_once_when_it_is_kept_again(tmp_path: Path, slack: Slack):
    lake = Lake(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        nights = [night(lake, instance, slack, mean=mean) for mean in (0.002, -0.002, -0.002, 0.002)]
    assert [metadata[LIMITS_LEFT] for metadata, _ in nights] == [[], ["min_sharpe"], ["min_sharpe"], []]
    assert [check.passed for _, check in nights] == [True, False, False, True]
    assert [metadata["alert"] for metadata, _ in nights][1] == "log; Slack: sent"
    assert len(slack.messages) == 2
    assert "alerts.min_sharpe" in str(slack.messages[0])


def test_too_few_sessions_are_not_called_within_limits(tmp_path: Path, slack: Slack):
    with dg.DagsterInstance.ephemeral() as instance:
        metadata, check = night(Lake(tmp_path), instance, slack, mean=-0.002, sessions=40)
    assert not check.passed
    assert check.metadata["sessions"].value == 40
    assert metadata[LIMITS_LEFT] == []
    assert slack.messages == []


def test_a_slack_that_does_not_answer_fails_no_run(tmp_path: Path, slack: Slack):
    slack.answers = [(404, "no_service")]
    with dg.DagsterInstance.ephemeral() as instance:
        metadata, _ = night(Lake(tmp_path), instance, slack, mean=-0.002)
    assert "failed" in metadata["alert"]
