"""What pages are put together from: sections, badges, tables, grids, pictures, and what stands where there is nothing.

What belongs here: looks that are the same on every page, and what makes them usable by keyboard and screen reader. What does not: any
number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dash_ag_grid as dag
from dash import dcc, html

from mech_exo_assets.dashboard.view import NO_DATA, View
from mech_exo_assets.reports.formats import NOT_DEFINED

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl
    from dash.development.base_component import Component

_COLOURS = {
    "OK": "ok",
    "WARN": "warn",
    "BREACH": "breach",
    NO_DATA: "none",
    "healthy": "ok",
    "recovered": "ok",
    "watch": "warn",
    "decayed": "breach",
    "unproven": "none",
    "SUCCESS": "ok",
    "FAILURE": "breach",
    "CANCELED": "warn",
    "passed": "ok",
    "failed": "breach",
    "not judged": "none",
    "verified": "ok",
    "BROKEN": "breach",
}
"""Looks of each status; one that is not here looks like news without a judgement."""

Child = Any


_SHORT = 24
"""Characters of a text that is not broken into lines."""


def badge(word: str, *, name: str | None = None, about: str = "") -> Component:
    """A status by colour and word; `about` is what a screen reader says before it."""
    more: dict[str, Any] = {} if name is None else {"id": name}
    spoken = [html.Span(f"{about}: ", className="visually-hidden")] if about else []
    return html.Span([*spoken, word], className=f"badge badge-{_COLOURS.get(word, 'news')}", **more)


def section(title: str, *children: Child, name: str, caption: Child = None, wide: bool = False) -> Component:
    """A part of a page with a heading, and under it where its numbers come from."""
    inside = [html.H2(title, id=f"{name}-title"), *children]
    if caption is not None:
        inside.append(html.P(caption, className="caption", id=f"{name}-caption"))
    spoken: dict[str, Any] = {"aria-labelledby": f"{name}-title"}
    return html.Section(inside, id=name, className="card wide" if wide else "card", **spoken)


def origin(view: View, *keys: str, as_of: object = None) -> str:
    """As of when, and from which version of which table: stands under every number."""
    held = {} if view.mart is None else view.mart.tables
    parts = [f"{key} version {held[key].version}" for key in keys if key in held]
    until = [] if as_of is None else [f"as of {as_of}"]
    newest = max((held[key].published_at for key in keys if key in held), default=None)
    published = [] if newest is None else [f"published {moment(newest)}"]
    return " · ".join([*until, ", ".join(parts), *published] if parts else until)


def nothing(what: str, how: str, *, command: str | None = None) -> Component:
    """What is missing, and how to get it."""
    said: list[Child] = [html.Strong(what), " ", how]
    if command is not None:
        said += [" ", html.Code(command)]
    return html.P(said, className="nothing", role="note")


def facts(pairs: Mapping[str, Child]) -> Component:
    """Names and values, one under the other."""
    rows = [html.Div([html.Dt(name), html.Dd(value)], className="fact") for name, value in pairs.items()]
    return html.Dl(rows, className="facts")


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Child]], *, label: str, numbers: Sequence[int] = (), name: str | None = None
) -> Component:
    """A table; columns named in `numbers` stand to the right. It scrolls by itself where a screen is too narrow for it."""
    align: list[dict[str, Any]] = [{"className": "number"} if at in numbers else {} for at in range(len(heads))]
    head = html.Thead(html.Tr([html.Th(text, scope="col", **align[at]) for at, text in enumerate(heads)]))
    body = html.Tbody([html.Tr([html.Td(value, **(align[at] or _unbroken(value))) for at, value in enumerate(row)]) for row in rows])
    more: dict[str, Any] = {} if name is None else {"id": name}
    spoken: dict[str, Any] = {"aria-label": label}
    inside = html.Table([html.Caption(label, className="visually-hidden"), head, body], **more)
    return html.Div(inside, className="scrolls", tabIndex=0, role="region", **spoken)


def grid(name: str, frame: pl.DataFrame, columns: Sequence[Mapping[str, Any]], *, label: str, page: int | None = None) -> Component:
    """A table that can be sorted and filtered.

    Parameters
    ----------
    name : str
        Of the element, for scripts and tests.
    frame : DataFrame
    columns : sequence of mapping
        As AG Grid takes them; `field` is a column of `frame`.
    label : str
        For a screen reader.
    page : int, optional
        Rows at a time; by default all.
    """
    rows = [{field: _plain(value) for field, value in row.items()} for row in frame.iter_rows(named=True)]
    options: dict[str, Any] = {
        "domLayout": "autoHeight",
        "suppressColumnVirtualisation": True,
        "enableCellTextSelection": True,
        "ensureDomOrder": True,
        "pagination": page is not None and len(rows) > page,
        "suppressFieldDotNotation": True,
    }
    if page is not None:
        options |= {"paginationPageSize": page, "paginationPageSizeSelector": False}
    return html.Div(
        dag.AgGrid(
            id=name,
            rowData=rows,
            columnDefs=[{"headerName": str(each["field"]).replace("_", " "), **each} for each in columns],
            defaultColDef={"sortable": True, "resizable": True, "filter": True, "suppressHeaderMenuButton": True},
            columnSize="autoSize",
            dashGridOptions=options,
            style={"height": None},
        ),
        role="region",
        className="grid",
        **{"aria-label": label},
    )


def as_number(form: str) -> dict[str, Any]:
    """What makes a column of a grid one of numbers, in a format of d3; what is not known is a dash."""
    shown = f"params.value == null ? '{NOT_DEFINED}' : d3.format('{form}')(params.value)"
    return {"type": "numericColumn", "valueFormatter": {"function": shown}}


def as_table(*what: Component) -> Component:
    """The numbers of a picture as a table, for whoever opens it."""
    return html.Details([html.Summary("As a table"), *what])


def picture(name: str, figure: go.Figure, meaning: str) -> Component:
    """A plot that can be looked at closely and downloaded, and what it shows in a sentence."""
    return html.Figure(
        [
            dcc.Graph(
                id=name,
                figure=figure,
                config={
                    "displaylogo": False,
                    "responsive": True,
                    "toImageButtonOptions": {"format": "png", "filename": name, "scale": 2},
                    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
                },
                style={"height": f"{figure.layout.height}px"},
            ),
            html.Figcaption(meaning),
        ],
        className="picture",
    )


def link(text: Child, address: str, *, out: bool = False) -> Component:
    """A link within the dashboard, or, with `out`, to another of the platform's servers."""
    if out:
        return html.A(text, href=address, target="_blank", rel="noopener noreferrer")
    return dcc.Link(text, href=address)


def grid_of(*sections: Component, broad: bool = False) -> Component:
    """Sections beside each other where there is room; `broad` ones take more of it."""
    return html.Div(list(sections), className="sections broad" if broad else "sections")


def page(title: str, *children: Child, lead: Child = None) -> Component:
    """A whole page."""
    head = [html.H1(title, tabIndex=-1, id="page-title")] + ([] if lead is None else [html.P(lead, className="lead")])
    return html.Article([*head, *children])


def moment(time: dt.datetime | None) -> str:
    """A time in UTC, to the minute."""
    return "" if time is None else time.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def age(seconds: float) -> str:
    """How long ago, in the largest unit that fits."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{int(max(seconds, 0))} s"


def _unbroken(value: Child) -> dict[str, Any]:
    """A date or a short name stays on one line; the table scrolls sooner."""
    return {"className": "short"} if isinstance(value, str) and len(value) <= _SHORT else {}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value
