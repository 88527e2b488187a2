import base64
import socket
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import Any

import numpy as np
import pytest

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.reports.quantstats_report import figures as report_figures
from mech_exo_assets.reports.quantstats_report import pdf_of_backtest, quantstats_pdf
from mech_exo_assets.reports.quantstats_report.library import quantstats_at_work
from mech_exo_assets.reports.quantstats_report.tables import in_two_columns
from mech_exo_tests.reports.books import WRITTEN, book

pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")

Report = Callable[..., str]


def _pdf(net: Any, benchmark: Any = None, **words: Any) -> bytes:
    returns = np.asarray(net, dtype=float)
    dates = np.busday_offset("2015-01-02", np.arange(len(returns)), roll="forward")
    other = np.full(len(returns), np.nan) if benchmark is None else np.asarray(benchmark, dtype=float)
    named = {"title": "A report", "benchmark_name": "SPY", "source": "sample", "written": WRITTEN, **words}
    return quantstats_pdf(returns, other, dates, **named)


def _text(document: bytes) -> str:
    pdf = pdfium.PdfDocument(document)
    try:
        pages = [page.get_textpage().get_text_range() for page in pdf]
    finally:
        pdf.close()
    # A hyphen at the end of a line comes back as U+FFFE.
    return " ".join("\n".join(pages).replace("\ufffe", "-").split())


