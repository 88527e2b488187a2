"""`simulator:KEY=VALUE,…` from URI to market."""

from __future__ import annotations

import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import simulator
from mech_exo_assets.sources.uri import open_source


def test_keys_reach_the_simulator() -> None:
    source = open_source("simulator: names=11, sessions=20 ,seed=5,ic_a=0.1,ic_b=-0.2,first=2019-03-01")
    market = source.load()
    drawn = simulator.simulate(names=11, sessions=20, seed=5, ic_a=0.1, ic_b=-0.2, first=market.prices["date"][0])
    assert_frame_equal(market.prices, drawn.prices)
    assert_frame_equal(market.features, drawn.features)
    assert source.uri == "simulator:names=11,sessions=20,seed=5,ic_a=0.1,ic_b=-0.2,first=2019-03-01"
    assert source.stamp()["ic_b"] == "-0.2"
    assert market.notes[0].startswith("Simulated market: expected information coefficients with the next session's return are planted_a 0.")


@pytest.mark.parametrize("uri", ["simulator", "simulator:"])
def test_without_keys_it_has_its_defaults(uri: str) -> None:
    assert open_source(uri).uri == "simulator:names=300,sessions=2000,seed=7,ic_a=0.04,ic_b=0.02,first=2005-01-03"


@pytest.mark.parametrize(
    ("rest", "part"),
    [
        ("nams=30", "'nams' is not known; did you mean names? the keys are names, sessions, seed, ic_a, ic_b, first"),
        ("zzz=30", "'zzz' is not known; the keys are names, sessions, seed, ic_a, ic_b, first"),
        ("names", "'names' is not KEY=VALUE; the keys are"),
        ("names=20,names=30", "'names' is given twice"),
        ("names=many", "names is 'many'; it must be a whole number"),
        ("names=3.5", "names is '3.5'; it must be a whole number"),
        ("names=9", "names is 9; it must be at least 10"),
        ("sessions=1", "sessions is 1; it must be at least 2"),
        ("seed=-1", "seed is -1; it cannot be negative"),
        ("ic_a=strong", "ic_a is 'strong'; it must be a number"),
        ("ic_a=nan", "ic_a is nan and ic_b is 0.02; their squares must sum to less than 0.9"),
        ("ic_a=0.9,ic_b=0.9", "their squares must sum to less than 0.9"),
        ("first=soon", "first is 'soon'; it must be a date, written YYYY-MM-DD"),
        ("names=10,sessions=9000", "9000 sessions from 2005-01-03 end on 20"),
    ],
)
def test_bad_keys_and_values_are_refused_with_what_is_accepted(rest: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        open_source(f"simulator:{rest}").load()
    message = str(caught.value)
    assert message.startswith("simulator: ")
    assert part in message
    assert message.endswith("Correct the source and run again; nothing was loaded.")


PLANTED = "simulator:names=12,sessions=260,seed=4,factors=4,dying=2,ic=0.05,styles=2,clustering=0.2,delistings=0.2,gaps=3.0"


def test_factors_make_it_the_market_of_planted_factors_with_every_key() -> None:
    source = open_source(PLANTED)
    market = source.load()
    drawn = simulator.simulate_planted(
        simulator.plant(factors=4, dying=2, ic=0.05, sessions=260, seed=4),
        names=12,
        sessions=260,
        seed=4,
        risks=simulator.Risks(styles=2, clustering=0.2),
        defects=simulator.Defects(delistings_per_year=0.2, gaps_per_year=3.0),
    )
    assert_frame_equal(market.prices, drawn.prices, check_exact=True)
    assert_frame_equal(market.universe, drawn.universe, check_exact=True)
    assert_frame_equal(market.features, drawn.features, check_exact=True)
    assert source.feature_names() == ("planted_01", "planted_02", "planted_03", "planted_04")
    (note,) = market.notes
    assert note.endswith(" These die: planted_03 at session 143, planted_04 at session 208.")


def test_the_uri_of_planted_factors_has_their_keys_and_not_those_of_the_other_market() -> None:
    source = open_source("simulator:factors=2,names=12")
    assert source.uri == (
        "simulator:names=12,sessions=2000,seed=7,first=2005-01-03,factors=2,dying=0,ic=0.04,styles=0,clustering=0.0,delistings=0.0,gaps=0.0,"
        "fills=0"
    )
    assert open_source(source.uri).stamp() == source.stamp()
    assert source.stamp()["factors"] == "2"
    assert "ic_a" not in source.stamp()
    assert "These die" not in open_source("simulator:factors=2,names=12,sessions=30").load().notes[0]


@pytest.mark.parametrize(
    ("rest", "part"),
    [
        ("factors=-1", "factors is -1; it cannot be negative"),
        ("factors=2,dying=3", "dying is 3; it must be from 0 to factors, which is 2"),
        ("dying=1", "dying is 1; it must be from 0 to factors, which is 0"),
        ("factors=2,dying=-1", "dying is -1; it must be from 0 to factors, which is 2"),
        ("factors=2,ic=0", "ic is 0.0; it must be above 0, and its square times factors below 0.7"),
        ("factors=20,ic=0.2", "ic is 0.2; it must be above 0, and its square times factors below 0.7"),
        ("factors=2,ic=nan", "ic is nan; it must be above 0"),
        ("factors=2,styles=-1", "styles is -1; it cannot be negative"),
        ("factors=2,clustering=1.5", "clustering is 1.5; it must be from 0 to 1"),
        ("factors=2,clustering=nan", "clustering is nan; it must be from 0 to 1"),
        ("factors=2,delistings=0.6", "delistings is 0.6; it must be from 0 to 0.5"),
        ("factors=2,gaps=21", "gaps is 21.0; it must be from 0 to 20"),
        ("styles=3", "styles is given without factors; give factors too"),
        ("gaps=1", "gaps is given without factors; give factors too"),
        ("ic=0.1", "ic is given without factors; give factors too, or ic_a and ic_b"),
        ("factors=3,ic_a=0.1", "ic_a is given with factors; give ic"),
        ("factors=3,ic_b=0.02", "ic_b is given with factors; give ic"),
    ],
)
def test_bad_keys_of_planted_factors_are_refused(rest: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        open_source(f"simulator:{rest}")
    assert part in str(caught.value)
