"""Pictures of explanations: they follow their tables, stay readable with long names, and say so in words where there is nothing to draw."""

from __future__ import annotations

import base64
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.explain import Explained, SessionExplained, explain, explain_session, in_use, loaded, overall
from mech_exo_assets.reports import learning_explained
from mech_exo_assets.reports.learning_explained import (
    NOTHING,
    dependence,
    importances_by_fold,
    interactions,
    shown_value,
    waterfall,
)
from mech_exo_assets.schemas import DEPENDENCE, EXPLANATIONS, INTERACTIONS
from mech_exo_tests.quant.explain.planted import dataset, models_table

LONG = "interaction_maximum_daily_return_cross_sectional_dispersion"
NAMES = {"f01": LONG, "f04": "rank_momentum_12_1"}


@cache
def tables() -> tuple[Explained, SessionExplained]:
    """Explanations of three small trainings, with some features under long names."""
    data = dataset(40, seed=3)
    models = models_table(data)
    found = explain(models, lambda first, last: data.lazy().filter(pl.col("date") >= first, pl.col("date") <= (last or data["date"].max())))
    session = data.filter(pl.col("date") == data["date"].max())
    return found, explain_session(session, loaded(in_use(models, session["date"][0])), "S07", weights={"lightgbm": 0.5, "xgboost": 0.5})


def renamed(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return frame.with_columns(pl.col(columns).replace(NAMES))


def importance_rows() -> pl.DataFrame:
    return renamed(tables()[0].importances, "feature")


def dependence_rows() -> pl.DataFrame:
    return renamed(tables()[0].dependence, "feature")


def interaction_rows() -> pl.DataFrame:
    return renamed(tables()[0].interactions, "first", "second")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are drawn."""
    kept: list[Any] = []

    def keep(figure: Any, text: str) -> str:
        kept.append(figure)
        return text

    monkeypatch.setattr(learning_explained, "as_markdown", keep)
    return kept


DRAWINGS = [
    pytest.param(lambda: importances_by_fold(importance_rows(), "lightgbm"), id="importances"),
    pytest.param(lambda: importances_by_fold(importance_rows().filter(pl.col("fold") == 2), "ridge"), id="one training"),
    pytest.param(lambda: dependence(dependence_rows(), "xgboost"), id="dependence"),
    pytest.param(lambda: interactions(interaction_rows(), "xgboost"), id="interactions"),
    pytest.param(lambda: waterfall(tables()[1], "lightgbm"), id="waterfall"),
]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_each_picture_is_a_png_with_a_text_for_those_who_cannot_see_it(draw: Any):
    text, data = draw().removeprefix("![").removesuffix(")").split("](data:image/png;base64,")
    assert text
    assert base64.b64decode(data).startswith(b"\x89PNG")


@pytest.mark.parametrize("draw", DRAWINGS)
def test_no_word_of_a_picture_is_cut_off(drawn: list[Any], draw: Any):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    draw()
    (figure,) = drawn
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    words, paper = figure.get_tightbbox(canvas.get_renderer()), figure.bbox_inches
    assert words.width > 0.8 * paper.width
    assert min(words.x0, words.y0) >= 0.0
    assert words.x1 <= paper.x1
    assert words.y1 <= paper.y1


def test_bars_are_the_mean_shares_and_cells_hold_the_ranks(drawn: list[Any]):
    importances_by_fold(importance_rows(), "lightgbm", top=5)
    (figure,) = drawn
    bars, cells = figure.axes[:2]
    expected = overall(importance_rows().filter(model="lightgbm")).head(5)
    assert [label.get_text() for label in bars.get_yticklabels()] == expected["feature"].to_list()
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([100 * share for share in expected["share"]])
    rows = importance_rows().filter(model="lightgbm")
    for text in cells.texts:
        column, line = text.get_position()
        of_cell = rows.filter(feature=expected["feature"][int(line)], fold=int(column) + 1)
        assert text.get_text() == str(of_cell["rank"].item())
    assert len(cells.texts) == 15


def test_many_trainings_have_no_numbers_in_their_cells(drawn: list[Any]):
    one = importance_rows().filter(pl.col("model") == "ridge", pl.col("fold") == 1)
    many = pl.concat([one.with_columns(fold=pl.lit(fold, pl.Int32)) for fold in range(1, 43)])
    importances_by_fold(many, "ridge")
    cells = drawn[0].axes[1]
    assert not cells.texts
    assert len(cells.get_xticks()) <= 20


def test_every_feature_has_a_panel_with_its_bins_and_its_missing_values(drawn: list[Any]):
    dependence(dependence_rows(), "lightgbm")
    panels = [axes for axes in drawn[0].axes if axes.get_visible()]
    rows = dependence_rows().filter(model="lightgbm")
    assert [axes.get_title() for axes in panels] == rows["feature"].unique(maintain_order=True).to_list()
    for axes in panels:
        own = rows.filter(feature=axes.get_title())
        dots = np.concatenate([line.get_ydata() for line in axes.lines if line.get_marker() in ("o", "D")])
        assert sorted(dots) == pytest.approx(sorted(own["contribution"]))
        if own["category"].null_count() == own.height:
            missing = next(line for line in axes.lines if line.get_marker() == "D")
            assert missing.get_xdata()[0] > own["high"].max()
            assert "missing" in [text.get_text() for text in axes.texts]


def test_a_feature_that_is_never_known_and_a_constant_one_are_drawn(drawn: list[Any]):
    rows = [
        ("m", "never", 0, None, None, None, 0.1, 0.0, 5),
        ("m", "constant", 1, 2.0, 2.0, None, 0.1, 0.0, 4),
        ("m", "constant", 0, None, None, None, 0.2, 0.0, 1),
    ]
    dependence(pl.DataFrame(rows, schema=DEPENDENCE.dtypes(), orient="row"), "m")
    assert [axes.get_title() for axes in drawn[0].axes if axes.get_visible()] == ["never", "constant"]


def test_interactions_are_bars_of_the_strongest_pairs(drawn: list[Any]):
    interactions(interaction_rows(), "lightgbm", top=4)
    (axes,) = drawn[0].axes
    rows = interaction_rows().filter(model="lightgbm").sort("strength", descending=True).head(4)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(rows["strength"].to_list())
    assert axes.get_yticklabels()[0].get_text() == "rank_momentum_12_1\n× f07"


def test_a_waterfall_leads_from_the_base_to_the_prediction(drawn: list[Any]):
    found = tables()[1].of("xgboost")
    text = waterfall(tables()[1], "xgboost", top=3)
    assert f"rank {found.rank} of 30" in text
    (axes,) = drawn[0].axes
    steps = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert len(steps) == 4
    assert steps[0][0] == pytest.approx(found.base)
    for (start, step), (after, _) in pairwise(steps):
        assert start + step == pytest.approx(after)
    assert sum(steps[-1]) == pytest.approx(found.prediction, abs=1e-5)
    assert axes.get_yticklabels()[-1].get_text() == "10 more"
    assert axes.get_yticklabels()[0].get_text().startswith(f"{found.contributions['feature'][0]} = ")


def test_values_are_shown_as_people_read_them():
    assert [shown_value(1.23456, None), shown_value(None, None), shown_value(None, "Tech")] == ["1.23", "missing", "Tech"]


def test_nothing_to_draw_is_said_in_words():
    assert importances_by_fold(EXPLANATIONS.empty(), "m") == NOTHING
    assert dependence(DEPENDENCE.empty(), "m") == NOTHING
    assert interactions(INTERACTIONS.empty(), "ridge") == "ridge has no interactions."
