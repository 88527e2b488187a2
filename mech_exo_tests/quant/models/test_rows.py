from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.models import rows as module
from mech_exo_assets.quant.models.fitted import Features
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_tests.quant.models.panels import business_days, planted

FRAME = planted(40, 12, seed=1)
FEATURES = Features.of(FRAME.columns, FRAME["sector"].to_list(), with_sector=True)


def rows_of(frame, sampled=None):
    return TrainingRows.of([frame], FEATURES, sampled=business_days(40) if sampled is None else sampled)


def test_rows_are_read_back_as_they_were_in_order_of_session_and_symbol():
    with rows_of(FRAME.sample(fraction=1.0, shuffle=True, seed=3)) as rows:
        np.testing.assert_array_equal(rows.read(slice(0, len(rows))), FEATURES.matrix(FRAME))
        np.testing.assert_array_equal(rows.label, FRAME["label"].to_numpy())
        np.testing.assert_array_equal(rows.starts, np.arange(0, 481, 12))


@given(st.integers(0, 39), st.integers(0, 40), st.integers(1, 200))
@settings(max_examples=25, deadline=None)
def test_pieces_of_any_size_are_whole_sessions_and_together_all_rows(first, stop, size):
    with rows_of(FRAME) as rows, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", size)
        wanted = slice(first, max(first, stop))
        pieces = list(rows.pieces(wanted))
        assert all(piece.start in rows.starts and piece.stop in rows.starts for piece, _ in pieces)
        joined = np.concatenate([np.empty((0, 7), np.float32), *(matrix for _, matrix in pieces)])
        np.testing.assert_array_equal(joined, rows.read(rows.of_sessions(wanted)))


def test_rows_without_a_label_sessions_with_one_name_and_those_not_sampled_are_left_out():
    days = business_days(40)
    frame = FRAME.with_columns(
        label=pl.when((pl.col("date") == days[3]) & (pl.col("symbol") > "S000") | (pl.col("symbol") == "S005"))
        .then(None)
        .otherwise("label")
    )
    with rows_of(frame, sampled=days[::2][:10]) as rows:
        assert list(rows.sessions) == list(days[::2][:10])
        assert len(rows) == 110
    with rows_of(frame) as rows:
        assert days[3] not in rows.sessions


def test_the_digest_of_a_session_moves_with_any_of_its_numbers_and_with_no_other():
    changed = FRAME.with_columns(score_2=pl.when(pl.col("date") == business_days(40)[7]).then(0.5).otherwise("score_2").cast(pl.Float32))
    with rows_of(FRAME) as before, rows_of(changed) as after:
        assert [a == b for a, b in zip(before.digests, after.digests, strict=True)] == [at != 7 for at in range(40)]


def test_years_of_pieces_give_the_same_rows_as_one_frame():
    half = FRAME["date"].unique().sort()[20]
    with (
        rows_of(FRAME) as whole,
        TrainingRows.of(
            [FRAME.filter(pl.col("date") < half), FRAME.filter(pl.col("date") >= half)], FEATURES, sampled=business_days(40)
        ) as parts,
    ):
        assert whole.digests == parts.digests
        np.testing.assert_array_equal(whole.starts, parts.starts)


def test_an_unknown_sector_and_a_missing_value_are_nan():
    matrix = FEATURES.matrix(FRAME.head(3).with_columns(sector=pl.Series(["sector 1", "new", None]), score_0=pl.lit(None, pl.Float32)))
    assert matrix[0, -1] == 1.0
    assert np.isnan(matrix[1:, -1]).all()
    assert np.isnan(matrix[:, 0]).all()
