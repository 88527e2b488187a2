"""The live account, and the backtest of what is deployed (Dagster *assets*).

What belongs here: the tables of the group `live` from targets to attribution. What does not: the accounting (`quant.live`), and how far the
two have drifted apart (`drift`).
"""

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE
from mech_exo_assets.defs.decisions import broker_of, source_of
from mech_exo_assets.defs.resources import MarketSource
from mech_exo_assets.defs.tables import check, key_of, markdown_table, materialised, table_asset, table_assets, table_input, unmeasured
from mech_exo_assets.schemas import (
    ATTRIBUTION,
    CHAMPION,
    FILLS,
    LEARNED_SCORES,
    LIVE_BACKTEST,
    LIVE_POSITIONS,
    LIVE_TARGETS,
    NAV,
    PRICES,
    SCORES,
    UNIVERSE,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.histories import ACCOUNTED, RISK_DAYS, TRADED, account_market
from mech_exo_assets.storage.lake import SOURCE, Lake
from mech_exo_assets.storage.ledger import Ledger

if TYPE_CHECKING:
    from mech_exo_assets.quant.live.account import Account
    from mech_exo_assets.sources.protocol import MarketData

_NO_SESSION = "The account has no session yet: the first targets are traded in the next one."

_PRICES = table_input(PRICES, columns=["date", "symbol", *ACCOUNTED], lazy=True)


@table_asset(
    LIVE_TARGETS,
    code_version="1",
    automation=ON_UPDATE,
    deps=[key_of(CHAMPION)],
    ins={
        "scores": table_input(SCORES, lazy=True),
        "learned": table_input(LEARNED_SCORES, lazy=True, optional=True),
        "prices": table_input(PRICES, columns=["date", "symbol", *TRADED], lazy=True),
        "universe": table_input(UNIVERSE),
    },
    checks={
        "one_version_a_session": "All targets of a session are of one version: the champion of that session by the ledger.",
        "decided_once": "No target that was published before has changed or gone.",
    },
)
def targets(
    scores: pl.LazyFrame,
    learned: pl.LazyFrame,
    prices: pl.LazyFrame,
    universe: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
    ledger: dg.ResourceParam[Ledger],
) -> dg.MaterializeResult[pl.DataFrame]:
    """What the deployed strategy wants to hold, from each session's close on; by the champion of that session."""
    from mech_exo_assets.quant.lifecycle.canary import canaries, deployments
    from mech_exo_assets.quant.lifecycle.deployed import History, live_targets
    from mech_exo_assets.quant.lifecycle.reigns import champion_at, reigns, versions
    from mech_exo_assets.quant.panel import Panel

    events = ledger.events()
    found = reigns(events)
    decided = _before(lake, LIVE_TARGETS.key)
    table, sessions = decided, 0
    if found:
        # The same first session at every call: targets with hold bands depend on where they begin.
        first = dt.date(found[0].since.year - 1, 1, 1)
        market = prices.filter(pl.col("date") >= first - dt.timedelta(days=RISK_DAYS)).collect()
        past = History.of(
            scores.filter(pl.col("date") >= first).collect(),
            learned.filter(pl.col("date") >= first).collect(),
            Panel.from_frame(market, TRADED),
            universe,
            strategy,
        )
        table = live_targets(deployments(found, canaries(events)), versions(events), past, decided)
        sessions = table["date"].n_unique()
    pairs = table.select("date", "version").unique()
    stray = [row for row in pairs.iter_rows() if (reign := champion_at(events, row[0])) is None or reign.version != row[1]]
    kept = decided.join(table, on=LIVE_TARGETS.names, how="semi").height
    latest = table.filter(pl.col("date") == pl.col("date").max()).sort(pl.col("weight").abs(), descending=True)
    return materialised(
        LIVE_TARGETS,
        table,
        metadata={
            "sessions": sessions,
            "champion": found[-1].version if found else "none",
            "latest": markdown_table(latest.head(10)),
            "ledger_head": _head(ledger),
        },
        checks=[
            check("one_version_a_session", passed=not stray and pairs.height == pairs["date"].n_unique(), sessions_off=len(stray)),
            check("decided_once", passed=kept == decided.height, rows_changed=decided.height - kept),
        ],
    )


@table_asset(
    FILLS,
    code_version="1",
    automation=ON_UPDATE,
    ins={"targets": table_input(LIVE_TARGETS), "prices": _PRICES},
    checks={"on_known_sessions": "Every fill is booked in a session that has prices."},
)
def fills(
    targets: pl.DataFrame,
    prices: pl.LazyFrame,
    market_source: dg.ResourceParam[MarketSource],
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
    ledger: dg.ResourceParam[Ledger],
) -> dg.MaterializeResult[pl.DataFrame]:
    """What was traded: as the source says, or as the paper broker fills the targets of the deployed strategy."""
    from mech_exo_assets.quant.lifecycle.reigns import versions
    from mech_exo_assets.quant.live.fills import booked
    from mech_exo_assets.quant.live.paper import paper_fills

    data = market_source.read()
    broker = broker_of(strategy, data)
    first = _first(ledger)
    market = account_market(prices, first)
    if broker == "source":
        table = booked(data.fills, market.sessions, calendar=strategy.calendar, broker=broker)
    else:
        table = paper_fills(
            targets,
            market,
            _before(lake, FILLS.key),
            strategy,
            bands={name: version.sizing.no_trade_band for name, version in versions(ledger.events()).items()},
        )
    notional = (table["quantity"].abs() * table["price"]).sum()
    stray = table.filter(~pl.col("date").is_in(pl.Series(market.sessions).cast(pl.Date).to_list())).height
    return materialised(
        FILLS,
        table,
        metadata={
            "broker": broker,
            "not_booked_yet": data.fills.height - table.height if broker == "source" else 0,
            "notional": float(notional),
            "fees": float(table["fee"].sum()),
            "latest": markdown_table(table.tail(10)),
        },
        checks=[check("on_known_sessions", passed=stray == 0, fills_off=stray)],
    )


@table_assets(
    {
        LIVE_POSITIONS: {"add_up": "On every session cash + Σ quantity × price is the NAV, to 1e-9."},
        NAV: {
            "accounts_agree": "Counted from positions and counted from flows, the NAV is the same, to 1e-9.",
            "not_restated": "No session has another NAV than when it was last computed. A warning: late fills and new prices do that.",
        },
    },
    name="live__account",
    code_version="1",
    automation=ON_UPDATE,
    ins={"fills": table_input(FILLS), "prices": _PRICES},
)
def account(
    fills: pl.DataFrame,
    prices: pl.LazyFrame,
    market_source: dg.ResourceParam[MarketSource],
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
    ledger: dg.ResourceParam[Ledger],
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The live account, from its first deposit on: average cost, profit and loss, and the NAV at each close."""
    from mech_exo_assets.reports.live_figures import account_growth

    book = _account(fills, prices, market_source.read(), strategy, ledger)
    if book is None:
        yield materialised(LIVE_POSITIONS, LIVE_POSITIONS.empty(), checks=[unmeasured("add_up", _NO_SESSION)])
        yield materialised(NAV, NAV.empty(), checks=[unmeasured(name, _NO_SESSION) for name in ("accounts_agree", "not_restated")])
        return
    positions, nav = book.positions(), book.nav(_before(lake, NAV.key))
    held = positions.group_by("date").agg(value=pl.col("value").sum())
    gaps = nav.join(held, on="date", how="left").select(((pl.col("cash") + pl.col("value").fill_null(0.0)) / pl.col("nav") - 1).abs().max())
    gap = float(gaps.item() or 0.0)
    latest = positions.filter((pl.col("date") == pl.col("date").max()) & (pl.col("quantity") != 0))
    yield materialised(
        LIVE_POSITIONS,
        positions,
        metadata={
            "names_at_the_end": latest.height,
            "unrealised": float(latest["unrealised"].sum()),
            "latest": markdown_table(latest.sort(pl.col("value").abs(), descending=True).head(10)),
        },
        checks=[check("add_up", passed=gap < 1e-9, largest_difference=gap)],
    )
    restated = nav.filter("restated")
    yield materialised(
        NAV,
        nav,
        metadata={
            "nav": float(nav["nav"][-1]),
            "total_return": float((1 + nav["live_return"]).product() - 1),
            "fees": float(nav["fees"].sum()),
            "restated_sessions": restated.height,
            **({"restated_from": str(restated["date"].min())} if restated.height else {}),
            "latest": markdown_table(nav.tail(10)),
            "picture": dg.MetadataValue.md(account_growth(nav)),
        },
        checks=[
            check("accounts_agree", passed=book.identity_error < 1e-9, largest_difference=book.identity_error),
            check("not_restated", passed=restated.is_empty(), severity=dg.AssetCheckSeverity.WARN, sessions=restated.height),
        ],
    )


@table_assets(
    {
        LIVE_BACKTEST: {"accounts_agree": "Counted from holdings and counted from flows, the NAV is the same, to 1e-9."},
        ATTRIBUTION: {"adds_up": "Fees, slippage, timing, missed positions and residual add up to the gap, to 1e-12."},
    },
    name="live__backtest",
    code_version="1",
    automation=ON_UPDATE,
    ins={"targets": table_input(LIVE_TARGETS), "fills": table_input(FILLS), "prices": _PRICES},
)
def deployed(
    targets: pl.DataFrame,
    fills: pl.DataFrame,
    prices: pl.LazyFrame,
    market_source: dg.ResourceParam[MarketSource],
    strategy: dg.ResourceParam[Strategy],
    ledger: dg.ResourceParam[Ledger],
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The deployed strategy's targets, traded by the backtest with the account's capital and deposits; and why live is not the same."""
    from mech_exo_assets.quant.lifecycle.reigns import champion, versions
    from mech_exo_assets.quant.live.attribution import attribution_table
    from mech_exo_assets.quant.live.expected import deployed_backtest
    from mech_exo_assets.reports.live_figures import gap_by_part

    events = ledger.events()
    now = champion(events)
    data = market_source.read()
    kept = _account(fills, prices, data, strategy, ledger)
    if now is None or kept is None or targets.is_empty():
        yield materialised(LIVE_BACKTEST, LIVE_BACKTEST.empty(), checks=[unmeasured("accounts_agree", _NO_SESSION)])
        yield materialised(ATTRIBUTION, ATTRIBUTION.empty(), checks=[unmeasured("adds_up", _NO_SESSION)])
        return
    market = account_market(prices, _first(ledger))
    # The paper account pays neither interest nor borrow fees.
    free = {} if broker_of(strategy, data) == "source" else dict.fromkeys(("borrow_bps", "cash_interest_bps", "debit_interest_bps"), 0.0)
    book, table = deployed_backtest(
        targets,
        market,
        costs=strategy.costs.model_copy(update=free),
        choices=strategy.backtest,
        execution_lag=strategy.execution_lag,
        no_trade_band=versions(events)[now.version].sizing.no_trade_band,
        initial_nav=float(kept.base[0]),
        flows={day.item(): float(amount) for day, amount in zip(kept.sessions[1:], kept.flow[1:], strict=True) if amount},
    )
    yield materialised(
        LIVE_BACKTEST,
        table,
        metadata={"total_return": float((1 + table["net_return"]).product() - 1), "latest": markdown_table(table.tail(10))},
        checks=[check("accounts_agree", passed=book.identity_error < 1e-9, largest_difference=book.identity_error)],
    )
    parts = attribution_table(kept, book, market)
    names = [name for name in ATTRIBUTION.names if name not in ("date", "gap")]
    off = float(parts.select((pl.sum_horizontal(names) - pl.col("gap")).abs().max()).item() or 0.0)
    sums = parts.select(pl.col("gap", *names).sum())
    yield materialised(
        ATTRIBUTION,
        parts,
        metadata={
            "sums": markdown_table(sums.unpivot(variable_name="part", value_name="sum"), digits=6),
            "last_21_sessions": markdown_table(
                parts.tail(21).select(pl.col("gap", *names).sum()).unpivot(variable_name="part", value_name="sum"), digits=6
            ),
            "picture": dg.MetadataValue.md(gap_by_part(parts)),
        },
        checks=[check("adds_up", passed=off < 1e-12, largest_difference=off) if parts.height else unmeasured("adds_up", "No session yet.")],
    )


def _before(lake: Lake, key: str) -> pl.DataFrame:
    """The table as it was published; empty where that was of another source than the prices are now.

    Read from the lake and not as an input, since an asset cannot be its own input.
    """
    from mech_exo_assets.schemas import TABLES

    if not lake.exists(key) or lake.note(key, lake.version(key)).get(SOURCE, "") != source_of(lake):
        return TABLES[key].empty()
    return lake.read(key)


def _first(ledger: Ledger) -> dt.date:
    """First session whose targets are live."""
    from mech_exo_assets.quant.lifecycle.reigns import reigns

    found = reigns(ledger.events())
    if not found:
        raise dg.Failure("The ledger knows no champion. Materialise lifecycle/champion first, or run `mech-exo run`.")
    return found[0].since


def _account(fills: pl.DataFrame, prices: pl.LazyFrame, data: "MarketData", strategy: Strategy, ledger: Ledger) -> "Account | None":
    """The account to the last session; None where it has no session yet."""
    from mech_exo_assets.quant.live.account import account

    first = _first(ledger)
    market = account_market(prices, first)
    source = broker_of(strategy, data) == "source"
    if source and data.cash.height:
        at = int(np.searchsorted(market.sessions, np.datetime64(min(data.cash["date"].to_list()))))
    else:
        at = int(np.searchsorted(market.sessions, np.datetime64(first))) + strategy.execution_lag
    if at >= len(market.sessions):
        return None
    deposits, capital = (data.cash, None) if source else (data.cash.clear(), strategy.live.capital)
    return account(fills, market, deposits, first=market.sessions[at].item(), capital=capital)


def _head(ledger: Ledger) -> str:
    last = ledger.last()
    return "" if last is None else f"{last.id} {last.hash}"
