"""Reads a page of a report as a browser would: elements, tables and figures by their id."""

import base64
import json
from html.parser import HTMLParser
from typing import Any

import numpy as np

VOID = {"meta", "link", "img", "br", "hr", "input", "base"}


class Page(HTMLParser):
    """The elements of a page.

    Attributes
    ----------
    elements : list of (tag, attributes)
    tables : dict of str to list of rows, each a list of cell texts
    data : dict of str to text of a script that has an id
    texts : text of the page without scripts and styles
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.data: dict[str, str] = {}
        self.texts = ""
        self.cards: dict[str, str] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._table: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append((tag, attributes))
        if tag == "table":
            self._table = self.tables.setdefault(attributes.get("id") or "", [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if "script" in tags:
            name = self._open[-1][1].get("id")
            if name:
                self.data[name] = self.data.get(name, "") + data
            return
        if "style" in tags:
            return
        self.texts += data
        if tags and tags[-1] in ("td", "th"):
            self._table[-1][-1] += data
        if tags and tags[-1] == "span" and self._open[-1][1].get("class") == "large":
            metric = next(attributes["data-metric"] for _, attributes in reversed(self._open) if "data-metric" in attributes)
            self.cards[str(metric)] = data

    def figure(self, name: str) -> dict[str, Any]:
        """The Plotly figure that the page draws under a name."""
        return json.loads(self.data[f"{name}-data"])


def numbers(values: Any) -> np.ndarray:
    """Numbers of a Plotly trace, which are a list or packed."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return np.array(values, dtype=float)
