import re
import runpy

import pytest
from numba.core.dispatcher import Dispatcher

from mech_exo_assets.quant import comparison, contributions, quintiles, ranks, residual
from mech_exo_assets.quant import warm_up as module
from mech_exo_assets.quant.backtest import kernel
from mech_exo_assets.quant.detection import normal_scores
from mech_exo_assets.quant.drift import windows
from mech_exo_assets.quant.learning import inference
from mech_exo_assets.quant.live import kernel as live_kernel
from mech_exo_assets.quant.portfolio import constraints, volatility
from mech_exo_assets.quant.warm_up import warm_up
from mech_exo_assets.quant.weights import kernel as weights_kernel


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up()


@pytest.mark.parametrize(
    "compiled",
    [
        kernel.simulate,
        kernel.positions,
        kernel.trades,
        weights_kernel.trade,
        weights_kernel.trade_daily,
        contributions._part,
        comparison._resampled,
        inference._resampled,
        constraints._constrain,
        constraints._limit,
        volatility._scale,
        residual._residuals,
        quintiles._rank,
        quintiles._gather,
        normal_scores._whiten,
        normal_scores._sequential_ranks,
        live_kernel.keep,
        windows._rolling_t,
        ranks._rank_rows,
    ],
    ids=lambda compiled: f"{compiled.__module__.rpartition('.')[2]}.{compiled.__name__}",
)
def test_after_warming_up_the_kernels_are_compiled(compiled: Dispatcher):
    assert isinstance(compiled, Dispatcher)
    assert compiled.signatures


def test_as_a_program_it_says_in_one_line_how_long_it_took(capsys: pytest.CaptureFixture[str]):
    runpy.run_path(module.__file__, run_name="__main__")
    assert re.fullmatch(r"Numerical kernels are compiled \(\d+ s\)\.\n", capsys.readouterr().out)
