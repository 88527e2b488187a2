"""Our NAV against vectorbt's, from the same targets, prices and costs: frozen outputs of small random markets, and the real package."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.backtest import CLOSE_AFTER, Book, run
from mech_exo_assets.quant.costs import BASIS_POINT
from mech_exo_assets.quant.panel import Panel
from mech_exo_tests.conformance import vectorbt_cases
from mech_exo_tests.conformance.vectorbt_cases import Case, Recipe, case, recipe
from mech_exo_tests.conformance.vectorbt_frozen import FROZEN
from mech_exo_tests.quant.backtest.ledger import FREE, PLAIN

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
REAL_PRICES = ROOT.parent / "shared" / "data" / "sp500" / "prices.parquet"
TOLERANCE = 1e-9

needs_vectorbt = pytest.mark.skipif(not PEERS_PYTHON.exists(), reason="vectorbt is not there: make .venv-peers/.installed")
needs_real_prices = pytest.mark.skipif(not REAL_PRICES.exists(), reason="the real prices in ../shared/data/sp500 are not there")


def book_of(known: Case) -> Book:
    """Ours, with everything switched off that vectorbt does not have: impact, caps, borrow fees, interest."""
    n_sessions, n_symbols = known.index.shape
    market = Panel(
        np.datetime64("2010-01-01") + np.arange(n_sessions),
        np.array([f"n{i:03d}" for i in range(n_symbols)]),
        {"total_return_index": known.index, "close": known.close, "volume": known.volume},
    )
    costs = FREE.model_copy(
        update={
            "commission_bps": known.commission / BASIS_POINT,
            "commission_per_share": known.per_share,
            "commission_minimum": known.minimum,
            "half_spread_bps": known.half_spread / BASIS_POINT,
        }
    )
    choices = PLAIN.model_copy(update={"initial_nav": known.nav})
    return run(known.targets, market, costs=costs, choices=choices, execution_lag=known.lag)


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest relative difference of NAV."""
    assert ours.shape == theirs.shape
    return float(np.max(np.abs(ours / theirs - 1)))


def frozen() -> list[np.ndarray]:
    with np.load(FROZEN) as stored:
        return np.split(stored["nav"], np.cumsum(stored["lengths"])[:-1])


def test_nav_of_200_random_markets_equals_the_frozen_output_of_vectorbt():
    assert len(frozen()) == vectorbt_cases.N_FROZEN
    worst = max(difference(book_of(case(recipe(seed))).nav, theirs) for seed, theirs in enumerate(frozen()))
    assert worst <= TOLERANCE


def test_the_random_markets_hold_all_that_they_are_to_compare():
    cases = [case(recipe(seed)) for seed in range(vectorbt_cases.N_FROZEN)]
    books = [book_of(known) for known in cases]
    assert vectorbt_cases.CLOSE_AFTER == CLOSE_AFTER
    assert sum(book.closed_names > 0 for book in books) >= 30
    assert sum(book.carried_orders > 0 for book in books) >= 50
    assert sum((known.volume == 0).any() for known in cases) >= 50
    assert sum(np.isnan(known.targets).all(axis=1).any() for known in cases) >= 50
    assert sum((np.nan_to_num(known.targets) < 0).any() for known in cases) >= 50
    assert sum(known.minimum > 0 for known in cases) >= 50
    assert sum(known.half_spread > 0 and known.commission > 0 for known in cases) >= 50
    assert sum(bought_again(book) for book in books) >= 10


def bought_again(book: Book) -> bool:
    trades = book.trades()
    closed = trades.filter(pl.col("reason") == "closed").select("symbol", closed_on="date")
    return not trades.join(closed, on="symbol").filter(pl.col("date") > pl.col("closed_on")).is_empty()


