"""Factors that die at a known session, through the whole of Dagster: all are found, and no other.

`python -m mech_exo_tests.e2e.test_planted_decay 20` runs twenty markets and prints what came of each.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.quant.simulator import plant
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.e2e.market_folder import mech_exo

pytestmark = [pytest.mark.slow, pytest.mark.long]

NAMES, SESSIONS, FACTORS, DYING = 300, 2016, 12, 4


@dataclass(frozen=True)
class Outcome:
    """What the monitor said of one market.

    Attributes
    ----------
    found : int
        Planted deaths whose factor has the status decayed at the end.
    falsely : tuple of str
        Planted factors that are alive with that status. The platform's own factors are left out: on this market they live on the planted
        ones, and may lose some of their IC with them.
    covered : int
        Deaths whose session lies in the interval of the first alarm after it.
    delays : tuple of int
        Sessions from the first score without signal to that alarm.
    false_alarms : int
        Alarms of a decay of planted factors that were alive, over the whole history.
    proven : int
        Planted factors that were ever proven.
    """

    found: int
    falsely: tuple[str, ...]
    covered: int
    delays: tuple[int, ...]
    false_alarms: int
    proven: int


def judged(seed: int, home: Path) -> Outcome:
    """Run the chain up to the monitor on one market, and hold it against the truth."""
    source = f"simulator:names={NAMES},sessions={SESSIONS},factors={FACTORS},dying={DYING},seed={seed}"
    done = mech_exo("run", "--source", source, "--home", home, "--select", '+key:"decay/rotation" and not group:"learning"')
    assert done.returncode == 0, done.stderr
    lake = Lake(home / "lake")
    status, alarms, history = (lake.read(f"decay/{name}") for name in ("status", "alarms", "status_history"))
    sessions = lake.read("market/prices", columns=["date"])["date"].unique().sort()
    position = {date: number for number, date in enumerate(sessions)}
    planted = plant(factors=FACTORS, dying=DYING, ic=0.04, sessions=SESSIONS, seed=seed)
    # A score is traded a session later, so that the last one before the death earns nothing any more.
    dead = {each.name: sessions[each.dies - 1] for each in planted if each.dies is not None}
    decayed = set(status.filter(status="decayed")["factor"])
    decays = alarms.filter((pl.col("kind") == "decay") & pl.col("factor").is_in([each.name for each in planted])).sort("alarm_date")
    first = {name: decays.filter((pl.col("factor") == name) & (pl.col("alarm_date") > died)).head(1) for name, died in dead.items()}
    told = {name: alarm.row(0, named=True) for name, alarm in first.items() if alarm.height}
    alive = decays.filter(
        ~pl.struct("factor", "alarm_date").map_elements(
            lambda row: row["factor"] in dead and row["alarm_date"] > dead[row["factor"]], return_dtype=pl.Boolean
        )
    )
    return Outcome(
        found=len(decayed & set(dead)),
        falsely=tuple(sorted(decayed & {each.name for each in planted} - set(dead))),
        covered=sum(alarm["change_low"] <= dead[name] <= alarm["change_high"] for name, alarm in told.items()),
        delays=tuple(position[alarm["alarm_date"]] - position[dead[name]] for name, alarm in told.items()),
        false_alarms=alive.height,
        proven=history.filter((pl.col("status") == "healthy") & pl.col("factor").str.starts_with("planted"))["factor"].n_unique(),
    )


def test_all_planted_deaths_are_found_with_their_change_points_and_no_other_factor_is_called_decayed(tmp_path: Path):
    outcome = judged(1, tmp_path)
    assert outcome.found == DYING
    assert outcome.falsely == ()
    assert outcome.covered == DYING
    assert outcome.proven == FACTORS


def main() -> None:
    """Judge as many markets as the command line says."""
    outcomes = []
    for seed in range(1, int(sys.argv[1]) + 1):
        with tempfile.TemporaryDirectory() as home:
            outcomes.append(judged(seed, Path(home)))
        print(seed, outcomes[-1], flush=True)  # noqa: T201
    delays = sorted(delay for each in outcomes for delay in each.delays)
    print(  # noqa: T201
        f"{sum(each.found for each in outcomes)} of {DYING * len(outcomes)} found; covered {sum(each.covered for each in outcomes)}; "
        f"falsely decayed at the end: {[len(each.falsely) for each in outcomes]}; false alarms ever: "
        f"{[each.false_alarms for each in outcomes]}; median delay {delays[len(delays) // 2]}"
    )


if __name__ == "__main__":
    main()
