"""The verdict on a search, the hold-out, and its tables, in words and figures.

What belongs here: sentences and table rows. What does not: pictures (`figures`), and the measures themselves.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from mech_exo_assets.quant.weights.holdout import OPTIMISED
from mech_exo_assets.reports.formats import NOT_DEFINED, number, percent
from mech_exo_assets.reports.search_page.content import SearchContent
from mech_exo_assets.reports.web_page.drawing import Table

_PASSED = {True: "passed", False: "failed", None: "not judged"}


def verdict(content: SearchContent) -> str:
    """Whether the gate lets the weights through, and which measures failed."""
    if content.record["passed"]:
        return "The weights pass every measure that is judged: they may become a candidate."
    failed = content.overfitting.filter(pl.col("passed").not_())["measure"].to_list()
    return f"The weights fail {' and '.join(failed)}: they are shown, and are no candidate."


def in_search(content: SearchContent) -> str:
    """What the weights earned in the search."""
    found = content.record
    return (
        f"In the search, {found['searched_from']} to {found['searched_to']}, they have a Sharpe ratio of {number(found['sharpe'])}, "
        f"a maximum drawdown of {percent(found['max_drawdown'], 1)} and a Calmar ratio of {number(found['calmar'])}, with "
        f"{percent(found['share'], 0)} of equal weights mixed in. {found['trials']:,} trials were made for it, and "
        f"{found['trials_ever']:,} for this strategy in all."
    )


def on_holdout(content: SearchContent) -> list[str]:
    """How the weights did on the hold-out: by themselves, and against each baseline."""
    rows = {row["weights"]: row for row in content.comparison.iter_rows(named=True)}
    own = rows[OPTIMISED]
    by_themselves = (
        f"On the hold-out, {own['first_date']} to {own['last_date']} ({own['n_sessions']:,} sessions), which no search has seen, they "
        f"have a Sharpe ratio of {number(own['sharpe'])} and a return of {percent(own['total_return'], 1)} after costs. This was look "
        f"number {own['looks']} at these sessions; each further look makes a lead less telling."
    )
    return [by_themselves, *(_against(row) for row in content.comparison.iter_rows(named=True) if row["difference"] is not None)]


def _against(row: dict[str, Any]) -> str:
    """The difference from a baseline, its interval, and what it says."""
    ahead = row["difference"]
    told = f"{number(abs(ahead))} {'ahead of' if ahead >= 0 else 'behind'} {row['weights']} weights (Sharpe ratio {number(row['sharpe'])})"
    low, high = row["difference_low"], row["difference_high"]
    if low is None or high is None:
        return f"{told}; an interval could not be computed."
    inside = low <= 0 <= high
    means = "The interval holds 0: this may be chance." if inside else "The interval does not hold 0."
    could = row["detectable"]
    power = "" if could is None else f" So many sessions show a difference of {number(could)} with a power of 80%."
    return f"{told}; 95% interval {number(low)} to {number(high)}. {means}{power}"


def comparison(content: SearchContent) -> Table:
    """The hold-out, side by side."""
    rows = [
        [
            row["weights"],
            *(number(row[name]) for name in ("sharpe", "sharpe_in_search")),
            *(percent(row[name], 1) for name in ("total_return", "max_drawdown", "turnover")),
            number(row["difference"]),
            NOT_DEFINED
            if row["difference_low"] is None or row["difference_high"] is None
            else f"{number(row['difference_low'])} to {number(row['difference_high'])}",
            number(row["p_value"], 3),
        ]
        for row in content.comparison.iter_rows(named=True)
    ]
    heads = [
        "weights",
        "Sharpe ratio",
        "in the search",
        "return",
        "maximum drawdown",
        "turnover of a session",
        "optimised is ahead by",
        "95% interval",
        "p",
    ]
    return Table.of(heads, rows)


def overfitting(content: SearchContent) -> Table:
    """Every measure, its threshold, and what it says."""
    rows = [
        [row["measure"], _PASSED[row["passed"]], number(row["value"], 3), number(row["threshold"], 3), row["meaning"]]
        for row in content.overfitting.iter_rows(named=True)
    ]
    return Table.of(["measure", "verdict", "value", "threshold", "meaning"], rows, text_columns=2)


def front(content: SearchContent) -> Table:
    """The trials of the front, the largest Sharpe ratio first."""
    rows = [
        [
            f"{row['trial']}{' (chosen)' if row['chosen'] else ''}",
            number(row["sharpe"], 3),
            percent(row["max_drawdown"], 1),
            number(row["calmar"], 3),
            percent(row["turnover"], 1),
            percent(row["factor_share"], 1),
        ]
        for row in content.frontier.iter_rows(named=True)
    ]
    return Table.of(["trial", "Sharpe ratio", "maximum drawdown", "Calmar ratio", "turnover of a session", "largest share"], rows)


def searches(content: SearchContent, count: int = 20) -> Table:
    """The newest searches, what each promised and what it has realised."""
    rows = [
        [
            row["searched_at"].strftime("%Y-%m-%d %H:%M"),
            str(row["decided_on"]),
            _PASSED[row["passed"]],
            f"{row['trials']:,}",
            percent(row["share"], 0),
            number(row["sharpe"]),
            number(row["holdout_sharpe"]),
            number(row["holdout_equal_sharpe"]),
            f"{row['looks']}",
            number(row["realised_sharpe"]),
            percent(row["realised_return"], 1),
            f"{row['realised_sessions']:,}",
        ]
        for row in content.history.sort("searched_at", descending=True).head(count).iter_rows(named=True)
    ]
    heads = [
        "searched (UTC)",
        "decided on",
        "gate",
        "trials",
        "equal weights",
        "Sharpe in the search",
        "on the hold-out",
        "equal on the hold-out",
        "looks",
        "Sharpe since",
        "return since",
        "sessions since",
    ]
    return Table.of(heads, rows, text_columns=3)
