"""The newest weight search on one HTML page that needs no network.

What belongs here: what is shown and how. What does not: computing any of it (`quant.weights`), and where the page is put (`cli`).
"""

from __future__ import annotations

from mech_exo_assets.reports.search_page.content import SearchContent, gather, versions_of_one_search
from mech_exo_assets.reports.search_page.page import search_page

__all__ = ["SearchContent", "gather", "search_page", "versions_of_one_search"]
