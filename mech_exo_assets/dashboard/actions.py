"""What an operator may do: retrain, promote, roll back, acknowledge. Each is an event of the ledger, with a reason and a name.

What belongs here: the forms, and the acts behind them. What does not: the acts themselves (`defs.decisions`), and who is an operator
(`access`).

An act is written to the ledger, and nothing else is done here. The daemon's sensors `retrain` and `deploy` see it, and launch what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Flask, g, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from mech_exo_assets.dashboard.access.sign_in import require_operator
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.quant.lifecycle.episodes import ACKNOWLEDGED, comparison_under_way, open_alerts
from mech_exo_assets.quant.lifecycle.reigns import champion, previous_champion, versions
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event

SHORTEST, LONGEST = 5, 500
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form has sent.

    Attributes
    ----------
    actor, reason : str
    subject : str
        A version, or the number of an event; empty where the act needs none.
    """

    actor: str
    reason: str
    subject: str


def install(server: Flask, watch: Watch, forms: CSRFProtect) -> None:
    """Serve the page of actions, and carry them out."""
    acts: Mapping[str, Callable[[Watch, Asked], Event]] = {
        "retrain": retrain,
        "promote": promote,
        "rollback": roll_back,
        "acknowledge": acknowledge,
    }

    @server.get("/actions")
    def actions() -> str | tuple[str, int]:
        return _page(watch, fault=None)

    @server.post("/actions/<any(retrain, promote, rollback, acknowledge):act>")
    def carry_out(act: str) -> Response | tuple[str, int]:
        user = require_operator()
        forms.protect()
        reason = request.form.get("reason", "").strip()
        if not SHORTEST <= len(reason) <= LONGEST:
            return _page(watch, fault=f"{act}: give a reason of {SHORTEST} to {LONGEST} characters. Nothing was changed."), 400
        try:
            event = acts[act](watch, Asked(f"{user.name} (dashboard)", reason, request.form.get("subject", "").strip()))
        except MechExoError as error:
            return _page(watch, fault=f"{act}: {error}"), 409 if not isinstance(error, InputError) else 400
        finally:
            watch.forget()
        return redirect(url_for("actions", done=event.id))


def retrain(watch: Watch, asked: Asked) -> Event:
    """Ask for a challenger; the sensor `retrain` launches the run."""
    from mech_exo_assets.defs import decisions

    under_way = comparison_under_way(watch.ledger.events())
    if under_way is not None:
        raise InputError(f"{under_way.payload['summary']} It has no verdict yet; `mech-exo refuse` ends it. Nothing was changed.")
    lake = Lake(watch.settings.lake_uri)
    return decisions.request_retraining(watch.ledger, actor=asked.actor, reason=asked.reason, as_of=decisions.last_session(lake))


def promote(watch: Watch, asked: Asked) -> Event:
    """Make a version champion by hand, from the next session on; the sensor `deploy` publishes it."""
    from mech_exo_assets.defs import decisions

    act = decisions.Act("manual_override", asked.actor, asked.reason, {"deploy": True})
    return decisions.crown(watch.ledger, Lake(watch.settings.lake_uri), load_strategy(watch.settings.config), asked.subject, act)


def roll_back(watch: Watch, asked: Asked) -> Event:
    """Make a former champion champion again; the sensor `deploy` publishes it."""
    from mech_exo_assets.defs import decisions

    act = decisions.Act("rolled_back", asked.actor, asked.reason, {"deploy": True})
    lake, strategy = Lake(watch.settings.lake_uri), load_strategy(watch.settings.config)
    return decisions.roll_back(watch.ledger, lake, strategy, act, to=asked.subject or None)


def acknowledge(watch: Watch, asked: Asked) -> Event:
    """Say that a person has seen an open alert, and what is done about it."""
    waiting = {str(event.id): event for event in open_alerts(watch.ledger.events())}
    if asked.subject not in waiting:
        raise InputError(f"event '{asked.subject}' is no open alert; open are: {', '.join(waiting) or 'none'}. Nothing was changed.")
    event = waiting[asked.subject]
    payload = {"summary": f"Event {event.id} was seen: {asked.reason}", "reason": asked.reason, "event": event.id}
    return watch.ledger.append(Entry(ACKNOWLEDGED, asked.actor, payload, version=event.version, key=f"acknowledged/{event.id}"))


def _page(watch: Watch, *, fault: str | None) -> str:
    with watch.view(g.user) as view:
        now = champion(view.events)
        known = [name for name in versions(view.events) if now is None or name != now.version]
        done = next((event for event in view.events if str(event.id) == request.args.get("done")), None)
        return render_template(
            "actions.html",
            user=g.user,
            with_users=g.with_users,
            fault=fault,
            done=done,
            champion=now,
            before=previous_champion(view.events),
            versions=known[::-1],
            alerts=view.open_alerts,
            wanted=request.args.get("event", ""),
            shortest=SHORTEST,
            longest=LONGEST,
        )
