"""Who is champion when."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.lifecycle.reigns import champion, champion_at, champion_table, deployed_on, previous_champion, promises, reigns
from mech_exo_tests.quant.lifecycle.facts import crowned, history


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


EVENTS = history(
    crowned("strategy_registered", "a", "2020-01-02"),
    ("strategy_registered", "z", {"as_of": "2020-01-02"}),
    crowned("promoted", "b", "2020-03-02", as_of="2020-02-28", expected={"mean": 0.001, "deviation": 0.01, "sessions": 400}),
    ("refused", "c", {}),
    crowned("rolled_back", "a", "2020-03-05", as_of="2020-03-04"),
)


def test_the_champion_of_a_session_is_the_last_one_that_began_by_then():
    found = {
        text: getattr(champion_at(EVENTS, day(text)), "version", None)
        for text in ("2020-01-01", "2020-01-02", "2020-02-28", "2020-03-02", "2020-03-04", "2020-03-05")
    }
    assert found == {"2020-01-01": None, "2020-01-02": "a", "2020-02-28": "a", "2020-03-02": "b", "2020-03-04": "b", "2020-03-05": "a"}
    assert champion(EVENTS).version == "a"
    assert champion([]) is None


def test_a_registration_without_a_first_session_makes_no_champion():
    assert [each.version for each in reigns(EVENTS)] == ["a", "b", "a"]


def test_a_reign_that_was_over_before_its_first_session_never_was():
    events = history(
        crowned("strategy_registered", "a", "2020-01-02"), crowned("promoted", "b", "2020-03-02"), crowned("rolled_back", "a", "2020-03-02")
    )
    assert [(each.version, str(each.since)) for each in reigns(events)] == [("a", "2020-01-02"), ("a", "2020-03-02")]
    assert champion_at(events, day("2020-03-02")).event == 3


def test_the_table_has_no_gap_and_no_overlap():
    table = champion_table(EVENTS)
    assert table["how"].to_list() == ["registered", "promoted", "rolled_back"]
    assert table["until"].to_list() == [day("2020-03-01"), day("2020-03-04"), None]


def test_a_rollback_leads_to_the_champion_before():
    assert previous_champion(EVENTS[:3]) == "a"
    assert previous_champion(EVENTS) == "b"
    assert previous_champion(EVENTS[:1]) is None


def test_what_was_promised_and_when_it_was_deployed():
    assert promises(EVENTS)["b"].mean == 0.001
    assert set(promises(EVENTS)) == {"b"}
    assert promises(EVENTS)["b"].at_least == 0.001 - 0.01 / 20
    assert deployed_on(EVENTS) == day("2020-03-04")
    assert deployed_on([]) is None


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 60)), min_size=1, max_size=12))
def test_every_session_has_one_champion_the_last_that_claimed_it(claims: list[tuple[str, int]]):
    first = day("2020-01-01")
    events = history(*(crowned("promoted", name, str(first + dt.timedelta(days=at))) for name, at in claims))
    for offset in range(62):
        session = first + dt.timedelta(days=offset)
        # The newest event whose first session is not later, unless one after it begins even before.
        expected = next((name for name, at in reversed(claims) if at <= offset), None)
        found = champion_at(events, session)
        assert (None if found is None else found.version) == expected
