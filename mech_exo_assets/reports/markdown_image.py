"""A figure as an image in Markdown, as Dagster's asset pages show it.

What belongs here: making the empty figure and encoding the drawn one. What does not: what is drawn (`figures`, `factor_page`).
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, outside of pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def as_markdown(figure: Figure, text: str) -> str:
    """The figure as a PNG inside a Markdown image; `text` says what it shows, for those who cannot see it."""
    from PIL import Image

    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    # A palette takes a third of the room, and these images stand in Dagster's event log. The octree keeps pale colours of small areas,
    # which the median cut makes grey.
    Image.open(drawn).convert("RGB").quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        buffer, format="png", optimize=True
    )
    return f"![{text}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
