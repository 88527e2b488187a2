"""Acts on the ledger: whoever acts at the same time, one request, one decision, one champion."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.defs import decisions
from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.schemas import LIVE_TARGETS, PRICES
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event, Ledger
from mech_exo_tests.quant.lifecycle.facts import version

A, B, C = version(x=1.0), version(y=1.0), version(z=1.0)
STRATEGY = load_strategy()
FRIDAY = dt.date(2020, 2, 14)
"""Before a weekend and Presidents' Day: the next session is the eighteenth."""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head")
    for each, since in ((A, "2020-01-02"), (B, None), (C, None)):
        payload = {"summary": "s", "content": each.as_json(), "as_of": "2020-01-02"} | ({} if since is None else {"since": since})
        made.append(Entry("strategy_registered", "test", payload, version=each.id))
    return made


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path / "lake")
    row = {name: [1.0] for name, dtype in PRICES.dtypes().items() if dtype == pl.Float64} | {"date": [FRIDAY], "symbol": ["A"]}
    made.write(PRICES, pl.DataFrame(row).select(PRICES.names), years=[2020])
    return made


def requested(ledger: Ledger) -> Event:
    return decisions.request_retraining(ledger, actor="test", reason="why", as_of=FRIDAY)


def concluded(ledger: Ledger, request: Event, *, promote: bool, against: str = A.id) -> None:
    payload = {
        "summary": "s",
        "reason": "r",
        "request": request.id,
        "champion": against,
        "promote": promote,
        "figures": {"difference": 1.0},
    }
    payload |= {"expected": {"mean": 0.001, "deviation": 0.01, "sessions": 100}, "returns": [0.001]}
    ledger.append(Entry("challenger_built", "test", {"summary": "s", "request": request.id, "rotated": {}}, version=B.id))
    ledger.append(Entry("ab_test_concluded", "test", payload, version=B.id))


def at_once(act: object, count: int = 6) -> list[object]:
    """What each of several threads got that began together."""
    results: list[object] = [None] * count
    barrier = threading.Barrier(count)

    def work(number: int) -> None:
        barrier.wait()
        results[number] = act()  # ty: ignore[call-non-callable]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return results


def test_a_new_champion_begins_with_the_first_session_that_is_not_decided(ledger: Ledger, lake: Lake):
    assert decisions.next_session(lake, STRATEGY) == dt.date(2020, 2, 18)
    ahead = pl.DataFrame([(dt.date(2020, 2, 18), "A", 1.0, A.id)], schema=LIVE_TARGETS.dtypes(), orient="row")
    lake.write(LIVE_TARGETS, ahead)
    assert decisions.next_session(lake, STRATEGY) == dt.date(2020, 2, 19)


def test_several_who_ask_at_once_get_one_request(ledger: Ledger):
    found = at_once(lambda: requested(ledger))
    assert len({each.id for each in found}) == 1
    assert len(ledger.events(kinds=["retrain_requested"])) == 1


def test_several_who_decide_at_once_decide_once(ledger: Ledger, lake: Lake):
    request = requested(ledger)
    concluded(ledger, request, promote=True)
    found = at_once(lambda: decisions.decide(ledger, lake, STRATEGY, request, actor="test", run_id=None))
    assert {each.kind for each in found} == {"promoted"}
    assert len(ledger.events(kinds=["promoted"])) == 1
    assert champion(ledger.events()).version == B.id
    assert ledger.verify().ok


def test_nothing_is_decided_before_a_verdict(ledger: Ledger, lake: Lake):
    request = requested(ledger)
    assert decisions.decide(ledger, lake, STRATEGY, request, actor="test", run_id=None) is None


def test_a_verdict_against_it_refuses(ledger: Ledger, lake: Lake):
    request = requested(ledger)
    concluded(ledger, request, promote=False)
    event = decisions.decide(ledger, lake, STRATEGY, request, actor="test", run_id="run 1")
    assert (event.kind, event.version, event.payload["reason"]) == ("refused", B.id, "r")
    assert event.payload["figures"] == {"difference": 1.0}
    assert champion(ledger.events()).version == A.id


def test_a_verdict_against_another_champion_refuses(ledger: Ledger, lake: Lake):
    request = requested(ledger)
    concluded(ledger, request, promote=True)
    decisions.crown(ledger, lake, STRATEGY, C.id, decisions.Act("manual_override", "me", "so"))
    event = decisions.decide(ledger, lake, STRATEGY, request, actor="test", run_id=None)
    assert event.kind == "refused"
    assert f"was replaced by {C.id} meanwhile" in event.payload["reason"]


def test_a_promotion_and_a_rollback_at_once_leave_one_champion(ledger: Ledger, lake: Lake):
    decisions.crown(ledger, lake, STRATEGY, C.id, decisions.Act("manual_override", "me", "so"))
    acts = iter(
        [
            lambda: decisions.crown(ledger, lake, STRATEGY, B.id, decisions.Act("manual_override", "one", "so")),
            lambda: decisions.roll_back(ledger, lake, STRATEGY, decisions.Act("rolled_back", "other", "so"), to=A.id),
        ]
    )
    lock = threading.Lock()

    def act() -> Event:
        with lock:
            mine = next(acts)
        return mine()

    found = at_once(act, count=2)
    last = max(found, key=lambda each: each.id)
    assert champion(ledger.events()).version == last.version
    assert [each.id for each in ledger.events()] == list(range(1, len(ledger.events()) + 1))


def test_what_cannot_be_is_told(ledger: Ledger, lake: Lake):
    act = decisions.Act("manual_override", "me", "so")
    with pytest.raises(InputError, match="knows no version 'nobody'"):
        decisions.crown(ledger, lake, STRATEGY, "nobody", act)
    with pytest.raises(InputError, match="is the champion already"):
        decisions.crown(ledger, lake, STRATEGY, A.id, act)
    with pytest.raises(InputError, match="there is no strategy to go back to"):
        decisions.roll_back(ledger, lake, STRATEGY, act)


def test_an_act_with_a_key_happens_once(ledger: Ledger, lake: Lake):
    act = decisions.Act("rolled_back", "sensor", "so", key="probation/7")
    first = decisions.crown(ledger, lake, STRATEGY, B.id, act)
    assert decisions.crown(ledger, lake, STRATEGY, B.id, act) == first
    assert decisions.crown(ledger, lake, STRATEGY, C.id, act) == first
