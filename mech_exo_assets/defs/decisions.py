"""Acts on the ledger: registering, deciding, promoting, rolling back.

What belongs here: what an act reads, and the one event that it is. Assets, sensors and the command line act through it, so that each act is
the same whoever does it. What does not: the statistics (`quant.lifecycle`), and the record itself (`storage.ledger`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG, year_range_tags
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.quant.calendar import sessions as exchange_sessions
from mech_exo_assets.quant.lifecycle.episodes import impaired, open_request
from mech_exo_assets.quant.lifecycle.reigns import Reign, champion, previous_champion, reigns, versions
from mech_exo_assets.quant.lifecycle.version import StrategyVersion, configured_version
from mech_exo_assets.quant.panel import Dates, Vector, unique_dates
from mech_exo_assets.schemas import (
    BENEFIT,
    BLEND,
    EVENTS,
    IC,
    LEARNED_SCORES,
    LIVE_TARGETS,
    PRICES,
    SCORES,
    TRAININGS,
    factor_columns,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.histories import history, last_session, versions_of
from mech_exo_assets.storage.lake import SOURCE, Lake
from mech_exo_assets.storage.ledger import ConflictError, Entry, Event, Ledger
from mech_exo_assets.storage.models import ModelRegistry

if TYPE_CHECKING:
    from mech_exo_assets.defs.resources import MarketSource
    from mech_exo_assets.quant.lifecycle.holdout import Trial
    from mech_exo_assets.sources.protocol import MarketData

REQUEST_TAG = "mech_exo/request"
"""Run tag: the event of the ledger that asked for the retraining."""
LAST_YEARS = 2
"""Calendar years whose predictions a retraining brings up to date."""
_NO_CHAMPION = "the ledger knows no champion yet. Run `mech-exo run` first."
TRIES = 20
"""How often an act is tried again when others write between its look at the ledger and its own event."""
EXPECTED_SESSIONS = 504
"""Sessions before its first that a configured strategy's expectation is measured on."""


def register_first(
    ledger: Ledger, lake: Lake, strategy: Strategy, market: MarketSource, *, actor: str, code: str, run_id: str | None
) -> Event | None:
    """Register the strategy of the strategy file as the first champion; None where this source has a champion already.

    Its first session is that of the source's first fill or deposit where fills come from there, and otherwise `live.backdate` sessions
    before the last one.
    """
    accounts = [event for event in ledger.events(kinds=["strategy_registered"]) if "since" in event.payload]
    source = source_of(lake)
    if accounts and accounts[-1].payload["source"] == source:
        return None
    data = market.read()
    known = lake.scan(SCORES.key).select(pl.col("date").unique()).collect()["date"].sort()
    if known.is_empty():
        return None
    since = _first_live(strategy, data, known)
    version = configured(lake, strategy, code=code, until=since)
    as_of = last_session(lake)
    expected = _expected(version, lake, strategy, known, since)
    return ledger.append(
        Entry(
            kind="strategy_registered",
            actor=actor,
            version=version.id,
            key=f"first champion/{len(accounts)}",
            payload={
                "summary": f"{version.id} is the first champion, for the sessions from {since} on: the strategy of the strategy file.",
                "reason": f"the first strategy on {source}",
                "source": source,
                "since": since.isoformat(),
                "as_of": as_of.isoformat(),
                "content": version.as_json(),
                "content_hash": version.content_hash,
                "expected": expected,
                "run_id": run_id,
            },
        )
    )


def register(ledger: Ledger, lake: Lake, strategy: Strategy, *, actor: str, code: str) -> str:
    """Put the strategy of the strategy file on record as a version, without making it champion; what it is called."""
    version = configured(lake, strategy, code=code)
    if version.id not in versions(ledger.events()):
        payload = {
            "summary": f"{version.id} was registered: the strategy of the strategy file.",
            "as_of": last_session(lake).isoformat(),
            "content": version.as_json(),
            "content_hash": version.content_hash,
        }
        ledger.append(Entry("strategy_registered", actor, payload, version=version.id, key=f"registered/{version.id}"))
    return version.id


