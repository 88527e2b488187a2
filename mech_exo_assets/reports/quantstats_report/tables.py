"""QuantStats' numbers as rows of text.

What belongs here: which of its tables are shown, and how its output is read. What does not: figures of our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.reports.formats import NOT_DEFINED, number

if TYPE_CHECKING:
    import pandas as pd

STRATEGY = "Strategy"
# One number about both series, which QuantStats prints in the columns of both.
_OF_THE_PAIR = ("R^2", "Information Ratio")
_SMALL_PERCENT = "\ufe6a"


Group = list[tuple[str, ...]]
"""Metrics that belong together, in QuantStats' order: a name, then the strategy's value and, where there is one, the benchmark's."""


def metrics(returns: pd.Series, benchmark: pd.Series | None) -> list[Group]:
    """`quantstats.reports.metrics` in its full mode, at 252 sessions a year, compounded, without a risk-free rate.

    To be called within `quantstats_at_work`.
    """
    from quantstats import reports

    table = reports.metrics(
        # It takes the time zone off the index that it is given.
        returns.copy(),
        None if benchmark is None else benchmark.copy(),
        display=False,
        mode="full",
        sep=True,
        internal="True",  # per cent with their sign, as in QuantStats' own page
        compounded=True,
        periods_per_year=SESSIONS_PER_YEAR,
        prepare_returns=False,
        match_dates=False,
        strategy_title=STRATEGY,
        benchmark_title="Benchmark",
    )
    columns = [name for name in (STRATEGY, "Benchmark") if name in table.columns]
    groups: list[Group] = [[]]
    for name, row in zip(table.index, table[columns].itertuples(index=False), strict=True):
        if not name:
            groups.append([])
            continue
        values = [_text(value) for value in row]
        if name in _OF_THE_PAIR:
            values[1:] = [NOT_DEFINED] * len(values[1:])
        groups[-1].append((name.replace(_SMALL_PERCENT, "").strip(), *values))
    return [group for group in groups if group]


def in_two_columns(groups: list[Group]) -> tuple[list[Group], list[Group]]:
    """The groups in order, the second column beginning where half of the rows are past."""
    half, taken = sum(len(group) for group in groups) / 2, 0
    for position, group in enumerate(groups):
        if taken + len(group) / 2 > half:
            return groups[:position], groups[position:]
        taken += len(group)
    return groups, []


def years(returns: pd.Series, benchmark: pd.Series | None) -> list[tuple[str, ...]]:
    """Compounded return of each calendar year: year, strategy, and benchmark where there is one."""
    import pandas as pd
    from quantstats import utils

    year_of = pd.DatetimeIndex(returns.index).year
    mine = utils.group_returns(returns, year_of, compounded=True)
    other = None if benchmark is None else utils.group_returns(benchmark, year_of, compounded=True)
    columns = [mine] if other is None else [mine, other]
    return [(str(year), *(number(100 * float(column[year]), 2, "%") for column in columns)) for year in mine.index]


def drawdowns(returns: pd.Series, count: int = 10) -> list[tuple[str, ...]]:
    """QuantStats' deepest drawdowns: first and last day below the peak, depth, calendar days."""
    from quantstats import stats

    details = stats.drawdown_details(stats.to_drawdown_series(returns)).sort_values("max drawdown").head(count)
    columns = ["start", "end", "max drawdown", "days"]
    return [(start, end, number(depth, 2, "%"), str(days)) for start, end, depth, days in details[columns].itertuples(index=False)]


def _text(value: object) -> str:
    """As QuantStats wrote it, but for the minus sign and what is not there."""
    text = str(value)
    if text in ("-", ""):
        return NOT_DEFINED
    if not text.startswith("-"):
        return text
    # QuantStats rounds −0.001 to -0.0.
    return f"−{text[1:]}" if any(digit in "123456789" for digit in text) else text[1:]
