"""`mech-exo explain`: why a name is ranked where it is on a session.

What belongs here: reading one session and printing what the models say of one name. What does not: contributions (`quant.explain`).
"""

from __future__ import annotations

import datetime as dt
import difflib
import json as json_module
import math
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mech_exo_assets.cli.options import Config, Home, Json, Source, require_source, require_tables, settings_from
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.reports.learning_explained import shown_value
from mech_exo_assets.schemas import DATASET, MODELS, PREDICTIONS, STACKING, TRAININGS
from mech_exo_assets.storage.lake import Lake

if TYPE_CHECKING:
    from mech_exo_assets.quant.explain import NameExplained, SessionExplained

EXAMPLES = """
\b
Examples:
  mech-exo explain NVDA
  mech-exo explain NVDA --date 2020-03-16 --model lightgbm --top 20
  mech-exo explain NVDA --home mydata --json
"""

_NEEDED = (PREDICTIONS, MODELS, STACKING, DATASET)
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
    lake = Lake(settings.lake_path)
    require_tables(lake, settings, _NEEDED, command="mech-exo learn")
    report = _report(lake, symbol, _session(lake, date), model, top)
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


def _report(lake: Lake, symbol: str, day: dt.date, model: Kind | None, top: int) -> dict[str, Any]:
    from mech_exo_assets.quant.explain import explain_session, in_use, loaded
    from mech_exo_assets.quant.models.ensemble import weights_of

    predictions = lake.scan(PREDICTIONS.key, years=[day.year]).filter(pl.col("date") == day).collect()
    rows = lake.scan(DATASET.key, years=[day.year]).filter(pl.col("date") == day).collect()
    session = rows.join(predictions.select("symbol").unique(), on="symbol", how="semi")
    models = in_use(lake.read(MODELS.key), day)
    if session.is_empty() or models.is_empty():
        key = DATASET.key if session.is_empty() else MODELS.key
        raise MechExoError(
            f"{key} holds nothing of {day}, which {PREDICTIONS.key} does: they are not of one run. Run `mech-exo learn` again."
        )
    name = _known(symbol, session["symbol"].to_list(), day)
    try:
        weights = weights_of(lake.read(STACKING.key), int(models["fold"].to_list()[0]))
    except ValueError as error:
        raise MechExoError(f"{error}. Run `mech-exo learn` again.") from error
    absent = sorted({name for name, weight in weights.items() if weight} - set(models["model"]))
    if absent or (model is not None and model.value not in models["model"]):
        raise MechExoError(f"{MODELS.key} has no {absent[0] if absent else model} for {day}. Run `mech-exo learn` again.")
    found = explain_session(session, loaded(models), name, weights=weights)
    stored = dict(predictions.filter(symbol=name).select("model", "value").iter_rows())
    trainings = {row["model"]: _training(lake, row) for row in models.iter_rows(named=True)}
    asked = [each for each in found.models if (each.weight > 0.0 if model is None else each.model == model.value)]
    return {
        "symbol": name,
        "date": day,
        "names": found.n,
        "rank": found.rank,
        "score": found.score,
        "ensemble": _ensemble(found),
        "models": [_of_model(each, trainings[each.model], stored.get(each.model), top) for each in asked],
    }


def _known(symbol: str, names: list[str], day: dt.date) -> str:
    if symbol in names:
        return symbol
    same = [name for name in names if name.upper() == symbol.upper()]
    if len(same) == 1:
        return same[0]
    capitals = {name.upper(): name for name in names}
    close = [capitals[name] for name in difflib.get_close_matches(symbol.upper(), capitals, n=3)]
    hint = f"Did you mean {' or '.join(close)}?" if close else f"There are, among others: {', '.join(sorted(names)[:10])}."
    raise InputError(f"{symbol} is not among the {len(names)} names that are predicted on {day}. {hint}")


def _training(lake: Lake, row: dict[str, Any]) -> dict[str, Any]:
    """Which training a model is from, as far as its own table tells."""
    told = {name: row[name] for name in ("fold", "test_from", "test_to")}
    schema = TRAININGS[row["model"]]
    rows = lake.read(schema.key).filter(fold=row["fold"]) if lake.exists(schema.key) else schema.empty()
    more = rows.row(0, named=True) if rows.height else {}
    return told | {name: more.get(name) for name in ("train_from", "train_to", "rounds", "mlflow_run")}


def _ensemble(found: SessionExplained) -> list[dict[str, Any]]:
    return [{"model": each.model, "weight": each.weight, "score": each.score, "rank": each.rank} for each in found.models]


def _of_model(found: NameExplained, training: dict[str, Any], stored: float | None, top: int) -> dict[str, Any]:
    first, rest = found.contributions.head(top), found.contributions.tail(-top)
    sums = {name: float(rest[name].sum()) for name in ("contribution", "relative")}
    return {
        "model": found.model,
        "rank": found.rank,
        "prediction": found.prediction,
        "stored": stored,
        "base": found.base,
        "session_mean": found.mean,
        "weight": found.weight,
        "training": training,
        "contributions": first.to_dicts(),
        "rest": {"features": rest.height, **sums},
    }


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
