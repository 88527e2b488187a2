"""What all pictures and tables of a page have in common.

What belongs here: palette, axes, and the two things that the template places: `Drawing` and `Table`. What does not: any one picture.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Okabe and Ito (2008): told apart by colour-blind readers, and each has a dash or a place of its own besides.
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = "#0072b2", "#d55e00", "#009e73", "#aa4499", "#56b4e9", "#e0a800"
INK, GREY, LINE = "#1c2733", "#5b6672", "#d9dee3"
GAIN, LOSS = BLUE, ORANGE
DIVERGING = [[0.0, ORANGE], [0.5, "#ffffff"], [1.0, BLUE]]

_STEPS = (
    tuple(1 + i / 100 for i in range(900)),
    tuple(1 + i / 20 for i in range(180)),
    tuple(1 + i / 10 for i in range(90)),
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 4, 5, 7),
    (1, 2, 5),
    (1,),
)
"""Ticks within a decade, from the finest on: the first that gives few enough is taken."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One Plotly figure as JSON, its height in pixels, and what it shows in a sentence, for those who cannot see it."""

    name: str
    json: str
    height: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, and how strongly it is tinted, from -1 (loss) to 1 (gain); None is no tint."""

    text: str
    tint: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table: heads and rows; the first `text_columns` columns are text, all others are numbers and stand to the right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    text_columns: int = 1

    @classmethod
    def of(cls, heads: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1) -> Table:
        """A table of plain texts."""
        return cls(heads, [[Cell(text) for text in row] for row in rows], text_columns)


def drawing(name: str, figure: go.Figure, *, height: int, meaning: str, **layout: Any) -> Drawing:
    """A figure with the page's looks, as something that the template can place."""
    figure.update_layout(
        height=height,
        template="none",
        font={"family": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 12, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 12, "r": 12, "t": 36 if layout.get("showlegend", True) else 8, "b": 12},
        hovermode="x unified",
        hoverlabel={"bgcolor": "#ffffff", "bordercolor": LINE},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_layout(**layout)
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(automargin=True, gridcolor=LINE, zeroline=False, linecolor=GREY, title_font_size=12, title_standoff=8)
    # "<" would let a name end the script that carries the figure.
    return Drawing(name, figure.to_json().replace("<", "\\u003c"), height, meaning)


def days(dates: pl.Series) -> list[str]:
    """Sessions as Plotly reads them."""
    return dates.dt.to_string("%Y-%m-%d").to_list()


def plain(names: Sequence[str]) -> list[str]:
    """Names as labels: Plotly takes a few HTML tags in its texts, and a name is never one."""
    return [html.escape(name) for name in names]


def growth_axis(values: pl.Series) -> dict[str, Any]:
    """A logarithmic axis whose ticks are written out: 0.5, 1, 2, not powers."""
    low, high = float(values.min()) / 1.02, float(values.max()) * 1.02  # ty: ignore[invalid-argument-type]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _STEPS:
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) <= 9:
            break
    if len(shown) < 3 or high < 3 * low:
        # Within a narrow range even steps are read best; around a power of ten those of its two sides would differ.
        step = next(each for each in (d * 10.0**e for e in range(-6, 7) for d in (1, 2, 5)) if (high - low) / each <= 7)
        shown = [at * step for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return {"type": "log", "tickvals": shown, "ticktext": [f"{tick:g}" for tick in shown]}