def configured(lake: Lake, strategy: Strategy, *, code: str, until: dt.date | None = None) -> StrategyVersion:
    """The strategy of the strategy file as a version, with what the lake has now; the blend as it was decided by a session."""
    factors = factor_columns(lake.scan(SCORES.key).collect_schema().names())
    learned = lake.exists(LEARNED_SCORES.key) and "ml_alpha" in lake.scan(LEARNED_SCORES.key).collect_schema().names()
    return configured_version(
        strategy, factors, learned=learned, blend=blend_of(lake, until), models=models_now(lake), data=versions_of(lake), code=code
    )


def blend_of(lake: Lake, until: dt.date | None = None) -> float:
    """Weight of `ml_alpha` beside the composite as it was last decided, or was by a session; 0 before."""
    if not lake.exists(BLEND.key):
        return 0.0
    decided = lake.read(BLEND.key).sort("date")
    decided = decided if until is None else decided.filter(pl.col("date") <= until)
    return float(decided["weight"][-1]) if decided.height else 0.0


def models_now(lake: Lake) -> dict[str, str]:
    """The run in MLflow of the newest model of each kind."""
    found = {}
    for kind, schema in TRAININGS.items():
        runs = lake.read(schema.key).sort("fold")["mlflow_run"].drop_nulls() if lake.exists(schema.key) else []
        if len(runs):
            found[kind] = str(runs[-1])
    return found


def next_session(lake: Lake, strategy: Strategy) -> dt.date:
    """The first session whose targets are not decided yet."""
    last = last_session(lake)
    if lake.exists(LIVE_TARGETS.key):
        decided = lake.scan(LIVE_TARGETS.key).select(pl.col("date").max()).collect().item()
        last = last if decided is None else max(last, decided)
    # The longest closure since 1950 was shorter.
    coming = exchange_sessions(last + dt.timedelta(days=1), last + dt.timedelta(days=21), calendar=strategy.calendar)
    return coming[0].item()


def request_retraining(
    ledger: Ledger, *, actor: str, reason: str, as_of: dt.date, detections: Sequence[Event] = (), key: str | None = None
) -> Event:
    """Ask for a challenger; where a request is open already, that one.

    Raises
    ------
    MechExoError
        If others write to the ledger without end.
    """
    for _ in range(TRIES):
        events = ledger.events()
        waiting = open_request(events)
        if waiting is not None:
            return waiting
        now = champion(events)
        first = detections[0].payload if detections else {}
        payload = {
            "summary": f"A challenger was asked for: {reason}",
            "reason": reason,
            "as_of": as_of.isoformat(),
            "champion": None if now is None else now.version,
            "detections": [each.id for each in detections],
            **{name: first.get(name) for name in ("metric", "value", "threshold") if name in first},
        }
        try:
            return ledger.append(
                Entry("retrain_requested", actor, payload, version=None if now is None else now.version, key=key), expect=_last(events)
            )
        except ConflictError:
            continue
    raise MechExoError(f"the ledger was written to {TRIES} times while a retraining was requested. Try again; nothing was changed.")


@dataclass(frozen=True)
class Act:
    """What makes a version champion.

    Attributes
    ----------
    kind : str
        promoted, rolled_back or manual_override.
    actor, reason : str
    more : mapping
        What else belongs to the event.
    key : str or None
        Of the event, so that it happens once.
    """

    kind: str
    actor: str
    reason: str
    more: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None


