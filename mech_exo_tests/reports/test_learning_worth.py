"""Pictures of the machine-learned factor's worth: they follow their tables, and say so in words where there is nothing to draw."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.learning import blend_table
from mech_exo_assets.reports import learning_worth
from mech_exo_assets.reports.learning_worth import NO_DECISION, NO_SESSION, blend_over_time, cumulative_ic
from mech_exo_assets.schemas import BLEND
from mech_exo_tests.quant.learning.world import HORIZON, strategy, world

CHOSEN = strategy()
JUDGED = world(sessions=500, skill=0.15).judge(CHOSEN)
IC, DECIDED = JUDGED.ic_table(), blend_table(JUDGED, CHOSEN)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Axes of the figures that are drawn."""
    kept: list[Any] = []

    def keep(figure: Any, text: str) -> str:
        kept.extend(figure.axes)
        return text

    monkeypatch.setattr(learning_worth, "as_markdown", keep)
    return kept


def blend_picture(table: pl.DataFrame = DECIDED) -> str:
    return blend_over_time(table, margin=CHOSEN.learning.gate.ic, maximum=CHOSEN.learning.blend.maximum)


@pytest.mark.parametrize("markdown", [lambda: cumulative_ic(IC, HORIZON), blend_picture], ids=["ic", "blend"])
def test_each_picture_is_a_png_with_a_text_for_those_who_cannot_see_it(markdown: Any):
    text, data = markdown().removeprefix("![").removesuffix(")").split("](data:image/png;base64,")
    assert text
    assert base64.b64decode(data).startswith(b"\x89PNG")


def test_there_is_a_line_for_each_model_that_ends_at_its_sum_over_the_horizon(drawn: list[Any]):
    cumulative_ic(IC, HORIZON)
    lines = [line for line in drawn[0].get_lines() if not line.get_label().startswith("_")]
    for line, (model, ic) in zip(lines, JUDGED.ic.items(), strict=True):
        known = ic[~np.isnan(ic)]
        name = "composite with it" if model == "blended" else model
        assert line.get_label().startswith(name)
        assert line.get_label().endswith(f": {known.mean():+.4f}")
        assert line.get_ydata()[-1] == pytest.approx(known.sum() / HORIZON)


def test_the_weight_is_drawn_as_decided_and_the_refusals_are_shaded(drawn: list[Any]):
    assert blend_picture().endswith(f"{100 * DECIDED['weight'][-1]:g} % at the end")
    above, below = drawn
    (line,) = [line for line in above.get_lines() if line.get_label() == "weight of ml_alpha"]
    np.testing.assert_allclose(line.get_ydata(), 100 * DECIDED["weight"].to_numpy())
    passed = DECIDED["gate_passed"].to_list()
    refusals = sum(not now and before for now, before in zip(passed, [True, *passed[:-1]], strict=True))
    assert 0 < refusals == len(above.patches) == len(below.patches)


def test_a_single_decision_without_any_known_session_is_drawn(drawn: list[Any]):
    blend_picture(DECIDED.head(1))
    low, high = drawn[1].get_ylim()
    assert low < 0 < CHOSEN.learning.gate.ic < high


def test_a_bound_far_below_does_not_flatten_the_gains(drawn: list[Any]):
    far = DECIDED.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(-50.0).otherwise("gate_low").alias("gate_low"))
    blend_picture(far)
    assert drawn[1].get_ylim()[0] > -1


def test_where_there_is_nothing_to_draw_a_sentence_says_why():
    assert cumulative_ic(IC.clear(), HORIZON) == NO_SESSION
    assert blend_picture(BLEND.empty()) == NO_DECISION
