"""`mech-exo explain`: why a name is ranked where it is on a session.

What belongs here: which session, and printing what the models say of one name. What does not: reading it (`reports.explained_name`).
"""

from __future__ import annotations

import datetime as dt
import json as json_module
import math
import sys
from enum import StrEnum
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mech_exo_assets.cli.options import Config, Home, Json, Source, require_source, require_tables, settings_from
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.reports.explained_name import NEEDED, explained_name
from mech_exo_assets.reports.learning_explained import shown_value
from mech_exo_assets.schemas import PREDICTIONS
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo explain NVDA
  mech-exo explain NVDA --date 2020-03-16 --model lightgbm --top 20
  mech-exo explain NVDA --home mydata --json
"""

_SAME = 1e-5
"""Gap, relative to predictions above 1, at which a prediction is no longer the stored one."""
_WIDTH_OFF_A_TERMINAL = 160


class Kind(StrEnum):
    """Models that can be asked."""

    lightgbm = "lightgbm"
    xgboost = "xgboost"
    ridge = "ridge"


def explain(
    symbol: Annotated[str, typer.Argument(help="Name, as the source calls it.")],
    *,
    date: Annotated[str | None, typer.Option(help="Session, as YYYY-MM-DD. Default: the latest one that is predicted.")] = None,
    model: Annotated[Kind | None, typer.Option(help="One model. Default: each one that has a weight in the ensemble.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Features that are shown each for itself; the rest is summed.")] = 10,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Why a name is ranked where it is on a session: what each feature adds to the predictions of the models."""
    settings = settings_from(home, source, config)
    require_source(settings)
    lake = Lake(settings.lake_uri)
    require_tables(lake, settings, NEEDED, command="mech-exo learn")
    report = explained_name(lake, symbol, _session(lake, date), model=None if model is None else model.value, top=top)
    if json:
        sys.stdout.write(json_module.dumps(_plain(report), indent=1) + "\n")
    else:
        _print(report, Console(width=None if sys.stdout.isatty() else _WIDTH_OFF_A_TERMINAL))


def _session(lake: Lake, text: str | None) -> dt.date:
    """The session that is asked for, which must be predicted."""
    sessions: list[dt.date] = lake.scan(PREDICTIONS.key).select(pl.col("date").unique().sort()).collect()["date"].to_list()
    if not sessions:
        raise MechExoError(f"{PREDICTIONS.key} has no rows: the history is too short for a training. `mech-exo learn --show` says more.")
    if text is None:
        return sessions[-1]
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--date {text}: not a date. Give it as YYYY-MM-DD, e.g. {sessions[-1]}.") from error
    if day < sessions[0]:
        raise InputError(f"--date {day}: before {sessions[0]}, the first session out of sample. Give that one or a later one.")
    if day > sessions[-1]:
        raise InputError(f"--date {day}: after {sessions[-1]}, the last session that is predicted. Give that one or an earlier one.")
    if day not in sessions:
        before, after = max(each for each in sessions if each < day), min(each for each in sessions if each > day)
        raise InputError(f"--date {day}: no session is predicted on that day. The ones next to it are {before} and {after}.")
    return day


def _print(report: dict[str, Any], console: Console) -> None:
    parts = " and ".join(f"{row['weight']:.0%} {row['model']}" for row in report["ensemble"] if row["weight"] > 0.0)
    console.print(
        f"\n[bold]{escape(report['symbol'])}[/] on {report['date']}: rank [bold]{report['rank']}[/] of {report['names']} in the ensemble "
        f"({parts}), score {report['score']:+.3f}.",
        highlight=False,
    )
    for found in report["models"]:
        console.print(
            f"\n[bold]{found['model']}[/]: rank {found['rank']} of {report['names']}. {_of_training(found['training'])}", highlight=False
        )
        console.print(_table(found))
        _print_difference(found, console)
    console.print(
        "\nContribution: what the feature adds to the mean of the training; all of them lead to the prediction. Share: of that way. To the "
        "session: the contribution less its mean over the session's names, which is what makes a rank. More: docs/learning.md",
        highlight=False,
    )


def _of_training(training: dict[str, Any]) -> str:
    learned = "" if training["train_from"] is None else f", trained on {training['train_from']} to {training['train_to']}"
    until = "" if training["test_to"] is None else f" to {training['test_to']}"
    run = "" if training["mlflow_run"] is None else f" MLflow run {training['mlflow_run']}."
    return f"Training {training['fold']}{learned}; predicts from {training['test_from']}{until or ' on'}.{run}"


def _table(found: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("feature", "value", "contribution", "share", "to the session"):
        table.add_column(name, justify="left" if name == "feature" else "right", no_wrap=True)
    for row in found["contributions"]:
        share = "" if row["share"] is None else _signed(row["share"], "%", 2)
        value = escape(shown_value(row["value"], row["category"]))
        table.add_row(row["feature"], value, _signed(row["contribution"]), share, _signed(row["relative"]))
    rest, way = found["rest"], found["prediction"] - found["base"]
    if rest["features"]:
        share = _signed(rest["contribution"] / way, "%", 2) if way else ""
        table.add_row(f"{rest['features']} more", "", _signed(rest["contribution"]), share, _signed(rest["relative"]))
    table.add_row("mean of the training; of the session", "", _signed(found["base"]), "", _signed(found["session_mean"]))
    prediction = f"[bold]{_signed(found['prediction'])}[/]"
    table.add_row("[bold]prediction[/]", "", prediction, "", prediction)
    return table


def _signed(value: float, unit: str = "f", digits: int = 4) -> str:
    """With a sign; what rounds to 0 has no minus."""
    return format(round(value, digits) + 0.0, f"+.{0 if unit == '%' else digits}{unit}")


def _print_difference(found: dict[str, Any], console: Console) -> None:
    stored = found["stored"]
    if stored is not None and abs(stored - found["prediction"]) > _SAME * max(1.0, abs(stored)):
        console.print(
            f"[yellow]{PREDICTIONS.key} has {stored:+.4f}[/]: the dataset or the model has changed since. `mech-exo learn` mends it.",
            highlight=False,
        )


def _plain(value: Any) -> Any:
    """As JSON has it: dates as ISO text, and null for what is no number."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
