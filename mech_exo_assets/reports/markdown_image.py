"""A figure as an image in Markdown, as Dagster's asset pages show it.

What belongs here: making the empty figure and encoding the drawn one. What does not: what is drawn (`figures`, `factor_page`).
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_COLOURS = 128


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, outside of pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def as_markdown(figure: Figure, text: str) -> str:
    """The figure as a PNG inside a Markdown image; `text` says what it shows, for those who cannot see it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas, buffer = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    # A palette takes a third of the room, and these images stand in Dagster's event log. Harder packing would save a twelfth of it, and
    # take as long as the drawing.
    with_palette(np.asarray(canvas.buffer_rgba())).save(buffer, format="png")
    return f"![{text}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"


def with_palette(pixels: NDArray[np.uint8]) -> Image:
    """The picture in the few colours that change it least: pale areas stay exactly as they are, and no thin line loses its hue.

    The colour that is chosen next is the one whose pixels are off the most, summed over them as the squared distance to the nearest colour
    so far.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 4), uint8
        Red, green, blue and opacity; the last is not looked at.
    """
    from PIL import Image

    drawn = Image.fromarray(pixels).convert("RGB")
    # In a fixed order, so that the same picture always gets the same palette.
    counted = sorted((int(count), colour) for count, colour in drawn.getcolors(drawn.width * drawn.height) or [])
    counts = np.array([count for count, _ in counted], dtype=np.float64)
    colours = np.array([colour for _, colour in counted], dtype=np.float64)
    off = np.full(len(colours), np.inf)
    nearest = np.zeros(len(colours), np.uint8)
    chosen: list[int] = []
    while len(chosen) < _COLOURS and off.any():
        chosen.append(int((off * counts).argmax()))
        distance = ((colours - colours[chosen[-1]]) ** 2).sum(axis=1)
        nearer = distance < off
        nearest[nearer] = len(chosen) - 1
        off[nearer] = distance[nearer]
    number = np.zeros(1 << 24, np.uint8)
    number[_codes(colours.astype(np.uint32))] = nearest
    image = Image.fromarray(number[_codes(np.asarray(drawn, np.uint32))])
    image.putpalette(colours[chosen].astype(np.uint8).tobytes())
    return image


def _codes(colours: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return (colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]).astype(np.uint32, copy=False)