def crown(ledger: Ledger, lake: Lake, strategy: Strategy, version: str, act: Act) -> Event:
    """Make a version champion of the sessions to come, by one event.

    Raises
    ------
    InputError
        If the ledger does not know the version, or it is champion already.
    MechExoError
        If others write to the ledger without end.
    """
    for _ in range(TRIES):
        events = ledger.events()
        done = None if act.key is None else ledger.find(act.key)
        if done is not None:
            return done
        known = versions(events)
        now = champion(events)
        if version not in known:
            raise InputError(f"the ledger knows no version '{version}'; it knows: {', '.join(known) or 'none'}. Nothing was changed.")
        if now is not None and now.version == version:
            raise InputError(f"{version} is the champion already, since {now.since}. Nothing was changed.")
        since = next_session(lake, strategy)
        payload = {
            "summary": _crowned(act.kind, version, now, since, act.reason),
            "reason": act.reason,
            "since": since.isoformat(),
            "as_of": last_session(lake).isoformat(),
            "version_before": None if now is None else now.version,
            "version_after": version,
            **act.more,
        }
        try:
            return ledger.append(Entry(act.kind, act.actor, payload, version=version, key=act.key), expect=_last(events))
        except ConflictError:
            continue
    raise MechExoError(f"the ledger was written to {TRIES} times while {version} was to become champion. Try again; nothing was changed.")


def roll_back(ledger: Ledger, lake: Lake, strategy: Strategy, act: Act, *, to: str | None = None) -> Event:
    """Make the champion before this one, or any version, champion again.

    Raises
    ------
    InputError
        If there is none to go back to.
    """
    back = to or previous_champion(ledger.events())
    if back is None:
        raise InputError("there is no strategy to go back to: the ledger knows one champion only. Nothing was changed.")
    return crown(ledger, lake, strategy, back, act)


def decide(ledger: Ledger, lake: Lake, strategy: Strategy, request: Event, *, actor: str, run_id: str | None) -> Event | None:
    """Promote or refuse the challenger of a request, from what was recorded of it; None where something is still to come.

    One of the two is recorded for a request, whoever tries.
    """
    events = ledger.events()
    key = f"decided/{request.id}"
    done = ledger.find(key)
    if done is not None:
        return done
    of = [event for event in events if event.payload.get("request") == request.id]
    tested = next((event for event in reversed(of) if event.kind in ("ab_test_concluded", "validation_failed")), None)
    if tested is None:
        return None
    version = str(tested.version)
    figures, as_of = tested.payload["figures"], last_session(lake)
    more = {"request": request.id, "figures": figures, "run_id": run_id}
    if tested.kind == "ab_test_concluded" and tested.payload["promote"]:
        now = champion(events)
        if now is not None and now.version != tested.payload["champion"]:
            reason = f"the champion it was compared with, {tested.payload['champion']}, was replaced by {now.version} meanwhile"
            return _refuse(ledger, version, reason, key=key, actor=actor, more={**more, "as_of": as_of.isoformat()})
        expected = tested.payload["expected"]
        act = Act("promoted", actor, tested.payload["reason"], {**more, "expected": expected}, key)
        crowned = crown(ledger, lake, strategy, version, act)
        _record_rotation(ledger, crowned, of, actor=actor)
        return crowned
    return _refuse(ledger, version, tested.payload["reason"], key=key, actor=actor, more={**more, "as_of": as_of.isoformat()})


def source_of(lake: Lake) -> str:
    """The source that the prices in the lake are of."""
    return lake.note(PRICES.key, lake.version(PRICES.key)).get(SOURCE, "")


def sessions_of(lake: Lake) -> Dates:
    """All sessions that the prices know, ascending."""
    return unique_dates(lake.scan(PRICES.key).select("date").unique().collect()["date"])


def retrain_tags(request: Event, lake: Lake, *, attempt: int) -> dict[str, str]:
    """What a person sees on the run of a retraining: why, by which figure, and where it stands in the ledger."""
    last = last_session(lake).year
    told = {name: request.payload[name] for name in ("metric", "value", "threshold") if request.payload.get(name) is not None}
    return {
        **year_range_tags(last - LAST_YEARS + 1, last),
        REASON_TAG: str(request.payload["reason"])[:500],
        ACTOR_TAG: request.actor,
        REQUEST_TAG: str(request.id),
        "mech_exo/detections": json.dumps(request.payload["detections"]),
        "mech_exo/attempt": str(attempt),
        **{f"mech_exo/{name}": f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in told.items()},
    }


