"""The figures that a reader looks for first, and all others.

What belongs here: which figures of `strategy/performance` are shown large, and what people call them. What does not: their definitions,
which come with the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mech_exo_assets.reports.formats import in_unit
from mech_exo_assets.reports.tear_sheet.content import TearSheet
from mech_exo_assets.reports.web_page.drawing import Table

NAMES = {
    "n_sessions": "Sessions",
    "total_return": "Total return",
    "cagr": "Annual growth (CAGR)",
    "volatility": "Annual volatility",
    "sharpe": "Sharpe ratio",
    "sharpe_error": "Standard error of the Sharpe ratio",
    "probabilistic_sharpe": "Probability that the Sharpe ratio is above 0",
    "sortino": "Sortino ratio",
    "calmar": "Calmar ratio",
    "max_drawdown": "Largest drawdown",
    "time_under_water": "Time under water",
    "hit_rate": "Hit rate",
    "best": "Best session",
    "worst": "Worst session",
    "skew": "Skew",
    "kurtosis": "Excess kurtosis",
    "var_95": "Value at risk, 95%",
    "cvar_95": "Expected shortfall, 95%",
    "alpha": "Alpha",
    "alpha_t": "t of alpha",
    "beta": "Beta",
    "beta_t": "t of beta",
}
"""What people call the figures; one that is not here is shown under its own name."""
_LARGE = ("cagr", "volatility", "sharpe", "max_drawdown", "alpha", "beta", "sortino", "calmar")


@dataclass(frozen=True, slots=True)
class Card:
    """One large figure, what it is called, and what stands small below it."""

    metric: str
    name: str
    text: str
    notes: tuple[str, ...]


def cards(content: TearSheet) -> list[Card]:
    """The large figures, after costs."""
    rows = {row["metric"]: row for row in content.performance.iter_rows(named=True)}
    return [_card(rows, metric) for metric in _LARGE if metric in rows]


def _card(rows: dict[str, dict[str, Any]], metric: str) -> Card:
    row = rows[metric]

    def text(name: str, column: str = "net") -> str:
        return in_unit(rows[name][column], rows[name]["unit"])

    notes = []
    error = {"sharpe": "sharpe_error"}.get(metric)
    if error in rows and rows[error]["net"] is not None:
        notes.append(f"± {text(error)} (one standard error)")
    t = f"{metric}_t"
    if t in rows and rows[t]["net"] is not None:
        notes.append(f"t = {text(t)}")
    if row["net_dates"]:
        notes.append(row["net_dates"])
    if row["benchmark"] is not None:
        known = rows["n_sessions"]
        part = (
            ""
            if known["benchmark"] == known["net"]
            else f", over the {known['benchmark']:,.0f} of {known['net']:,.0f} sessions where it is known"
        )
        notes.append(f"benchmark {text(metric, 'benchmark')}{part}")
    return Card(metric, NAMES[metric], text(metric), tuple(notes))


def all_figures(content: TearSheet) -> Table:
    """Every figure after costs, before costs, of the benchmark, and what it means."""
    rows = [
        [
            NAMES.get(row["metric"], row["metric"].replace("_", " ")),
            *(in_unit(row[column], row["unit"]) for column in ("net", "gross", "benchmark")),
            row["meaning"] + (f" After costs: {row['net_dates']}." if row["net_dates"] else ""),
        ]
        for row in content.performance.iter_rows(named=True)
    ]
    return Table.of(["figure", "after costs", "before costs", "benchmark", "meaning"], rows)
