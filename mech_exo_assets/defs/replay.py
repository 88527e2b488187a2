"""A past decision, computed again from what it was made from.

What belongs here: for each kind of event, which recorded tables it was computed from, and computing it anew. What does not: the
computations, which are the very same functions (`quant.lifecycle`, `quant.drift`, `decisions`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.defs import decisions
from mech_exo_assets.defs.refresh import code_hash
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.quant.lifecycle.reigns import champion, deployed_on, promises, versions
from mech_exo_assets.schemas import (
    EXPLANATIONS,
    FRONTIER,
    LIVE_BACKTEST,
    NAV,
    OPTIMISED,
    OVERFITTING,
    PRICES,
    RESIDUAL_IC,
    ROTATION,
    SCORES,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import CHOICES, Lake
from mech_exo_assets.storage.ledger import Event, Ledger


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out when a decision was computed again.

    Attributes
    ----------
    equal : bool
    difference : str or None
        The first thing that is not as it was recorded: where it stands, what was recorded, what came out.
    compared : int
        Numbers, words and truth values that were compared.
    same_code : bool
        Whether the code that computes is the one that computed then.
    """

    equal: bool
    difference: str | None
    compared: int
    same_code: bool


def replay_event(ledger: Ledger, lake: Lake, event: Event) -> Replayed:
    """Compute an event again from the recorded versions of its tables, and compare.

    Raises
    ------
    InputError
        If an event of this kind is not computed from anything.
    MechExoError
        If a recorded version of a table is not there any more.
    """
    compute = _COMPUTED.get(event.kind)
    if compute is None:
        raise InputError(f"event {event.id} is a {event.kind}: it was not computed from data. Replayed can be: {', '.join(_COMPUTED)}.")
    earlier = ledger.events(until=event.id - 1)
    recorded, now = compute(event, earlier, lake)
    difference, compared = _first_difference(recorded, now)
    code = next((each.payload["content"]["code"] for each in [event, *reversed(earlier)] if "content" in each.payload), "")
    return Replayed(difference is None, difference, compared, same_code=code == code_hash())


def _strategy(lake: Lake, key: str, version: int) -> Strategy:
    """The choices that a table was computed with."""
    noted = lake.note(key, version).get(CHOICES)
    if noted is None:
        raise MechExoError(f"version {version} of {key} does not say which choices it was computed with, so that nothing can be replayed.")
    return Strategy.model_validate_json(noted)


def _drift(event: Event, earlier: list[Event], lake: Lake) -> tuple[object, object]:
    from mech_exo_assets.quant.drift.deployed import drift_of_account

    tables = event.payload["tables"]
    strategy = _strategy(lake, NAV.key, tables[NAV.key])
    nav, backtest = (lake.read(key, version=tables[key]) for key in (NAV.key, LIVE_BACKTEST.key))
    found = drift_of_account(nav, backtest, promises(earlier), strategy.drift, after=deployed_on(earlier))
    names = ("metric", "value", "threshold", "date", "summary")
    now = None if found.trigger is None else found.trigger.as_json()
    return {name: event.payload[name] for name in names}, now


def _decay(event: Event, earlier: list[Event], lake: Lake) -> tuple[object, object]:
    from mech_exo_assets.quant.detection import watch
    from mech_exo_assets.quant.panel import unique_dates

    del earlier
    tables = event.payload["tables"]
    residual_ic, prices = lake.read(RESIDUAL_IC.key, version=tables[RESIDUAL_IC.key]), lake.read(PRICES.key, version=tables[PRICES.key])
    strategy = _strategy(lake, PRICES.key, tables[PRICES.key])
    result = watch(
        residual_ic,
        unique_dates(prices["date"]),
        horizon=strategy.monitored_horizon,
        execution_lag=strategy.execution_lag,
        choices=strategy.decay,
    )
    row = result.status.filter(factor=event.payload["subject"]).row(0, named=True)
    now = {"value": row["status"], "decayed_since": row["since"].isoformat(), "reason": row["reason"]}
    return {"value": event.payload["value"], "decayed_since": event.payload["decayed_since"], "reason": event.payload["reason"]}, now


def _challenger(event: Event, earlier: list[Event], lake: Lake) -> tuple[object, object]:
    from mech_exo_assets.quant.lifecycle.challenger import challenger_table, challenger_version, rotated

    content = event.payload["content"]
    data = content["data"]
    strategy = _strategy(lake, SCORES.key, data[SCORES.key])
    optimised, frontier, rotation = (lake.read(key, version=data[key]) for key in (OPTIMISED.key, FRONTIER.key, ROTATION.key))
    sessions = lake.scan(PRICES.key, version=data[PRICES.key]).select(pl.col("date").unique().sort()).collect()["date"]
    version = challenger_version(
        strategy, optimised, frontier, rotation, sessions, models=content["models"], data=data, code=content["code"]
    )
    known = versions(earlier)
    less = rotated(challenger_table(version, known[event.payload["champion"]], rotation))
    return (
        {"content": content, "content_hash": event.payload["content_hash"], "rotated": event.payload["rotated"]},
        {"content": version.as_json(), "content_hash": version.content_hash, "rotated": less},
    )


