"""Kinds of features say what they are, and can do nothing else than what they say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mech_exo_assets.defs.partitions import SHORTEST_YEAR
from mech_exo_assets.quant.features import PRICE_YEARS_BEFORE, SCORE_YEARS_BEFORE, FeatureKind, kinds
from mech_exo_assets.quant.features.declaration import LONGEST_LOOKBACK, Feature, feature_kind
from mech_exo_assets.quant.features.inputs import PRICE_FIELDS, FeaturePanel
from mech_exo_assets.quant.features.of_scores import LONGEST_CHANGE
from mech_exo_assets.settings.decay import Decay
from mech_exo_assets.settings.learning import KINDS, Learning
from mech_exo_tests.quant.features.worlds import dataset, world


def panel() -> FeaturePanel:
    scores, prices, universe = world()
    return FeaturePanel(scores, prices, universe.iter_rows(), years=(2016, 2016), change_sessions=21)


def declared(function, **changes: object) -> FeatureKind:
    given = {"prefix": "rank", "meaning": "A meaning.", "inputs": ("scores",), "lookback": 0, **changes}
    return feature_kind(**given)(function)  # ty: ignore[invalid-argument-type]


def ranks(panel: FeaturePanel) -> Iterator[Feature]:
    """A formula."""
    yield Feature("one", panel.score("sentiment"), ())


def without_formula(panel: FeaturePanel) -> Iterator[Feature]:
    yield from ()


def test_there_is_a_kind_for_each_of_the_settings_in_their_order():
    assert tuple(kinds()) == KINDS
    assert [kind.name for kind in kinds().values()] == list(KINDS)


def test_no_two_kinds_share_a_prefix():
    assert len({kind.prefix for kind in kinds().values()}) == len(KINDS)


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.name)
def test_every_kind_says_what_it_is(kind):
    assert kind.meaning.endswith(".")
    assert len(kind.formula) > 20
    assert set(kind.inputs) <= {"scores", "sector", *PRICE_FIELDS}


def test_the_years_that_are_loaded_are_enough_for_every_kind_and_beta():
    assert LONGEST_LOOKBACK == PRICE_YEARS_BEFORE * SHORTEST_YEAR
    for kind in kinds().values():
        years = SCORE_YEARS_BEFORE if kind.inputs == ("scores",) else PRICE_YEARS_BEFORE
        assert kind.lookback <= years * SHORTEST_YEAR
    most = {bound.le for bound in Learning.model_fields["change_sessions"].metadata if hasattr(bound, "le")}
    assert most == {LONGEST_CHANGE}
    longest_beta = {bound.le for bound in Decay.model_fields["beta_window"].metadata if hasattr(bound, "le")}
    assert max(longest_beta) <= PRICE_YEARS_BEFORE * SHORTEST_YEAR


@pytest.mark.parametrize(
    ("function", "changes", "wanted"),
    [
        (without_formula, {}, "a name among .* a docstring"),
        (ranks, {"prefix": "Rank"}, "a prefix of lower-case letters"),
        (ranks, {"prefix": "rank_of"}, "a prefix of lower-case letters"),
        (ranks, {"meaning": ""}, "a meaning"),
        (ranks, {"inputs": ()}, "at least one input"),
        (ranks, {"lookback": LONGEST_LOOKBACK + 1}, "a lookback in 0 .. 735"),
    ],
)
def test_an_incomplete_declaration_is_refused_with_what_it_lacks(function, changes, wanted):
    with pytest.raises(ValueError, match=wanted):
        declared(function, **changes)


def test_a_kind_gives_named_matrices_of_the_wanted_sessions():
    (feature,) = declared(ranks)(panel())
    assert feature.name == "rank_one"
    assert feature.values.shape == (245, 14)


@pytest.mark.parametrize(
    ("read", "inputs"),
    [
        (lambda panel: panel.score("sentiment"), ("close",)),
        (lambda panel: panel.price("close")[panel.wanted], ("scores", "volume")),
        (lambda panel: np.tile(panel.state("trend")[:, None], 14), ("scores", "close")),
    ],
)
def test_a_kind_that_reads_what_it_did_not_declare_is_refused(read, inputs):
    def ranks(panel: FeaturePanel) -> Iterator[Feature]:
        """A formula."""
        yield Feature("one", read(panel), ())

    with pytest.raises(LookupError, match="is read but not declared"):
        list(declared(ranks, inputs=inputs)(panel()))


def test_a_matrix_of_another_shape_is_refused():
    def ranks(panel: FeaturePanel) -> Iterator[Feature]:
        """A formula."""
        yield Feature("one", np.zeros((3, 3)), ())

    with pytest.raises(ValueError, match=r"rank_one has shape \(3, 3\), wanted is \(245, 14\)"):
        list(declared(ranks)(panel()))


def test_a_change_over_more_sessions_than_are_chosen_is_refused():
    with pytest.raises(ValueError, match="lag is 22; it may be 0 to 21"):
        panel().score("sentiment", lag=22)


@pytest.mark.parametrize("name", ["Sentiment", "sen timent", "sénti"])
def test_a_column_that_is_no_lower_case_identifier_is_refused(name):
    scores, prices, universe = world()
    with pytest.raises(ValueError, match=f"the column 'score_{name}' is no lower-case identifier"):
        dataset((scores.rename({"sentiment": name}), prices, universe))
