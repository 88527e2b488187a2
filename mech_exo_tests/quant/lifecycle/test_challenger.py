"""From a search to a challenger: what has decayed since is rotated out."""

from __future__ import annotations

import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.lifecycle.challenger import challenger_table, rotated, rotated_weights, same_strategy
from mech_exo_tests.quant.lifecycle.facts import version


def optimised(**weights: tuple[float, float]) -> pl.DataFrame:
    """Weight and share limit of each factor."""
    return pl.DataFrame(
        [(name, weight, limit) for name, (weight, limit) in weights.items()], schema=["factor", "weight", "share_limit"], orient="row"
    )


def rotation(**rows: tuple[str, float]) -> pl.DataFrame:
    """Status and multiplier of each factor."""
    return pl.DataFrame(
        [(name, status, left) for name, (status, left) in rows.items()], schema=["factor", "status", "multiplier"], orient="row"
    )


def test_a_factor_that_has_died_since_is_gone_and_the_others_take_its_weight():
    left = rotated_weights(
        optimised(a=(0.5, 0.5), b=(0.3, 0.5), c=(0.2, 0.5)), rotation(a=("decayed", 0.0), b=("healthy", 0.4), c=("watch", 0.9))
    )
    assert left == pytest.approx({"b": 0.6, "c": 0.4})


def test_what_the_search_allowed_for_is_not_taken_twice():
    # The search knew that `a` had a tenth left, and so it has now.
    left = rotated_weights(optimised(a=(0.05, 0.05), b=(0.95, 0.5)), rotation(a=("decayed", 0.1)))
    assert left == pytest.approx({"a": 0.05, "b": 0.95})


def test_one_that_has_recovered_since_has_no_more_than_the_search_gave_it():
    left = rotated_weights(optimised(a=(0.05, 0.05), b=(0.95, 0.5)), rotation(a=("recovered", 1.0)))
    assert left == pytest.approx({"a": 0.05, "b": 0.95})


def test_nothing_alive_is_refused():
    with pytest.raises(InputError, match=r"every factor that the search gave a weight has decayed \(a\)"):
        rotated_weights(optimised(a=(1.0, 0.5), b=(0.0, 0.5)), rotation(a=("decayed", 0.0)))


def test_the_table_says_what_was_rotated():
    table = challenger_table(version(b=1.0), version(a=1.0, b=1.0), rotation(a=("decayed", 0.0), b=("healthy", 0.5)))
    assert table.select("factor", "weight", "champion_weight", "multiplier").rows() == [("a", 0.0, 0.5, 0.0), ("b", 1.0, 0.5, 1.0)]
    assert rotated(table) == {"a": {"before": 0.5, "after": 0.0}}


def test_strategies_are_the_same_where_they_hold_the_same():
    assert same_strategy(version(a=1.0, b=1.0), version(a=3.0, b=3.0))
    assert not same_strategy(version(a=1.0, b=1.0), version(a=1.0, b=1.1))
    assert not same_strategy(version(a=1.0), version(a=-1.0))