def champion_version(ledger: Ledger) -> StrategyVersion:
    """The champion of the sessions to come.

    Raises
    ------
    MechExoError
        If there is none yet.
    """
    events = ledger.events()
    now = champion(events)
    if now is None:
        raise MechExoError(_NO_CHAMPION)
    return versions(events)[now.version]


def request_by_run(ledger: Ledger, lake: Lake, run_id: str) -> Event:
    """The open request; where there is none, one of this run's own: somebody has launched it by hand."""
    return request_retraining(
        ledger,
        actor="dagster",
        reason=f"run {run_id} was launched without a request",
        as_of=last_session(lake),
        key=f"request/run/{run_id}",
    )


def trial_of(ledger: Ledger, lake: Lake, strategy: Strategy, version: str) -> Trial:
    """A challenger and the champion, on the sessions that neither was fitted on, as the tables stand."""
    return trial_among(ledger.events(), lake, strategy, version, data=versions_of(lake))


def trial_among(events: Sequence[Event], lake: Lake, strategy: Strategy, version: str, *, data: Mapping[str, int]) -> Trial:
    """A challenger and the champion that these events know, on tables in recorded versions.

    Raises
    ------
    MechExoError
        If there is no champion.
    """
    from mech_exo_assets.quant.lifecycle.holdout import Trial, unseen_from

    known, now = versions(events), champion(events)
    if now is None:
        raise MechExoError(_NO_CHAMPION)
    challenger, holder = known[version], known[now.version]
    return Trial(challenger, holder, history(lake, strategy, first=unseen_from(challenger, holder), versions=data), dict(data))


def start_comparison(ledger: Ledger, request: Event, trial: Trial, *, actor: str, run_id: str | None) -> Event:
    """Say that a challenger is compared with the champion, and whether something stands against the champion."""
    events = ledger.events()
    name = trial.challenger.id
    payload = {
        "summary": f"{name} is compared with {trial.champion.id} on the hold-out.",
        "request": request.id,
        "champion": trial.champion.id,
        "impaired": impaired(events),
        "data": dict(trial.data),
        "run_id": run_id,
    }
    return ledger.append(Entry("ab_test_started", actor, payload, version=name, key=f"ab_test/{request.id}/{name}"))


def conclude_comparison(
    ledger: Ledger, lake: Lake, request: Event, trial: Trial, table: pl.DataFrame, returns: pl.DataFrame, *, actor: str, run_id: str | None
) -> Event:
    """Record the verdict of a comparison, and what the challenger lets expect if it is promoted."""
    found = verdict(trial, table, returns)
    payload = {
        "summary": f"{trial.challenger.id} against {trial.champion.id}: {found['verdict']}. {found['reason']}",
        "request": request.id,
        "as_of": str(last_session(lake)),
        "data": dict(trial.data),
        "run_id": run_id,
        **found,
    }
    key = f"ab_verdict/{request.id}/{trial.challenger.id}"
    return ledger.append(Entry("ab_test_concluded", actor, payload, version=trial.challenger.id, key=key))


