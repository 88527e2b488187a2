"""What watches the deployed strategy (Dagster *sensors*): drift and decay are put on record, retrainings asked for and seen through.

What belongs here: sensors of the lifecycle, which read what materialisations said and what stands in the ledger. What does not: the
judgement (`live`, `decay`), and the acts themselves (`decisions`).

All state is in the ledger. A cursor only says up to where materialisations were read; one that is lost makes a sensor read the newest
again, whose events have keys and are not written twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mech_exo_assets.defs import decisions
from mech_exo_assets.defs.decay import STATUSES
from mech_exo_assets.defs.decisions import retrain_tags
from mech_exo_assets.defs.drift import DRIFT_STATE
from mech_exo_assets.defs.jobs import DEPLOY, RETRAIN
from mech_exo_assets.defs.lifecycle_watch import COMPARISON_STATE, PROBATION_STATE
from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG, SEARCH_JOB
from mech_exo_assets.defs.tables import key_of
from mech_exo_assets.quant.lifecycle import episodes
from mech_exo_assets.quant.lifecycle.reigns import champion, deployed_on, versions
from mech_exo_assets.schemas import DRIFT, LIVE_COMPARISON, PROBATION, STATUS
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event, Ledger

INTERVAL = 15
"""Seconds between two looks."""
IN_USE = 0.01
"""Share of all weights from which on a factor counts as used; what the rotation leaves of a dead one is less."""
ATTEMPTS, DEATHS = 3, 10
"""Runs of one request that may fail by an error of their own, and that may die with their process, before it is closed as failed."""
_GOES_ON = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dg.sensor(
    name="drift",
    minimum_interval_seconds=INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Puts on record, once an episode, that live trading has drifted from its backtest beyond chance, and that this is over.",
)
def drift_sensor(context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger]) -> dg.SensorResult:
    """One event `drift_detected` when `live/drift` triggers and none stands yet; `recovered` when that is over."""
    records, cursor = _newest(context, key_of(DRIFT), DRIFT_STATE)
    told = []
    for storage_id, state, run_id in records:
        events = ledger.events()
        reign, deployed = champion(events), deployed_on(events)
        if reign is None or deployed is None or state["champion"] != reign.version or not str(state["as_of"]) > str(deployed):
            # Computed before the strategy of now was deployed.
            continue
        there = episodes.standing(events, "drift_detected")
        trigger = state["trigger"]
        told_of = [each.payload["date"] for each in events if each.kind == "drift_detected" and each.id > reign.event]
        news = trigger is not None and trigger["date"] > max(told_of, default="")
        if news and there is None:
            payload = {
                **trigger,
                "as_of": state["as_of"],
                "champion": state["champion"],
                "tables": state["tables"],
                "storage_id": storage_id,
                "run_id": run_id,
            }
            told.append(
                ledger.append(Entry("drift_detected", "sensor:drift", payload, version=state["champion"], key=f"drift/{storage_id}")).kind
            )
        elif there is not None and not news and not _still(there, state):
            summary = f"Live trading keeps to its backtest again on {state['as_of']}."
            payload = {"summary": summary, "of": "drift_detected", "as_of": state["as_of"], "detection": there.id}
            entry = Entry("recovered", "sensor:drift", payload, version=state["champion"], key=f"recovered/{there.id}")
            told.append(ledger.append(entry).kind)
    return dg.SensorResult(cursor=cursor, skip_reason=_said(len(records), "live/drift", told))


@dg.sensor(
    name="decay",
    minimum_interval_seconds=INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Puts on record, once an episode, that a factor which the champion uses has decayed, and that it works again.",
)
def decay_sensor(context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger]) -> dg.SensorResult:
    """Events `decay_detected` and `recovered` by what each materialisation of `decay/status` said of the factors in use."""
    records, cursor = _materialised(context, key_of(STATUS))
    told = []
    for record, materialisation in records:
        statuses: Any = materialisation.metadata[STATUSES].value
        as_of: Any = materialisation.metadata.get("as_of")
        read = {
            "as_of": None if as_of is None else str(as_of.value),
            "tables": _tables_read(materialisation),
            "storage_id": record.storage_id,
            "run_id": record.run_id,
        }
        told += record_decay(ledger, statuses, read=read)
    return dg.SensorResult(cursor=cursor, skip_reason=_said(len(records), STATUS.key, told))


@dg.sensor(
    name="retrain",
    job=RETRAIN,
    minimum_interval_seconds=INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for a challenger when a detection stands and nothing is in the way, launches the run, and launches it again if its "
    "process dies. One retraining at a time.",
)
def retrain_sensor(
    context: dg.SensorEvaluationContext,
    ledger: dg.ResourceParam[Ledger],
    lake: dg.ResourceParam[Lake],
    strategy: dg.ResourceParam[Strategy],
) -> dg.SensorResult | dg.SkipReason:
    """What stands in the ledger, made into at most one run: the open request, or a new one for detections that none has answered."""
    events = ledger.events()
    request: Any = episodes.open_request(events)
    if request is None:
        waiting = episodes.unanswered(events, strategy.lifecycle.triggers)
        if not waiting:
            return dg.SkipReason("No drift and no decay of the champion waits for an answer.")
        sessions = decisions.sessions_of(lake)
        until = episodes.cooling_until(events, sessions, strategy.lifecycle.cool_down)
        if until is not None:
            return dg.SkipReason(f"{len(waiting)} detections wait until the cool-down after the last decision is over ({until}).")
        reason = " ".join(str(each.payload["summary"]) for each in waiting)
        request = decisions.request_retraining(
            ledger,
            actor="sensor:retrain",
            reason=reason,
            as_of=sessions[-1].item(),
            detections=waiting,
            key=f"request/{waiting[-1].id}",
        )
    if episodes.last_of_comparison(events) is not None:
        return dg.SkipReason(f"Request {request.id} is decided by a comparison on sessions to come: see {LIVE_COMPARISON.key}.")
    runs = context.instance.get_runs(dg.RunsFilter(tags={decisions.REQUEST_TAG: str(request.id)}))
    in_the_way = _in_the_way(context.instance, runs)
    if in_the_way is not None:
        return dg.SkipReason(f"The retraining of request {request.id} {in_the_way}.")
    failed = [run for run in runs if run.is_failure_or_canceled]
    of_their_own = sum((context.instance.get_run_stats(run.run_id).steps_failed or 0) > 0 for run in failed)
    if of_their_own >= ATTEMPTS or len(failed) - of_their_own >= DEATHS:
        payload = {
            "summary": f"No challenger could be built: {len(failed)} runs failed, the last one {failed[0].run_id}. See its log.",
            "reason": f"{len(failed)} runs failed",
            "request": request.id,
            "as_of": request.payload["as_of"],
            "runs": [run.run_id for run in failed],
            "run_id": failed[0].run_id,
        }
        ledger.append(Entry("retrain_failed", "sensor:retrain", payload, version=request.version, key=f"decided/{request.id}"))
        return dg.SkipReason(payload["summary"])
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=f"request-{request.id}-{len(runs) + 1}", tags=retrain_tags(request, lake, attempt=len(runs) + 1))
        ]
    )


def _in_the_way(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun]) -> str | None:
    """Why the retraining that had these runs is not launched now; None where nothing is in the way."""
    if any(not run.is_finished for run in runs):
        return "is under way"
    if instance.get_runs(dg.RunsFilter(job_name=SEARCH_JOB, statuses=_GOES_ON), limit=1):
        # It would wait for the search in the queue, and automation for the tables that it is to write: the day's targets would wait, too.
        return "waits until the weight search that goes on has ended"
    return None


@dg.sensor(
    name="live_comparison",
    job=DEPLOY,
    minimum_interval_seconds=INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Promotes or refuses a challenger when its comparison with the champion, in shadow or as a canary, has come to a verdict.",
)
def comparison_sensor(
    context: dg.SensorEvaluationContext,
    ledger: dg.ResourceParam[Ledger],
    lake: dg.ResourceParam[Lake],
    strategy: dg.ResourceParam[Strategy],
) -> dg.SensorResult:
    """The verdict that the newest materialisation of `lifecycle/live_comparison` said, and the decision that follows from it."""
    records, cursor = _newest(context, key_of(LIVE_COMPARISON), COMPARISON_STATE)
    events = ledger.events()
    started: Any = episodes.last_of_comparison(events)
    if started is None:
        return dg.SensorResult(cursor=cursor, skip_reason="No challenger is compared in shadow or as a canary.")
    if started.kind == "ab_test_concluded":
        # The process died between the verdict and the decision.
        return _decided(ledger, lake, strategy, started, cursor)
    state: dict[str, Any] | None = decisions.replaced_meanwhile(events, started)
    for storage_id, said, run_id in records[-1:]:
        if state is None and said["started"] == started.id and said.get("verdict", episodes.RUNNING) != episodes.RUNNING:
            names = ("as_of", "verdict", "promote", "reason", "figures", "data")
            state = {name: said[name] for name in names} | {"storage_id": storage_id, "run_id": run_id}
    if state is None:
        return dg.SensorResult(cursor=cursor, skip_reason=f"The comparison of {started.version} goes on.")
    concluded = decisions.conclude_live(ledger, lake, strategy, started, state, actor="sensor:live_comparison")
    return _decided(ledger, lake, strategy, concluded, cursor)


def _decided(ledger: Ledger, lake: Lake, strategy: Strategy, concluded: Event, cursor: str | None) -> dg.SensorResult:
    """The decision that follows from a verdict, and the run that publishes it."""
    request = ledger.get(concluded.payload["request"])
    run_id = concluded.payload.get("run_id")
    decided: Any = decisions.decide(ledger, lake, strategy, request, actor="sensor:live_comparison", run_id=run_id)
    tags = {
        REASON_TAG: decided.payload["reason"],
        ACTOR_TAG: "sensor:live_comparison",
        decisions.REQUEST_TAG: str(request.id),
        "mech_exo/event": str(decided.id),
    }
    return dg.SensorResult(cursor=cursor, run_requests=[dg.RunRequest(run_key=f"compared-{decided.id}", tags=tags)])


@dg.sensor(
    name="deploy",
    job=DEPLOY,
    minimum_interval_seconds=INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Publishes who is champion after a person has promoted or rolled back in the dashboard, which only writes to the ledger.",
)
def deploy_sensor(context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger]) -> dg.SensorResult | dg.SkipReason:
    """One run for each change of champion that asks for one."""
    asked = [event for event in ledger.events(after=int(context.cursor or 0)) if event.payload.get("deploy")]
    if not asked:
        return dg.SkipReason("Nobody has changed the champion in the dashboard since the last look.")
    event = asked[-1]
    tags = {REASON_TAG: str(event.payload["reason"]), ACTOR_TAG: event.actor, "mech_exo/event": str(event.id)}
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"deployed-{event.id}", tags=tags)], cursor=str(event.id))


@dg.sensor(
    name="probation",
    job=DEPLOY,
    minimum_interval_seconds=INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes a promoted strategy back when it fails in its probation, and puts on record when it has passed.",
)
def probation_sensor(
    context: dg.SensorEvaluationContext,
    ledger: dg.ResourceParam[Ledger],
    lake: dg.ResourceParam[Lake],
    strategy: dg.ResourceParam[Strategy],
) -> dg.SensorResult:
    """One event `rolled_back` or `probation_passed` for a promotion, by what the newest materialisation of `lifecycle/probation` said."""
    records, cursor = _newest(context, key_of(PROBATION), PROBATION_STATE)
    told, requests = [], []
    for storage_id, state, run_id in records[-1:]:
        promotion = episodes.promotion_under_probation(ledger.events())
        if promotion is None or state.get("promotion") != promotion.id or state.get("status") not in ("breach", "passed"):
            continue
        figures = {name: state[name] for name in ("sessions", "live_return", "limit", "p_value")}
        read = {"tables": state["tables"], "storage_id": storage_id, "run_id": run_id}
        more = {"promotion": promotion.id, "figures": figures, **read}
        if state["status"] == "passed":
            payload = {
                "summary": f"{promotion.version} has passed its probation on {state['as_of']}: {state['live_return']:+.2%} in "
                f"{state['sessions']} sessions, limit {state['limit']:+.2%}.",
                "as_of": state["as_of"],
                **more,
            }
            entry = Entry("probation_passed", "sensor:probation", payload, version=promotion.version, key=f"probation/{promotion.id}")
            told.append(ledger.append(entry).kind)
            continue
        reason = f"{state['live_return']:+.2%} in {state['sessions']} sessions since its promotion; the limit is {state['limit']:+.2%}"
        act = decisions.Act("rolled_back", "sensor:probation", reason, more, f"probation/{promotion.id}")
        event = decisions.roll_back(ledger, lake, strategy, act, to=promotion.payload["version_before"])
        told.append(event.kind)
        requests.append(
            dg.RunRequest(
                run_key=f"rolled-back-{event.id}",
                tags={REASON_TAG: event.payload["reason"], ACTOR_TAG: "sensor:probation", "mech_exo/event": str(event.id)},
            )
        )
    said = None if requests else _said(len(records), "lifecycle/probation", told)
    return dg.SensorResult(cursor=cursor, run_requests=requests, skip_reason=said)


def record_decay(ledger: Ledger, statuses: Mapping[str, Sequence[str]], *, read: Mapping[str, Any]) -> list[str]:
    """Put on record which factors that the champion uses have decayed, and which work again; the kinds of the events written.

    Parameters
    ----------
    statuses : mapping of str to sequence of str
        Status, since when, and why, by factor.
    read : mapping
        as_of, tables, storage_id and run_id of the materialisation.
    """
    events = ledger.events()
    reign = champion(events)
    if reign is None:
        return []
    name, used = reign.version, versions(events)[reign.version].weights
    told, total = [], sum(map(abs, used.values()))
    for factor, (status, since, why) in sorted(statuses.items()):
        there = episodes.standing(events, "decay_detected", factor)
        if status == "decayed" and abs(used.get(factor, 0.0)) >= IN_USE * total and there is None:
            payload = {
                "summary": f"{factor}, with a weight of {used[factor]:.3f} in {name}, has decayed since {since}: {why}",
                "subject": factor,
                "metric": "status of decay/status",
                "value": status,
                "threshold": "decayed",
                "reason": why,
                "decayed_since": since,
                **read,
            }
            key = f"decay/{name}/{factor}/{since}"
            told.append(ledger.append(Entry("decay_detected", "sensor:decay", payload, version=name, key=key)).kind)
        elif there is not None and status != "decayed":
            payload = {
                "summary": f"{factor} is {status} since {since}: {why}",
                "subject": factor,
                "of": "decay_detected",
                "detection": there.id,
                **read,
            }
            told.append(ledger.append(Entry("recovered", "sensor:decay", payload, version=name, key=f"recovered/{there.id}")).kind)
    return told


def _still(detection: Event, state: Mapping[str, Any]) -> bool:
    """Whether what was detected is there still: the breach, or the CUSUM of the stream whose alarm sounded above 0."""
    kind, _, stream = str(detection.payload["metric"]).partition(" ")
    return stream in state["raised"] if kind == "cusum" else state["standing"]


def _materialised(
    context: dg.SensorEvaluationContext, key: dg.AssetKey
) -> tuple[list[tuple[dg.EventLogRecord, dg.AssetMaterialization]], str | None]:
    """Materialisations after the cursor, oldest first, and the cursor after them; without a cursor the newest."""
    since = None if not context.cursor else int(context.cursor)
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, after_storage_id=since), limit=1 if since is None else 50, ascending=since is not None
    ).records
    pairs = [(record, record.asset_materialization) for record in found]
    return [(record, said) for record, said in pairs if said is not None], str(found[-1].storage_id) if found else context.cursor


def _newest(context: dg.SensorEvaluationContext, key: dg.AssetKey, name: str) -> tuple[list[tuple[int, dict[str, Any], str]], str | None]:
    """Of materialisations after the cursor: storage id, what their metadata says under a name, and run; and the cursor after them."""
    records, cursor = _materialised(context, key)
    states = []
    for record, materialisation in records:
        state: Any = materialisation.metadata[name].value
        states.append((record.storage_id, {**state, "tables": _tables_read(materialisation)}, record.run_id))
    return states, cursor


def _tables_read(materialisation: dg.AssetMaterialization) -> dict[str, int]:
    """Versions of the tables that a materialisation was computed from."""
    found: Any = materialisation.metadata.get("tables_read")
    return {} if found is None else dict(found.value)


def _said(read: int, table: str, told: Sequence[str]) -> str:
    return f"{read} materialisations of {table} read; written to the ledger: {', '.join(told) or 'nothing'}."
