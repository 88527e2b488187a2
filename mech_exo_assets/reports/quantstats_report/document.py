"""The PDF: QuantStats' numbers and figures on A4.

What belongs here: what can be reported and what cannot, and the pages. What does not: calling QuantStats (`tables`, `figures`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError, MissingLibraryError
from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.reports.formats import NOT_DEFINED, TITLE
from mech_exo_assets.reports.quantstats_report import figures, tables
from mech_exo_assets.reports.quantstats_report.library import quantstats_at_work
from mech_exo_assets.reports.rendering import render, text_of

if TYPE_CHECKING:
    import pandas as pd

MIN_SESSIONS = 20
"""With fewer, a month's worth, QuantStats' metrics are noise or fail."""
_PACKAGE = "mech_exo_assets.reports.quantstats_report"


def quantstats_pdf(
    net_returns: Vector,
    benchmark_returns: Vector,
    sessions: Dates,
    *,
    title: str,
    benchmark_name: str,
    source: str,
    written: datetime,
) -> bytes:
    """QuantStats' metrics and figures of a strategy and its benchmark, as a PDF.

    The benchmark is the series that is given; nothing is asked of the network. Sessions on which it is not known are left out for both, and
    the report says how many. Where it is known on too few sessions, or does not vary, the report is about the strategy alone, and says so.

    Parameters
    ----------
    net_returns : ndarray of shape (n_sessions,)
        Simple returns after costs, as fractions, without NaN.
    benchmark_returns : ndarray of shape (n_sessions,)
        Of the benchmark; NaN where not known.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Increasing.
    title, benchmark_name, source : str
        The heading; what the benchmark is; URI of the market data.
    written : datetime
        When the report is made, UTC: the one line that differs between two reports of the same returns.

    Raises
    ------
    InputError
        If there are fewer than 20 sessions, or the returns do not vary, or QuantStats would take them for prices.
    MissingLibraryError
        If a library that WeasyPrint needs is not installed.
    """
    _require_returns(net_returns)
    html_class = _weasyprint()
    with quantstats_at_work():
        import quantstats

        returns, benchmark, remarks = _series(net_returns, benchmark_returns, sessions, benchmark_name)
        drawn, missing = figures.pictures(returns, benchmark)
        page = render(
            _PACKAGE,
            "page.html",
            style=text_of(_PACKAGE, "page.css"),
            title=title,
            source=source,
            benchmark_name=benchmark_name if benchmark is not None else None,
            first=f"{returns.index[0]:%Y-%m-%d}",
            last=f"{returns.index[-1]:%Y-%m-%d}",
            sessions=len(returns),
            written=f"{written:%Y-%m-%d %H:%M}",
            version=quantstats.__version__,
            not_defined=NOT_DEFINED,
            remarks=remarks,
            columns=tables.in_two_columns(tables.metrics(returns, benchmark)),
            years=tables.years(returns, benchmark),
            drawdowns=tables.drawdowns(returns),
            pictures=drawn,
            missing=missing,
        )
    return html_class(string=page, url_fetcher=_only_data()).write_pdf()


def pdf_of_backtest(backtest: pl.DataFrame, *, benchmark_name: str, source: str, written: datetime, title: str = TITLE) -> bytes:
    """`quantstats_pdf` of a table in `schemas.BACKTEST`."""
    ordered = backtest.sort("date")
    return quantstats_pdf(
        ordered["net_return"].to_numpy(),
        ordered["benchmark_return"].fill_null(np.nan).to_numpy(),
        ordered["date"].to_numpy().astype("datetime64[D]"),
        title=title,
        benchmark_name=benchmark_name,
        source=source,
        written=written,
    )


def _require_returns(returns: Vector) -> None:
    if len(returns) < MIN_SESSIONS:
        raise InputError(
            f"the backtest has {len(returns)} sessions, and the QuantStats report needs at least {MIN_SESSIONS}; no report was made. "
            "Give the source a longer history."
        )
    if np.isnan(returns).any():
        raise InputError(f"the backtest has no return on {int(np.isnan(returns).sum())} sessions; no report was made.")
    if np.ptp(returns) < 1e-12:
        raise InputError(
            f"the backtest's returns are all {returns[0]:g}, so that there is nothing to report; no report was made. "
            "See with mech-exo export strategy/trades whether it ever traded."
        )
    if _look_like_prices(returns):
        raise InputError(
            "no return of the backtest is below 0 and one is above 100%, which QuantStats takes for prices; no report was made. "
            "See with mech-exo export strategy/backtest whether the returns are right."
        )


def _look_like_prices(values: Vector) -> bool:
    """QuantStats' own rule."""
    return bool(values.min() >= 0 and values.max() > 1)


def _series(net: Vector, benchmark: Vector, sessions: Dates, name: str) -> tuple[pd.Series, pd.Series | None, list[str]]:
    """Both series on the sessions of the report, and what the reader has to know about them."""
    import pandas as pd

    known = ~np.isnan(benchmark)
    fault = _fault_of_benchmark(net, benchmark, known)
    if fault is not None:
        series = pd.Series(net, index=pd.DatetimeIndex(sessions), name=tables.STRATEGY)
        return series, None, [f"There is no comparison with the benchmark ({name}): {fault}"]
    remarks = []
    if not known.all():
        remarks.append(
            f"The benchmark is not known on {int((~known).sum()):,} of {len(known):,} sessions, which are left out of this report, for the "
            "strategy too: QuantStats compares session by session."
        )
    index = pd.DatetimeIndex(sessions[known])
    # Two dollar signs would be a formula to matplotlib.
    label = name.replace("$", r"\$")
    return pd.Series(net[known], index=index, name=tables.STRATEGY), pd.Series(benchmark[known], index=index, name=label), remarks


def _fault_of_benchmark(net: Vector, benchmark: Vector, known: np.ndarray) -> str | None:
    if known.sum() < MIN_SESSIONS:
        return f"it is known on {int(known.sum())} sessions, and {MIN_SESSIONS} are needed."
    if np.ptp(benchmark[known]) < 1e-12:
        return "its returns do not vary."
    if _look_like_prices(benchmark[known]):
        return "none of its returns is below 0 and one is above 100%, which QuantStats takes for prices."
    if np.ptp(net[known]) < 1e-12:
        return "the strategy's returns do not vary on the sessions where it is known."
    return None


def _weasyprint() -> type:
    try:
        from weasyprint import HTML
    except OSError as error:
        raise MissingLibraryError(
            f"the PDF cannot be made: WeasyPrint needs Pango, which is not installed ({str(error).splitlines()[0]}). "
            "Debian and Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; macOS: brew install pango."
        ) from error
    return HTML


def _only_data() -> object:
    """What WeasyPrint may load: nothing but what is in the page itself."""
    from weasyprint.urls import URLFetcher

    return URLFetcher(allowed_protocols=["data"])
