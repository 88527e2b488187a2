import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.factors.scoring import NO_SECTOR, score, score_all, sector_codes

CHOICES = {"winsorise": 0.01, "min_sector_names": 3, "min_names": 10}


def reference(exposures, *, sector_codes, orientation, winsorise, min_sector_names, min_names):
    out = np.full(exposures.shape, np.nan)
    for t, row in enumerate(exposures):
        known = np.flatnonzero(~np.isnan(row))
        if len(known) < min_names:
            continue
        x = row[known]
        x = np.clip(x, np.quantile(x, winsorise), np.quantile(x, 1.0 - winsorise))
        group = sector_codes[known].copy()
        for code in np.unique(group):
            if (group == code).sum() < min_sector_names:
                group[group == code] = NO_SECTOR
        for code in np.unique(group):
            x[group == code] -= x[group == code].mean()
        if x.std() > 1e-9:
            out[t, known] = orientation * x / x.std()
    return out


def exposures_of(n_sessions=30, n_symbols=80, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    values = rng.standard_t(3, size=(n_sessions, n_symbols)) * 10.0 + 5.0
    values[rng.random(values.shape) < missing] = np.nan
    return values, rng.integers(-1, 6, n_symbols).astype(np.int64)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 5, 12, 40, 300, 2000]),
    st.sampled_from([0.0, 0.01, 0.05, 0.25, 0.49]),
    st.sampled_from([0.0, 0.3, 0.95]),
    st.sampled_from([1, 3, 100]),
    st.booleans(),
)
def test_scores_are_what_the_definition_says(seed, n_symbols, winsorise, missing, min_sector_names, ties):
    values, codes = exposures_of(4, n_symbols, seed, missing)
    values = np.round(values / 20.0) if ties else values
    choices = {"sector_codes": codes, "winsorise": winsorise, "min_sector_names": min_sector_names, "min_names": 4}
    np.testing.assert_allclose(
        score(values, orientation=-1, **choices), reference(values, orientation=-1, **choices), rtol=1e-9, atol=1e-10
    )


def test_every_sector_has_mean_zero_and_every_session_deviation_one():
    values, codes = exposures_of()
    scores = score(values, sector_codes=codes, orientation=1, **CHOICES)
    np.testing.assert_allclose(np.nanstd(scores, axis=1), 1.0, atol=1e-12)
    for code in range(6):
        np.testing.assert_allclose(np.nanmean(scores[:, codes == code], axis=1), 0.0, atol=1e-12)


def test_orientation_turns_the_sign():
    values, codes = exposures_of()
    np.testing.assert_array_equal(
        score(values, sector_codes=codes, orientation=-1, **CHOICES), -score(values, sector_codes=codes, orientation=1, **CHOICES)
    )


def test_a_higher_exposure_within_a_sector_is_never_a_lower_score():
    values, codes = exposures_of(missing=0.0)
    scores = score(values, sector_codes=codes, orientation=1, **CHOICES)
    for code in range(6):
        order = np.argsort(values[:, codes == code], axis=1)
        assert (np.diff(np.take_along_axis(scores[:, codes == code], order, axis=1), axis=1) >= 0.0).all()


def test_the_order_of_symbols_does_not_matter():
    values, codes = exposures_of()
    order = np.random.default_rng(1).permutation(len(codes))
    permuted = score(np.ascontiguousarray(values[:, order]), sector_codes=codes[order], orientation=1, **CHOICES)
    np.testing.assert_allclose(permuted, score(values, sector_codes=codes, orientation=1, **CHOICES)[:, order], rtol=1e-9, atol=1e-12)


def test_scores_do_not_depend_on_unit_and_origin_of_the_exposure():
    values, codes = exposures_of()
    scaled = score(values * 1e-6 + 3.0, sector_codes=codes, orientation=1, **CHOICES)
    np.testing.assert_allclose(scaled, score(values, sector_codes=codes, orientation=1, **CHOICES), atol=1e-6)


def test_small_sectors_and_names_without_one_are_taken_together():
    values = np.random.default_rng(2).normal(size=(1, 12))
    lonely = np.array([0] * 8 + [1, 1, 2, NO_SECTOR])
    pooled = np.array([0] * 8 + [NO_SECTOR] * 4)
    np.testing.assert_allclose(
        score(values, sector_codes=lonely, orientation=1, **CHOICES), score(values, sector_codes=pooled, orientation=1, **CHOICES)
    )


@pytest.mark.parametrize(
    "values",
    [np.full(20, 0.1), np.repeat([0.1, 0.3], 10), np.where(np.arange(20) < 9, np.arange(20.0), np.nan), np.full(20, np.nan)],
    ids=["constant", "constant within sectors", "too few names", "no name"],
)
def test_without_dispersion_or_names_a_session_has_no_scores(values):
    codes = np.repeat([0, 1], 10)
    assert np.isnan(score(values[None, :], sector_codes=codes, orientation=1, **CHOICES)).all()


def test_many_factors_are_scored_as_each_alone():
    values, codes = exposures_of()
    scores = score_all({"a": values, "b": -2.0 * values}, {"a": 1, "b": -1}, sector_codes=codes, **CHOICES)
    np.testing.assert_array_equal(scores["a"], score(values, sector_codes=codes, orientation=1, **CHOICES))
    np.testing.assert_allclose(scores["b"], scores["a"], atol=1e-12)


def test_sectors_are_numbered_by_name_and_none_is_marked():
    np.testing.assert_array_equal(sector_codes(["Tech", None, "Energy", "", "Tech"]), [1, NO_SECTOR, 0, NO_SECTOR, 1])


def test_wrong_choices_are_refused():
    values, codes = exposures_of()
    with pytest.raises(ValueError, match="orientation is 0"):
        score(values, sector_codes=codes, orientation=0, **CHOICES)
    with pytest.raises(ValueError, match=r"winsorise is 0\.5"):
        score(values, sector_codes=codes, orientation=1, **{**CHOICES, "winsorise": 0.5})


def test_no_sessions_and_no_symbols_are_no_error():
    none = np.zeros(0, dtype=np.int64)
    assert score(np.zeros((0, 3)), sector_codes=np.zeros(3, dtype=np.int64), orientation=1, **CHOICES).shape == (0, 3)
    assert score(np.zeros((3, 0)), sector_codes=none, orientation=1, **CHOICES).shape == (3, 0)
