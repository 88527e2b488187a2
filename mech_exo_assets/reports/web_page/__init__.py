"""What all pages of HTML share: looks, palette, and how a figure and a table are placed.

What belongs here: `drawing`, the style sheet, the script that draws, and the template's parts. What does not: any one page (`tear_sheet`,
`search_page`).
"""

from __future__ import annotations

from mech_exo_assets.reports.rendering import text_of


def shared() -> dict[str, str]:
    """Style, script and Plotly's own library, by the names under which a page's template wants them."""
    from plotly.offline import get_plotlyjs

    return {"style": text_of(__name__, "page.css"), "script": text_of(__name__, "page.js"), "plotly": get_plotlyjs()}