def verdict(trial: Trial, table: pl.DataFrame, returns: pl.DataFrame) -> dict[str, Any]:
    """What a comparison says, as it is recorded: the verdict, its figures, what it lets expect, and the returns it was computed from.

    Parameters
    ----------
    table, returns : DataFrame
        `schemas.AB_TEST`, `schemas.AB_RETURNS`.
    """
    from mech_exo_assets.quant.lifecycle.ab_test import promotes

    row = table.row(-1, named=True)
    own = returns.filter(role="challenger").sort("date")
    return {
        "reason": row["reason"],
        "champion": trial.champion.id,
        "verdict": row["verdict"],
        "promote": promotes(row["verdict"], trial.strategy.lifecycle.ab_test.mode),
        "figures": {name: row[name] for name in ("sharpe", "champion_sharpe", "difference", "low", "p_value", "wanted", "n_sessions")},
        "expected": expected_of(own["net_return"].to_numpy(), first=own["date"][0], last=own["date"][-1]) if own.height else None,
        "returns": own["net_return"].to_list(),
    }


def verdict_among(events: Sequence[Event], promotion: Event) -> Event:
    """The comparison that a promotion was decided on; its payload has the challenger's returns on the hold-out."""
    of = [each for each in events if each.kind == "ab_test_concluded" and each.payload["request"] == promotion.payload["request"]]
    return next(each for each in reversed(of) if each.version == promotion.version)


def probation_of(promotion: Event, nav: pl.DataFrame, backtest: pl.DataFrame, held_out: Vector, strategy: Strategy) -> pl.DataFrame:
    """Each session since a promotion, in `schemas.PROBATION`.

    Parameters
    ----------
    promotion : Event
    nav, backtest : DataFrame
        date and live_return of `schemas.NAV`; date and version of `schemas.LIVE_BACKTEST`.
    held_out : ndarray of shape (n,)
        Net returns of the promoted strategy on its hold-out.
    strategy : Strategy
    """
    from mech_exo_assets.quant.calendar import closes
    from mech_exo_assets.quant.lifecycle.probation import probation_table

    begin = dt.date.fromisoformat(promotion.payload["since"])
    own = backtest.filter((pl.col("version") == promotion.version) & (pl.col("date") >= begin))
    since = nav.select("date", "live_return").join(own, on="date", how="semi").sort("date")
    before = [day for day in nav["date"].to_list() if since.is_empty() or day < since["date"][0]]
    return probation_table(
        since,
        held_out,
        choices=strategy.lifecycle.probation,
        closes=closes([max(before, default=None), *since["date"].to_list()], calendar=strategy.calendar),
        version=str(promotion.version),
        event=promotion.id,
        seed=strategy.seed,
    )


def follow_in_mlflow(models: ModelRegistry, ledger: Ledger) -> list[str]:
    """Put the alias champion on the models of the champion; which kinds have another one nevertheless."""
    wanted = champion_version(ledger).models
    for kind, run in wanted.items():
        if models.aliases(kind).get("champion") != run:
            models.promote(kind, run)
    return [kind for kind, run in wanted.items() if models.aliases(kind).get("champion") != run]


def paths(ledger: Ledger, lake: Lake, strategy: Strategy, backtest: pl.DataFrame) -> pl.DataFrame:
    """Returns of the path taken, of the first champion, and of refits by the calendar, on the sessions of the live account.

    Parameters
    ----------
    backtest : DataFrame
        date and net_return of `schemas.LIVE_BACKTEST`.
    """
    from mech_exo_assets.quant.lifecycle import benefit

    events = ledger.events()
    found = reigns(events)
    if backtest.is_empty() or not found:
        return BENEFIT.empty()
    first, since = versions(events)[found[0].version], found[0].since
    past = history(lake, strategy, first=dt.date(since.year - 1, 1, 1))
    ic = lake.read(IC.key, columns=["date", "factor", "horizon", "ic"])
    others = {
        "never": benefit.never_retrained(first, since),
        "calendar": benefit.retrained_by_calendar(first, since, ic, sessions_of(lake), strategy),
    }
    joined = backtest.select("date", taken="net_return")
    for name, (spans, known) in others.items():
        joined = joined.join(benefit.path_returns(spans, known, past).rename({"net_return": name}), on="date", how="inner")
    joined = joined.sort("date")
    names = [benefit.TAKEN, *others]
    return benefit.benefit_table(joined["date"].to_numpy().astype("datetime64[D]"), {name: joined[name].to_numpy() for name in names})


