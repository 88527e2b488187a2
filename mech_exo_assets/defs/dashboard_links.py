"""The dashboard's page about each asset, as a link on the asset's page in the Dagster UI.

What belongs here: which page shows which asset. What does not: the pages (`dashboard.pages`).
"""

from __future__ import annotations

import dagster as dg

DASHBOARD = "dashboard"
"""Name of the metadata."""

_BY_GROUP = {
    "market": "/",
    "factors": "/factors",
    "decay": "/factors",
    "weights": "/weights",
    "learning": "/learning",
    "strategy": "/strategy",
    "live": "/",
    "lifecycle": "/lifecycle",
    "reporting": "/reports",
    "operations": "/reports",
}


def with_dashboard_link(spec: dg.AssetSpec, *, url: str, pages: frozenset[str]) -> dg.AssetSpec:
    """The spec of an asset with a link to the page that shows it.

    Parameters
    ----------
    spec : AssetSpec
    url : str
        Address of the dashboard.
    pages : frozenset of str
        Factors with a page of their own: `decay/<factor>` leads to it.
    """
    group, name = spec.key.path[0], spec.key.path[-1]
    path = f"/factors/{name}" if group == "decay" and name in pages else _BY_GROUP[group]
    return spec.merge_attributes(metadata={DASHBOARD: dg.MetadataValue.url(f"{url.rstrip('/')}{path}")})
