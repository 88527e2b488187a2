"""A bookkeeper in plain Python: the same conventions as the engine, written apart from it, name by name and session by session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mech_exo_assets.quant.backtest import CLOSE_AFTER, Book, run
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.settings.judgement import Backtest, Costs

NAN = np.nan
FREE = Costs(
    commission_bps=0,
    commission_per_share=0,
    commission_minimum=0,
    half_spread_bps=0,
    impact=0,
    participation=None,
    volume_window=2,
    volatility_window=2,
    borrow_bps=0,
    cash_interest_bps=0,
    debit_interest_bps=0,
)
PLAIN = Backtest(initial_nav=10_000.0, execute_at="close", integer_shares=False, flows={}, benchmark=None)


class Market(NamedTuple):
    """Targets and prices of a few names; `prices` is the index, and the unadjusted close unless `close` is given."""

    targets: np.ndarray
    prices: np.ndarray
    close: np.ndarray | None = None
    open: np.ndarray | None = None
    volume: np.ndarray | None = None

    @property
    def sessions(self) -> np.ndarray:
        return np.datetime64("2020-01-01") + np.arange(len(self.prices))

    @property
    def panel(self) -> Panel:
        fields = {"total_return_index": self.prices, "close": self.prices if self.close is None else self.close}
        fields |= {name: value for name, value in {"open": self.open, "volume": self.volume}.items() if value is not None}
        return Panel(self.sessions, np.array([f"S{i:02d}" for i in range(self.prices.shape[1])]), fields)

    def run(self, *, lag: int = 1, band: float = 0.0, choices: Mapping[str, Any] | None = None, **costs: Any) -> Book:
        return run(
            self.targets,
            self.panel,
            costs=FREE.model_copy(update=costs),
            choices=PLAIN.model_copy(update=dict(choices or {})),
            execution_lag=lag,
            no_trade_band=band,
        )


def market(targets: list[list[float]], prices: list[list[float]], **fields: list[list[float]]) -> Market:
    """A market from nested lists."""
    return Market(*(np.array(each, dtype=float) for each in (targets, prices)), **{k: np.array(v, dtype=float) for k, v in fields.items()})


@dataclass
class Ledger:
    """Shares, cash and open orders; `nav` grows by a figure for each session from the first trade on."""

    given: Market
    costs: Costs
    choices: Backtest
    lag: int
    band: float
    nav: list[float] = field(default_factory=list)
    paid: list[float] = field(default_factory=list)

    def keep(self) -> list[float]:
        """Go through all sessions."""
        targets, index = self.given.targets, self.given.prices
        close = index if self.given.close is None else self.given.close
        at_open = self.choices.execute_at == "open"
        shown = self.given.open if at_open else close
        n = index.shape[1]
        units, worth_at, missing, target_of = [0.0] * n, [0.0] * n, [0] * n, {}
        cash = self.choices.initial_nav
        first = next(t for t in range(len(targets)) if not np.isnan(targets[t]).all()) + self.lag
        flows = {max(first, int(np.searchsorted(self.given.sessions, np.datetime64(day)))): 0.0 for day in self.choices.flows}
        for day, amount in self.choices.flows.items():
            flows[max(first, int(np.searchsorted(self.given.sessions, np.datetime64(day))))] += amount
        for t in range(first, len(index)):
            if t > first:
                rate = self.costs.cash_interest_bps if cash > 0 else self.costs.debit_interest_bps
                short = sum(-units[i] * worth_at[i] for i in range(n) if units[i] < 0)
                cash += cash * rate / 10_000 / 365 - short * self.costs.borrow_bps / 10_000 / 365
            cash += flows.get(t, 0.0)
            prices = [shown[t, i] * index[t, i] / close[t, i] for i in range(n)]
            worth_at = [worth_at[i] if np.isnan(prices[i]) else prices[i] for i in range(n)]
            worth = cash + sum(units[i] * worth_at[i] for i in range(n))
            fresh = not np.isnan(targets[t - self.lag]).all()
            if fresh:
                target_of = {i: float(np.nan_to_num(targets[t - self.lag, i])) for i in range(n)}
            paid = 0.0
            for i, weight in list(target_of.items()):
                if np.isnan(prices[i]):
                    continue
                del target_of[i]
                order = weight * worth - units[i] * prices[i]
                if weight and abs(order) < max(self.band if fresh else 0.0, 1e-9) * worth:
                    continue
                trade = order
                if abs(order) > self._capacity(t, i):
                    trade = self._capacity(t, i) * (1 if order > 0 else -1)
                    target_of[i] = weight
                if self.choices.integer_shares and (weight or trade != order):
                    trade = int(trade / shown[t, i]) * shown[t, i]
                left = units[i] + trade / prices[i]
                units[i] = left if abs(left * prices[i]) >= 1e-9 * worth else 0.0
                cost = self._cost(t, i, abs(trade), shown[t, i])
                cash -= trade + cost
                paid += cost
            worth_at = [worth_at[i] if np.isnan(index[t, i]) else index[t, i] for i in range(n)]
            for i in range(n):
                missing[i] = missing[i] + 1 if np.isnan(index[t, i]) else 0
                if missing[i] == CLOSE_AFTER:
                    cash, units[i] = cash + units[i] * worth_at[i], 0.0
                    target_of.pop(i, None)
            self.nav.append(cash + sum(units[i] * worth_at[i] for i in range(n)))
            self.paid.append(paid)
        return self.nav

    def _volumes(self, t: int, i: int) -> float:
        """Mean traded value of the sessions before t, if half of them are known."""
        close = self.given.prices if self.given.close is None else self.given.close
        before = [close[s, i] * self.given.volume[s, i] for s in range(max(0, t - self.costs.volume_window), t)]
        known = [each for each in before if not np.isnan(each)]
        return sum(known) / len(known) if 2 * len(known) >= self.costs.volume_window else NAN

    def _capacity(self, t: int, i: int) -> float:
        if self.given.volume is None:
            return np.inf
        if self.given.volume[t, i] == 0:
            return 0.0
        average = self._volumes(t, i)
        return np.inf if self.costs.participation is None or np.isnan(average) else self.costs.participation * average

    def _cost(self, t: int, i: int, notional: float, price: float) -> float:
        if not notional:
            return 0.0
        costs = self.costs
        commission = max(costs.commission_minimum, costs.commission_bps * notional / 10_000 + costs.commission_per_share * notional / price)
        impact = 0.0
        if self.given.volume is not None and costs.impact:
            index, average = self.given.prices, self._volumes(t, i)
            returns = [index[s, i] / index[s - 1, i] - 1 for s in range(max(1, t - costs.volatility_window), t)]
            known = [each for each in returns if not np.isnan(each)]
            if len(known) >= 2 and 2 * len(known) >= costs.volatility_window and average > 0:
                impact = notional * costs.impact * float(np.std(known, ddof=1)) * (notional / average) ** 0.5
        return commission + costs.half_spread_bps * notional / 10_000 + impact