def event_table(events: Sequence[Event]) -> pl.DataFrame:
    """The ledger as a table in `schemas.EVENTS`."""
    rows = [
        (each.id, each.time, each.kind, each.version, each.actor, each.payload["summary"], json.dumps(each.payload), each.hash)
        for each in events
    ]
    return pl.DataFrame(rows, schema=EVENTS.dtypes(), orient="row")


def _refuse(ledger: Ledger, version: str, reason: str, *, key: str, actor: str, more: Mapping[str, Any]) -> Event:
    payload = {"summary": f"{version} was refused: {reason}", "reason": reason, **more}
    return ledger.append(Entry("refused", actor, payload, version=version, key=key))


def _record_rotation(ledger: Ledger, crowned: Event, of: Sequence[Event], *, actor: str) -> None:
    """Say which factors the promoted version has less of since they decayed."""
    built = next(event for event in reversed(of) if event.kind == "challenger_built" and event.version == crowned.version)
    rotated = built.payload["rotated"]
    if rotated:
        told = ", ".join(f"{name} {each['before']:.3f} → {each['after']:.3f}" for name, each in sorted(rotated.items()))
        payload = {"summary": f"Rotated: {told}.", "reason": "they have decayed", "factors": rotated, "promotion": crowned.id}
        ledger.append(Entry("rotated", actor, payload, version=crowned.version, key=f"rotated/{crowned.id}"))


def _first_live(strategy: Strategy, data: MarketData, known: pl.Series) -> dt.date:
    if broker_of(strategy, data) == "source":
        first = min([*data.fills["timestamp"].dt.date().to_list(), *data.cash["date"].to_list()])
        at = int(np.searchsorted(known.to_numpy(), np.datetime64(first)))
        # Traded execution_lag sessions later, which is then the first session of the account.
        return known[max(min(at, len(known) - 1) - strategy.execution_lag, 0)]
    return known[max(len(known) - 1 - strategy.live.backdate, 0)]


def broker_of(strategy: Strategy, data: MarketData) -> str:
    """Where fills come from: `source`, or `paper`."""
    if strategy.live.broker != "auto":
        return strategy.live.broker
    return "source" if data.fills.height else "paper"


def _expected(version: StrategyVersion, lake: Lake, strategy: Strategy, known: pl.Series, since: dt.date) -> dict[str, Any] | None:
    """What the version earned a session on the sessions before its first; None where there are too few to say."""
    from mech_exo_assets.quant.lifecycle.deployed import version_book

    before = known.filter(known < since).tail(EXPECTED_SESSIONS)
    if len(before) < strategy.drift.min_sessions:
        return None
    past = history(lake, strategy, first=before[0])
    book = version_book(version, past)
    inside = book.sessions <= np.datetime64(before[-1])
    return expected_of(book.net_return[inside][1:], first=before[0], last=before[-1])


def expected_of(returns: np.ndarray, *, first: dt.date, last: dt.date) -> dict[str, Any] | None:
    """Mean and deviation of a session's net return, and where they were measured; None of fewer than twenty."""
    if len(returns) < 20 or not float(returns.std()) > 0:
        return None
    return {
        "mean": float(returns.mean()),
        "deviation": float(returns.std(ddof=1)),
        "sessions": len(returns),
        "first_date": first.isoformat(),
        "last_date": last.isoformat(),
    }


def _crowned(kind: str, version: str, now: Reign | None, since: dt.date, reason: str) -> str:
    verb = {"promoted": "was promoted", "rolled_back": "is champion again", "manual_override": "was made champion by hand"}[kind]
    instead = "" if now is None else f" in place of {now.version}"
    return f"{version} {verb}{instead}, for the sessions from {since} on: {reason}"


def _last(events: Sequence[Event]) -> int:
    return events[-1].id if events else 0
