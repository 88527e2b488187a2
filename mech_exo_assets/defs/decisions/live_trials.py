"""A challenger in shadow, or with its share of the capital: the events of its comparison with the champion, and their figures.

What belongs here: from recorded tables to the comparison's sessions, its beginning, and its verdict on record. What does not: the
statistics (`quant.lifecycle.sequential_test`), and the comparison on the hold-out (`trials`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from mech_exo_assets.defs.decisions.crowning import decide, replaced
from mech_exo_assets.defs.decisions.readings import next_session
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.quant.lifecycle.canary import CANARY, Canary
from mech_exo_assets.quant.lifecycle.episodes import comparison_under_way
from mech_exo_assets.quant.lifecycle.reigns import champion, reigns, versions
from mech_exo_assets.schemas import FILLS, LIVE_COMPARISON, LIVE_POSITIONS, NAV, PRICES
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.histories import account_market, history, last_session, versions_of
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event, Ledger

_ACCOUNT = (NAV, LIVE_POSITIONS, FILLS)


def begin_live(ledger: Ledger, lake: Lake, strategy: Strategy, concluded: Event, *, actor: str, run_id: str | None) -> Event:
    """Say that a challenger is compared with the champion from now on, after its verdict on the hold-out. Said once."""
    payload = concluded.payload
    choices, name = strategy.lifecycle.ab_test, str(concluded.version)
    since = next_session(lake, strategy)
    how = f"with {choices.canary_share:.1%} of the capital" if choices.mode == CANARY else "in shadow"
    started = {
        "summary": f"{name} is compared with {payload['champion']} {how}, on the sessions from {since} on: at most {choices.max_sessions}.",
        "stage": choices.mode,
        "request": payload["request"],
        "champion": payload["champion"],
        "impaired": payload["figures"]["wanted"] < 0,
        "as_of": last_session(lake).isoformat(),
        "since": since.isoformat(),
        "share": choices.canary_share if choices.mode == CANARY else 0.0,
        "deviations": payload["deviations"],
        "holdout": concluded.id,
        "run_id": run_id,
    }
    return ledger.append(Entry("ab_test_started", actor, started, version=name, key=f"ab_test/{payload['request']}/{name}/live"))


def tables_of(lake: Lake, stage: str) -> dict[str, int]:
    """Versions of the tables that a comparison of a stage is computed from, as they stand."""
    account = {schema.key: lake.version(schema.key) for schema in _ACCOUNT if lake.exists(schema.key)} if stage == CANARY else {}
    return versions_of(lake) | account


def live_comparison(events: Sequence[Event], lake: Lake, strategy: Strategy, started: Event, *, tables: Mapping[str, int]) -> pl.DataFrame:
    """Each session of a comparison, in `schemas.LIVE_COMPARISON`, from tables in recorded versions.

    Parameters
    ----------
    started : Event
        What `begin_live` has written.
    tables : mapping of str to int
        As `tables_of` has given them.
    """
    from mech_exo_assets.quant.lifecycle.holdout import Trial, unseen_from
    from mech_exo_assets.quant.lifecycle.live_comparison import as_canary, in_shadow
    from mech_exo_assets.quant.lifecycle.sequential_test import Sides, comparison_table
    from mech_exo_assets.quant.live.sleeves import Whole

    known, payload = versions(events), started.payload
    challenger, holder = known[str(started.version)], known[payload["champion"]]
    if payload["stage"] == CANARY:
        if not {schema.key for schema in _ACCOUNT} <= set(tables):
            return LIVE_COMPARISON.empty()
        begin = reigns(events)[0].since
        # As `live/targets`: what is held within bands depends on where the history begins.
        trial = Trial(challenger, holder, history(lake, strategy, first=dt.date(begin.year - 1, 1, 1), versions=tables), dict(tables))
        canary = Canary(challenger.id, payload["share"], dt.date.fromisoformat(payload["since"]), None)
        account = Whole(*(lake.read(schema.key, version=tables[schema.key]) for schema in _ACCOUNT))
        market = account_market(lake.scan(PRICES.key, version=tables[PRICES.key]), begin)
        earned = as_canary(trial, canary, account, market)
    else:
        first = unseen_from(challenger, holder)
        trial = Trial(challenger, holder, history(lake, strategy, first=first, versions=tables), dict(tables))
        earned = in_shadow(trial, after=dt.date.fromisoformat(payload["as_of"]))
    deviations = payload["deviations"]
    return comparison_table(
        Sides(earned.canary, earned.champion, deviations["challenger"], deviations["champion"]),
        pl.Series(earned.sessions.astype("datetime64[D]")).cast(pl.Date),
        impaired=payload["impaired"],
        choices=strategy.lifecycle.ab_test,
        stage=payload["stage"],
        version=challenger.id,
        champion=holder.id,
    )


def state_of(table: pl.DataFrame, strategy: Strategy) -> dict[str, Any]:
    """The last session of a comparison, as it is recorded: verdict, whether it promotes, reason, figures."""
    from mech_exo_assets.quant.lifecycle.ab_test import BETTER, NOT_WORSE
    from mech_exo_assets.quant.lifecycle.sequential_test import told

    row = table.sort("date").row(-1, named=True)
    return {
        "as_of": str(row["date"]),
        "verdict": row["verdict"],
        "promote": row["verdict"] in (BETTER, NOT_WORSE),
        "reason": told(row, strategy.lifecycle.ab_test),
        "figures": {"n_sessions": row["sessions"], **{name: row[name] for name in ("difference", "low", "high", "wanted")}},
    }


def conclude_live(ledger: Ledger, lake: Lake, strategy: Strategy, started: Event, state: Mapping[str, Any], *, actor: str) -> Event:
    """Record the verdict of a comparison in shadow or as a canary. From the next session on the champion trades alone.

    Parameters
    ----------
    state : mapping
        What `state_of` says, with `data`, the versions of the tables that it was computed from.
    """
    held_out = ledger.get(started.payload["holdout"]).payload
    payload = {
        "summary": f"{started.version} against {started.payload['champion']} {_WHERE[started.payload['stage']]}: {state['verdict']}. "
        f"{state['reason'][:1].upper()}{state['reason'][1:]}.",
        "stage": started.payload["stage"],
        "request": started.payload["request"],
        "champion": started.payload["champion"],
        "since": next_session(lake, strategy).isoformat(),
        "expected": held_out["expected"],
        "started": started.id,
        **state,
    }
    key = f"ab_verdict/{started.payload['request']}/{started.version}/live"
    return ledger.append(Entry("ab_test_concluded", actor, payload, version=started.version, key=key))


def refuse_by_hand(ledger: Ledger, lake: Lake, strategy: Strategy, *, actor: str, reason: str) -> Event:
    """End the comparison that is under way, and refuse its challenger.

    Raises
    ------
    InputError
        If there is none.
    """
    started: Any = comparison_under_way(ledger.events())
    if started is None:
        raise InputError("no challenger is compared in shadow or as a canary. Nothing was changed.")
    said = f"ended by {actor}: {reason}"
    state = {"as_of": last_session(lake).isoformat(), "verdict": "undecided", "promote": False, "reason": said, "figures": {}}
    conclude_live(ledger, lake, strategy, started, state, actor=actor)
    decided: Any = decide(ledger, lake, strategy, ledger.get(started.payload["request"]), actor=actor, run_id=None)
    return decided


def replaced_meanwhile(events: Sequence[Event], started: Event) -> dict[str, Any] | None:
    """What is to be recorded of a comparison whose champion is champion no more; None where it is."""
    now = champion(events)
    if now is None:
        raise MechExoError("the ledger knows no champion, and a comparison with one.")
    if now.version == started.payload["champion"]:
        return None
    reason = replaced(started.payload["champion"], now.version)
    return {"as_of": started.payload["as_of"], "verdict": "undecided", "promote": False, "reason": reason, "figures": {}}


_WHERE = {"shadow": "in shadow", CANARY: "as a canary"}
