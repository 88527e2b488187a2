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
