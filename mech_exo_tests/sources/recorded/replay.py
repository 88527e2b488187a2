"""Recorded answers in the place of yfinance's HTTP layer; everything above it stays yfinance's own."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ANSWERS: dict[str, Any] = json.loads(Path(__file__).with_name("yahoo_chart.json").read_text(encoding="utf-8"))
YFINANCE_AND_PANDAS = "ignore:The inplace keyword:pandas.errors.Pandas4Warning"
"""yfinance 1.7 sorts in place, which pandas 3.1 deprecates; not ours to mend."""
TICKERS = [ticker for ticker in ANSWERS if ticker != "NOSUCH"]


class _Response:
    def __init__(self, content: Any) -> None:
        self.text = json.dumps(content)

    def json(self) -> Any:
        return json.loads(self.text)


class _NoCache:
    """yfinance's memory of time zones, which it would keep in a file of the user's."""

    def lookup(self, _key: str) -> None:
        return None

    def store(self, _key: str, _value: object) -> None:
        return None


def replayed(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Answer every request for a chart from the recording, after `change` was made to a copy of it."""
    import yfinance.base
    from yfinance.data import YfData

    answers = copy.deepcopy(ANSWERS)
    if change:
        change(answers)

    def get(_: YfData, url: str, *__: object, **___: object) -> _Response:
        answer = answers[url.rpartition("/v8/finance/chart/")[2]]
        if isinstance(answer, Exception):
            raise answer
        return _Response(answer)

    monkeypatch.setattr(YfData, "get", get)
    monkeypatch.setattr(YfData, "cache_get", get)
    monkeypatch.setattr(yfinance.base.cache, "get_tz_cache", _NoCache)
