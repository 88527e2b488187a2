"""QuantStats as it has to be called: its import, its looks, its warnings.

What belongs here: everything that keeps QuantStats from changing this process. What does not: what is asked of it.

QuantStats sets matplotlib's global style when it is imported, draws with pyplot, and was written for older versions of pandas, matplotlib
and seaborn.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager

FONT = "DejaVu Sans"
"""Comes with matplotlib, so that a figure is the same on every machine; QuantStats asks for Arial."""
# QuantStats' own theme (quantstats._plotting.core), which it sets only once, at import.
_LOOKS = {
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.5,
    "text.color": "#333333",
    "xtick.color": "#666666",
    "ytick.color": "#666666",
}
# Deprecations of what QuantStats and seaborn call, not of what we call; none of them changes a number. The year labels that the second one
# is about are set right in `figures`.
_WARNINGS = (
    ("The inplace keyword in DataFrame.rename is deprecated", DeprecationWarning, r"quantstats\.reports"),
    (r"set_ticklabels\(\) should only be used with a fixed number of ticks", UserWarning, r"quantstats\._plotting\.core"),
    ("The set_bad function will be deprecated", PendingDeprecationWarning, r"seaborn\.matrix"),
)


@contextmanager
def quantstats_at_work() -> Generator[None]:
    """Within the block QuantStats can be imported and called; after it matplotlib is as it was, with its backend and its style."""
    import matplotlib as mpl

    backend = mpl.get_backend(auto_select=False)
    # Without a display, and without a window where there is one.
    mpl.use("Agg")
    try:
        with mpl.rc_context(), warnings.catch_warnings():
            for message, category, module in _WARNINGS:
                warnings.filterwarnings("ignore", message=message, category=category, module=module)
            import quantstats  # noqa: F401
            import seaborn as sns

            sns.set_theme(font=FONT, font_scale=1.1, rc=_LOOKS)
            # Names of parts of a picture would otherwise be random.
            mpl.rcParams["svg.hashsalt"] = "mech-exo"
            # Text as text: drawn in half the time, and found by a search in the PDF.
            mpl.rcParams["svg.fonttype"] = "none"
            yield
    finally:
        if backend is not None:
            mpl.use(backend)
