"""What is told when factors change their status."""

import pytest

from mech_exo_assets.reports.status_alert import StatusNow, status_change


def now(status: str) -> StatusNow:
    return StatusNow(status, "2009-03-20", f"It is {status}: IC 0.041 to -0.006.")


def test_nothing_is_told_where_no_status_has_changed():
    assert status_change({"a": now("watch")}, {"a": StatusNow("watch", "2009-03-20", "Another reason.")}) is None
    assert status_change({}, {}) is None


@pytest.mark.parametrize(
    ("status", "level"), [("watch", "warning"), ("decayed", "warning"), ("recovered", "resolved"), ("healthy", "resolved")]
)
def test_worse_is_a_warning_and_better_is_resolved(status: str, level: str):
    alert = status_change({"a": now("unproven")}, {"a": now(status)})
    assert alert is not None
    assert alert.level == level
    assert f"a: unproven to {status} on 2009-03-20. It is {status}: IC 0.041 to -0.006." in alert.text


def test_decayed_factors_stand_in_the_title_and_all_changes_in_the_text():
    before = {"a": now("healthy"), "b": now("watch"), "c": now("decayed"), "d": now("healthy")}
    alert = status_change(before, {"a": now("decayed"), "b": now("decayed"), "c": now("recovered"), "d": now("healthy")})
    assert alert is not None
    assert alert.title == "Decayed: a, b"
    assert alert.level == "warning"
    assert "c: decayed to recovered" in alert.text
    assert "d: healthy" not in alert.text
    assert "mech-exo decay --factor NAME" in alert.text


def test_without_a_decayed_one_the_title_counts():
    one = status_change({"a": now("healthy")}, {"a": now("watch")})
    two = status_change({"a": now("watch"), "b": now("watch")}, {"a": now("healthy"), "b": now("healthy")})
    assert one is not None
    assert two is not None
    assert (one.title, two.title) == ("Status of 1 factor has changed", "Status of 2 factors has changed")
    assert "No weight was changed" not in two.text
