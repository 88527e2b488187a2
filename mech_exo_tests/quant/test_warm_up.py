from numba.core.dispatcher import Dispatcher

import mech_exo_assets.quant.backtest as backtest_module
from mech_exo_assets.quant.warm_up import warm_up


def test_after_warming_up_the_kernels_are_compiled():
    warm_up()
    assert isinstance(backtest_module._simulate, Dispatcher)
    assert backtest_module._simulate.signatures
