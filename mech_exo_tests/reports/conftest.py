"""What the tests of alerts share: a server that takes what is posted, reached without a proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mech_exo_tests.reports.slack import Slack, listening


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def slack() -> Iterator[Slack]:
    with listening() as state:
        yield state