def _random(sessions: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    benchmark = rng.normal(0.0004, 0.01, sessions)
    return 0.3 * benchmark + rng.normal(0.0003, 0.005, sessions), benchmark


@pytest.mark.parametrize(
    ("returns", "part"),
    [
        ([], "the backtest has 0 sessions, and the QuantStats report needs at least 20"),
        ([0.01, -0.01] * 9, "has 18 sessions"),
        ([0.0] * 30, "the backtest's returns are all 0, so that there is nothing to report"),
        ([0.001] * 30, "are all 0.001"),
        ([0.0, 1.5] * 15, "which QuantStats takes for prices"),
        ([0.01, np.nan] * 15, "has no return on 15 sessions"),
    ],
)
def test_what_cannot_be_reported_is_refused_with_the_reason(returns: list[float], part: str):
    with pytest.raises(InputError, match=part) as caught:
        _pdf(returns)
    assert "no report was made" in str(caught.value)


def test_without_pango_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    class Missing(MetaPathFinder):
        def find_spec(self, fullname: str, *_: object) -> None:
            if fullname == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    for name in [name for name in sys.modules if name.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(
        MechExoError, match=r"apt install libpango-1\.0-0 libpangoft2-1\.0-0 libharfbuzz-subset0; macOS: brew install pango"
    ):
        _pdf([0.01, -0.01] * 15)


def test_two_columns_keep_the_order_and_share_the_rows():
    groups = [[("a", "1")] * 3, [("b", "2")] * 4, [("c", "3")] * 6]
    assert in_two_columns(groups) == (groups[:2], groups[2:])
    assert in_two_columns(groups[:1]) == (groups[:1], [])


@pytest.fixture(scope="module")
def long_report() -> bytes:
    """Of 900 sessions; sockets are cut off, since QuantStats can ask for a benchmark."""
    net, benchmark = _random(900)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
        return _pdf(net, benchmark)


@pytest.mark.slow
def test_the_report_is_a_pdf_of_some_pages_with_title_period_and_numbered_pages(long_report: bytes):
    document = pdfium.PdfDocument(long_report)
    pages = len(document)
    width, height = document[0].get_size()
    document.close()
    assert 4 <= pages <= 8
    assert (round(width), round(height)) == (595, 842)
    assert len(long_report) < 2e6
    said = _text(long_report)
    assert "A report" in said
    assert "2015-01-02 to 2018-06-14, 900 sessions" in said
    assert f"page {pages} of {pages}" in said


@pytest.mark.slow
def test_the_numbers_are_quantstats_own(long_report: bytes):
    import pandas as pd

    net, benchmark = _random(900)
    index = pd.DatetimeIndex(np.busday_offset("2015-01-02", np.arange(900), roll="forward"))
    mine, other = pd.Series(net, index), pd.Series(benchmark, index)
    said = _text(long_report)
    with quantstats_at_work():
        from quantstats import stats

        expected = [
            f"CAGR {stats.cagr(mine, periods=252):.2%} {stats.cagr(other, periods=252):.2%}",
            f"Sharpe {stats.sharpe(mine, periods=252):.2f} {stats.sharpe(other, periods=252):.2f}",
            f"Sortino {stats.sortino(mine, periods=252):.2f} {stats.sortino(other, periods=252):.2f}",
            f"Max Drawdown −{-stats.max_drawdown(mine):.2%} −{-stats.max_drawdown(other):.2%}",
            f"Volatility (ann.) {stats.volatility(mine, periods=252):.2%} {stats.volatility(other, periods=252):.2%}",
            f"Beta {stats.greeks(mine, other, periods=252)['beta']:.2f}",
        ]
    # QuantStats writes 1.5 for 1.50.
    for sentence in expected:
        parts = [part.rstrip("%") for part in sentence.split()]
        short = " ".join(part.rstrip("0") + ("%" if "%" in full else "") for part, full in zip(parts, sentence.split(), strict=True))
        assert sentence in said or short in said, sentence
    assert f"2016 {((1 + mine[mine.index.year == 2016]).prod() - 1):.2%}".replace("-", "−") in said


@pytest.mark.slow
def test_the_same_returns_give_the_same_bytes(long_report: bytes):
    assert _pdf(*_random(900)) == long_report


@pytest.mark.slow
def test_matplotlib_is_left_as_it_was():
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    before, backend, figures = dict(mpl.rcParams), mpl.get_backend(), plt.get_fignums()
    _pdf(*_random(40))
    assert dict(mpl.rcParams) == before
    assert mpl.get_backend() == backend
    assert plt.get_fignums() == figures


@pytest.mark.slow
def test_sessions_without_a_benchmark_are_left_out_and_counted():
    net, benchmark = _random(300)
    benchmark[:40] = np.nan
    said = _text(_pdf(net, benchmark, benchmark_name="<b>A$B$</b>"))
    assert "The benchmark is not known on 40 of 300 sessions, which are left out of this report" in said
    assert "260 sessions" in said
    assert "Benchmark: <b>A$B$</b>." in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("benchmark", "part"),
    [
        (None, r"it is known on 0 sessions, and 20 are needed"),
        (np.zeros(60), "its returns do not vary"),
        (np.tile([0.0, 2.0], 30), "which QuantStats takes for prices"),
    ],
)
def test_without_a_usable_benchmark_the_report_is_about_the_strategy_alone(benchmark: np.ndarray | None, part: str):
    said = _text(_pdf(_random(60)[0], benchmark))
    assert "There is no comparison with the benchmark (SPY)" in said
    assert part in said
    assert "Treynor" not in said.partition("What is not here")[0].partition("stands for")[0]
    assert "Rolling volatility: needs 127 sessions, and there are 60." in said
    assert "Rolling beta, volatility-matched returns: there is no benchmark to compare with." in said


@pytest.mark.slow
def test_sessions_where_only_the_benchmark_moves_are_no_comparison():
    net, benchmark = _random(60)
    net[:30] = 0.0
    benchmark[30:] = np.nan
    assert "the strategy's returns do not vary on the sessions where it is known" in _text(_pdf(net, benchmark))


@pytest.mark.slow
def test_a_backtest_in_any_order_is_the_same_report():
    backtest = book(50)["strategy/backtest"]
    words = {"title": "t", "benchmark_name": "b", "source": "s", "written": WRITTEN}
    assert pdf_of_backtest(backtest.reverse(), **words) == pdf_of_backtest(backtest, **words)


@pytest.mark.slow
@pytest.mark.parametrize("sessions", [260, 2520, 5040])
def test_each_year_stands_below_its_bars_and_months_without_sessions_are_empty(sessions: int, monkeypatch: pytest.MonkeyPatch):
    import pandas as pd

    net, benchmark = _random(sessions)
    index = pd.DatetimeIndex(np.busday_offset("2015-03-02", np.arange(sessions), roll="forward"))
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(
        report_figures, "_uri", lambda figure: drawn.update({figure.get_suptitle() or figure.axes[0].get_title(): figure}) or ""
    )
    with quantstats_at_work():
        report_figures.pictures(pd.Series(net, index, name="Strategy"), pd.Series(benchmark, index, name="SPY"))
    (axes,) = next(figure for title, figure in drawn.items() if title.startswith("EOY")).axes
    years = sorted(set(index.year))
    labels = dict(zip(axes.get_xticks(), [each.get_text() for each in axes.get_xticklabels()], strict=True))
    middles = [
        np.mean([list(series)[i].get_x() + list(series)[i].get_width() / 2 for series in axes.containers]) for i in range(len(years))
    ]
    assert len(labels) == len(years)
    assert {label for label in labels.values() if label} <= {str(year) for year in years}
    for year, middle in zip(years, middles, strict=True):
        assert labels[middle] in ("", str(year))
    (cells,) = next(figure for title, figure in drawn.items() if "Monthly Returns (%)" in title).axes
    assert sum(bool(text.get_text()) for text in cells.texts) == len(set(zip(index.year, index.month, strict=True)))
    (beta,) = next(figure for title, figure in drawn.items() if title.startswith("Rolling Beta")).axes
    values = np.asarray(beta.lines[0].get_ydata(), dtype=float)
    assert np.isnan(values[:125]).all()
    assert beta.lines[2].get_ydata()[0] == pytest.approx(np.nanmean(values))


@pytest.mark.slow
def test_figures_load_nothing_from_elsewhere():
    import pandas as pd

    net, benchmark = _random(40)
    index = pd.DatetimeIndex(np.busday_offset("2015-01-02", np.arange(40), roll="forward"))
    with quantstats_at_work():
        drawn, _ = report_figures.pictures(pd.Series(net, index, name="Strategy"), pd.Series(benchmark, index, name="SPY"))
    for picture in drawn:
        svg = base64.b64decode(picture.uri.partition(",")[2]).decode()
        assert 'href="http' not in svg
        assert "<image" not in svg
