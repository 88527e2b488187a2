"""The comparison that may be looked at after every session: its size by simulation, its verdicts, and what it says."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.lifecycle.sequential_test import Sides, comparison_table, confidence_sequence, told
from mech_exo_assets.settings import load_strategy

CHOICES = load_strategy().lifecycle.ab_test
AXIS = sessions(np.datetime64("2019-01-01"), np.datetime64("2021-12-31"))


def drawn(kind: str, rows: int, columns: int) -> np.ndarray:
    chance = np.random.default_rng(7)
    if kind == "normal":
        return chance.normal(size=(rows, columns))
    if kind == "t4":
        return chance.standard_t(4, size=(rows, columns))
    if kind == "skewed":
        return 1 - chance.exponential(size=(rows, columns))
    noise = chance.normal(size=(rows, columns))
    for at in range(1, columns):
        noise[:, at] += 0.2 * noise[:, at - 1]
    return noise


@pytest.mark.parametrize("kind", ["normal", "t4", "skewed", "autocorrelated"])
def test_looking_every_session_errs_as_seldom_as_stated(kind: str):
    """Skewed is an exponential distribution, autocorrelated has 0.2 from one session to the next; no look at 252 sessions is left out."""
    rows = drawn(kind, 1500, 252)
    lows = np.array([confidence_sequence(row, error=0.1, middle=126)[1] for row in rows])
    wrong = (lows > 0).any(axis=1).mean()
    assert wrong < 0.1 + 2 * np.sqrt(0.1 * 0.9 / len(rows))


def test_a_fixed_test_at_every_session_would_err_often():
    """The simulation can fail: the usual bound of one look, taken at every session."""
    rows = drawn("normal", 1500, 252)
    t = np.arange(1, 253)
    mean = np.cumsum(rows, axis=1) / t
    assert ((mean - 1.2816 / np.sqrt(t) > 0)[:, 59:]).any(axis=1).mean() > 0.25


def test_nothing_is_said_before_a_quarter():
    mean, low, high = confidence_sequence(np.ones(70) + np.arange(70) % 2, error=0.1, middle=126)
    assert np.isinf(low[:59]).all()
    assert np.isinf(high[:59]).all()
    assert (low[59:] < mean[59:]).all()
    assert (high[59:] > mean[59:]).all()


def compared(gain: float, *, impaired: bool = False, n: int = 400, noise: float = 0.004, **choices: object) -> pl.DataFrame:
    chance = np.random.default_rng(3)
    common = chance.normal(0.0005, 0.008, n)
    one, other = common + chance.normal(gain, noise, n), common + chance.normal(0, noise, n)
    days = pl.Series(AXIS[:n]).cast(pl.Date)
    return comparison_table(
        Sides(one, other, 0.009, 0.009),
        days,
        impaired=impaired,
        choices=CHOICES.model_copy(update=choices),
        stage="shadow",
        version="b",
        champion="a",
    )


def test_one_that_is_much_better_is_found_and_the_comparison_ends_there():
    table = compared(0.003)
    assert table["verdict"].to_list() == ["running"] * (table.height - 1) + ["better"]
    assert 60 <= table.height < 252
    assert table["low"][-1] > 0


def test_one_that_is_much_worse_is_found():
    assert compared(-0.003)["verdict"][-1] == "worse"


def test_what_is_not_decided_in_time_is_undecided():
    table = compared(0.0, max_sessions=100)
    assert (table.height, table["verdict"][-1]) == (100, "undecided")
    assert "not decided within 100 sessions" in told(table.row(-1, named=True), CHOICES.model_copy(update={"max_sessions": 100}))


def test_it_goes_on_until_then():
    assert set(compared(0.0, n=80)["verdict"]) == {"running"}


def test_where_the_champion_is_in_breach_it_is_enough_not_to_be_much_worse():
    table = compared(0.0, impaired=True, noise=0.0005)
    assert table["verdict"][-1] == "not worse"
    assert table["wanted"][-1] == -CHOICES.margin


def test_the_difference_is_of_annual_sharpe_ratios():
    table = compared(0.001, n=90)
    one, other = table["challenger_return"].to_numpy(), table["champion_return"].to_numpy()
    assert table["difference"][-1] == pytest.approx(np.sqrt(252) * (one.mean() - other.mean()) / 0.009)


def test_the_future_changes_no_session_before_it():
    whole = compared(0.0005, n=200)
    assert compared(0.0005, n=200).head(120).equals(whole.head(120))
    sides = Sides(
        np.r_[whole["challenger_return"][:120], np.full(80, 0.5)], np.r_[whole["champion_return"][:120], np.zeros(80)], 0.009, 0.009
    )
    changed = comparison_table(
        sides, pl.Series(AXIS[:200]).cast(pl.Date), impaired=False, choices=CHOICES, stage="shadow", version="b", champion="a"
    )
    assert changed.head(120).equals(whole.head(120))