class Vectorbt:
    """The real package in its own environment, kept running, since its start takes seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        script = Path(__file__).parent / "vectorbt_nav.py"
        self.process = subprocess.Popen([PEERS_PYTHON, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def nav(self, known: Case) -> np.ndarray:
        source, target = self.folder / "given.npz", self.folder / "nav.npy"
        np.savez(source, **known._asdict())
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{source} {target}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"
        return np.load(target)


@pytest.fixture(scope="module")
def vectorbt(tmp_path_factory):
    peer = Vectorbt(tmp_path_factory.mktemp("vectorbt"))
    yield peer
    with peer.process:
        peer.process.stdin.close()


shares = st.sampled_from([0.0, 0.02, 0.2, 0.6, 0.95])
RECIPES = st.builds(
    Recipe,
    seed=st.integers(0, 2**32 - 1),
    n_sessions=st.integers(5, 60),
    n_symbols=st.integers(1, 8),
    lag=st.integers(0, 3),
    gaps=shares,
    idle=shares,
    quiet=shares,
    ends=st.booleans(),
    returns=st.booleans(),
    long_only=st.booleans(),
    commission=st.sampled_from([0.0, 1e-4, 2e-2]),
    half_spread=st.sampled_from([0.0, 4e-4, 2e-2]),
    per_share=st.sampled_from([0.0, 0.005]),
    # Not more, and none on real prices: vectorbt rejects a sale whose fees are above its proceeds, which ours charges.
    minimum=st.sampled_from([0.0, 1.0]),
)


@pytest.mark.slow
@needs_vectorbt
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=RECIPES)
def test_nav_of_any_random_market_equals_vectorbt(vectorbt, made):
    known = case(made)
    assert difference(book_of(known).nav, vectorbt.nav(known)) <= TOLERANCE


def momentum_weights(index: np.ndarray, *, long_only: bool) -> np.ndarray:
    """Linear in the rank of the return over a year but the last month: 0.45 long, and 0.45 short unless only the best fifth is wanted."""
    change = np.full(index.shape, np.nan)
    change[252:] = index[252 - 21 : -21] / index[:-252] - 1
    known = ~np.isnan(change)
    ranks = np.where(known, np.argsort(np.argsort(np.where(known, change, np.inf), axis=1), axis=1), np.nan)
    counts = known.sum(axis=1, keepdims=True)
    raw = (ranks >= 0.8 * counts).astype(float) if long_only else ranks - (counts - 1) / 2
    raw[~known] = 0.0
    gross = np.abs(raw).sum(axis=1, keepdims=True)
    weights = np.divide(raw, gross, out=np.full(index.shape, np.nan), where=gross > 0)
    return weights * (0.45 if long_only else 0.9)


def real_case(*, long_only: bool, every: int, **costs: float) -> Case:
    panel = Panel.from_frame(pl.read_parquet(REAL_PRICES), ["adjusted_close", "close", "volume"])
    index = panel["adjusted_close"]
    targets = momentum_weights(index, long_only=long_only)
    targets[np.arange(len(targets)) % every != 0] = np.nan
    free = {"commission": 0.0, "half_spread": 0.0, "per_share": 0.0, "minimum": 0.0}
    return Case(index, panel["close"], panel["volume"], targets, lag=1, **(free | costs))


@pytest.mark.slow
@needs_vectorbt
@needs_real_prices
@pytest.mark.parametrize(
    "known",
    [
        pytest.param({"long_only": False, "every": 1, "commission": 1e-4}, id="daily, long and short, commission"),
        pytest.param({"long_only": False, "every": 1, "half_spread": 4e-4}, id="daily, long and short, spread"),
        pytest.param({"long_only": True, "every": 1, "commission": 1e-4, "half_spread": 4e-4}, id="daily, long only, both"),
        pytest.param(
            {"long_only": False, "every": 5, "commission": 1e-4, "half_spread": 4e-4, "per_share": 0.005},
            id="weekly, long and short, all but the minimum",
        ),
    ],
)
def test_nav_on_real_prices_equals_vectorbt(vectorbt, known):
    market = real_case(**known)
    book = book_of(market)
    assert len(book.sessions) > 4000
    assert book.names.max() >= (40 if known["long_only"] else 200)
    assert difference(book.nav, vectorbt.nav(market)) <= TOLERANCE