def _validation(event: Event, earlier: list[Event], lake: Lake) -> tuple[object, object]:
    from mech_exo_assets.quant.lifecycle.holdout import validated

    trial = _trial(event, earlier, lake)
    tables = event.payload["tables"]
    overfitting = lake.read(OVERFITTING.key, version=tables[OVERFITTING.key])
    explained = EXPLANATIONS.key in tables
    explanations = lake.read(EXPLANATIONS.key, version=tables[EXPLANATIONS.key]) if explained else EXPLANATIONS.empty()
    gates = validated(trial, overfitting, explanations).drop("version").to_dicts()
    passed = not any(row["passed"] is False for row in gates)
    return (
        {"kind": event.kind, "gates": event.payload["gates"]},
        {"kind": "validation_passed" if passed else "validation_failed", "gates": gates},
    )


def _comparison(event: Event, earlier: list[Event], lake: Lake) -> tuple[object, object]:
    from mech_exo_assets.quant.lifecycle.holdout import compared

    started = next(each for each in reversed(earlier) if each.kind == "ab_test_started" and each.version == event.version)
    if event.payload.get("stage", "holdout") != "holdout":
        return _live_comparison(event, started, earlier, lake)
    trial = _trial(event, earlier, lake)
    table, returns = compared(trial, impaired=started.payload["impaired"])
    now = decisions.verdict(trial, table, returns)
    return {name: event.payload[name] for name in now if name in event.payload}, now


def _live_comparison(event: Event, started: Event, earlier: list[Event], lake: Lake) -> tuple[object, object]:
    tables = event.payload.get("data")
    if tables is None:
        raise InputError(f"event {event.id} was not computed from data: {event.payload['reason']}.")
    strategy = _strategy(lake, SCORES.key, tables[SCORES.key])
    now = decisions.state_of(decisions.live_comparison(earlier, lake, strategy, started, tables=tables), strategy)
    return {name: event.payload[name] for name in now}, now


def _decision(event: Event, earlier: list[Event], lake: Lake) -> tuple[object, object]:
    del lake
    of = [each for each in earlier if each.payload.get("request") == event.payload["request"]]
    tested = next(each for each in reversed(of) if each.kind in ("ab_test_concluded", "validation_failed"))
    now = champion(earlier)
    same = now is not None and tested.payload.get("champion") == now.version
    kind = "promoted" if tested.kind == "ab_test_concluded" and tested.payload["promote"] and same else "refused"
    recorded = {"kind": event.kind, "version": event.version, "reason": event.payload["reason"], "figures": event.payload["figures"]}
    return recorded, {"kind": kind, "version": tested.version, "reason": tested.payload["reason"], "figures": tested.payload["figures"]}


def _probation(event: Event, earlier: list[Event], lake: Lake) -> tuple[object, object]:
    if "promotion" not in event.payload:
        raise InputError(f"event {event.id} was decided by {event.actor}: it was not computed from data.")
    tables = event.payload["tables"]
    strategy = _strategy(lake, NAV.key, tables[NAV.key])
    nav, backtest = (lake.read(key, version=tables[key]) for key in (NAV.key, LIVE_BACKTEST.key))
    promotion = next(each for each in earlier if each.id == event.payload["promotion"])
    held_out = np.asarray(decisions.verdict_among(earlier, promotion).payload["returns"])
    table = decisions.probation_of(promotion, nav, backtest, held_out, strategy)
    row = table.sort("date").row(-1, named=True)
    kind = {"breach": "rolled_back", "passed": "probation_passed"}.get(row["status"], row["status"])
    names = event.payload["figures"]
    return {"kind": event.kind, "figures": names}, {"kind": kind, "figures": {name: row[name] for name in names}}


_COMPUTED: Mapping[str, Callable[[Event, list[Event], Lake], tuple[object, object]]] = {
    "drift_detected": _drift,
    "decay_detected": _decay,
    "challenger_built": _challenger,
    "validation_passed": _validation,
    "validation_failed": _validation,
    "ab_test_concluded": _comparison,
    "promoted": _decision,
    "refused": _decision,
    "probation_passed": _probation,
    "rolled_back": _probation,
}


REPLAYED = tuple(_COMPUTED)
"""Kinds of events that can be replayed."""


def _trial(event: Event, earlier: list[Event], lake: Lake) -> Any:
    data = event.payload["data"]
    return decisions.trial_among(earlier, lake, _strategy(lake, SCORES.key, data[SCORES.key]), str(event.version), data=data)


def _first_difference(recorded: object, now: object, where: str = "") -> tuple[str | None, int]:
    """The first place at which two values of JSON's types differ, and how many were compared."""
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        if set(recorded) != set(now):
            return f"{where or 'the event'}: recorded has {sorted(recorded)}, computed has {sorted(now)}", 1
        return _walk((f"{where}.{name}".lstrip("."), recorded[name], now[name]) for name in recorded)
    if isinstance(recorded, list) and isinstance(now, list | tuple):
        if len(recorded) != len(now):
            return f"{where}: {len(recorded)} were recorded, and {len(now)} computed", 1
        return _walk(((f"{where}[{at}]", one, other) for at, (one, other) in enumerate(zip(recorded, now, strict=True))))
    if isinstance(now, dt.date):
        now = now.isoformat()
    same = recorded == now and isinstance(recorded, bool) == isinstance(now, bool)
    return (None if same else f"{where}: recorded {recorded!r}, computed {now!r}"), 1


def _walk(pairs: Any) -> tuple[str | None, int]:
    count = 0
    for where, one, other in pairs:
        difference, compared = _first_difference(one, other, where)
        count += compared
        if difference is not None:
            return difference, count
    return None, count
