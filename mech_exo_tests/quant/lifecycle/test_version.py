"""A strategy version is its content."""

from __future__ import annotations

import json

import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.lifecycle.version import StrategyVersion, configured_version
from mech_exo_assets.settings import load_strategy
from mech_exo_tests.quant.lifecycle.facts import version


def test_the_same_content_has_the_same_hash_whatever_its_order():
    one, other = version(a=0.25, b=0.75), version(b=0.75, a=0.25)
    assert one.content_hash == other.content_hash
    assert one.content_hash.startswith(one.id)
    assert len(one.id) == 12


@pytest.mark.parametrize(
    "changed",
    [{"weights": {"a": 0.26}}, {"blend": 0.1}, {"data": {"factors/scores": 3}}, {"code": "x"}, {"seed": 1}, {"models": {"ridge": "r"}}],
)
def test_any_other_content_has_another_hash(changed: dict):
    one = version(a=0.25)
    assert StrategyVersion(**(one.as_json() | changed)).content_hash != one.content_hash


def test_it_comes_back_from_json_to_the_last_bit():
    one = version(a=0.1 + 0.2, b=1 / 3)
    back = StrategyVersion.from_json(json.loads(json.dumps(one.as_json())))
    assert back.content_hash == one.content_hash
    assert back.sizing == load_strategy().construction


def test_equal_weights_of_the_strategy_file_are_made_explicit():
    made = configured_version(load_strategy(), ["a", "b"], learned=False, blend=0.0, models={}, data={}, code="")
    assert made.weights == {"a": 0.5, "b": 0.5}


def test_a_weight_of_a_factor_that_is_not_there_is_refused():
    strategy = load_strategy()
    strategy = strategy.model_copy(update={"composite": strategy.composite.model_copy(update={"weights": {"z": 1.0}})})
    with pytest.raises(InputError, match="no factor 'z'"):
        configured_version(strategy, ["a", "b"], learned=False, blend=0.0, models={}, data={}, code="")
