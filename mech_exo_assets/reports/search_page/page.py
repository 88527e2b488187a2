"""The newest weight search as one HTML page.

What belongs here: what stands on the page, and what it is put together from. What does not: any one picture or sentence.

The page needs no network and asks for none: Plotly, style and data are inside it, and its content security policy forbids the rest.
"""

from __future__ import annotations

from mech_exo_assets.reports.formats import NOT_DEFINED
from mech_exo_assets.reports.rendering import render
from mech_exo_assets.reports.search_page import figures, words
from mech_exo_assets.reports.search_page.content import SearchContent
from mech_exo_assets.reports.web_page import shared
from mech_exo_assets.reports.web_page.drawing import Table


def search_page(content: SearchContent) -> str:
    """One HTML page, complete in itself, about a weight search.

    Parameters
    ----------
    content : SearchContent
        From `gather`, or put together by hand.

    Returns
    -------
    str
        About 5 MB, of which Plotly is 4.8.
    """
    failed = content.trials.filter(state="failed").height
    return render(
        "mech_exo_assets.reports.search_page",
        "page.html",
        content=content,
        **shared(),
        not_defined=NOT_DEFINED,
        failed=failed,
        verdict=words.verdict(content),
        in_search=words.in_search(content),
        on_holdout=words.on_holdout(content),
        growth=figures.growth(content),
        comparison=words.comparison(content),
        overfitting=words.overfitting(content),
        weights=figures.weights(content),
        shrinkage=figures.shrinkage(content),
        pareto=figures.pareto(content),
        front=words.front(content),
        parallel=figures.parallel_coordinates(content),
        history=figures.history(content),
        importances=figures.importances(content),
        searches=words.searches(content),
        versions=Table.of(["table", "version"], [[key, str(version)] for key, version in content.versions.items()]),
    )
