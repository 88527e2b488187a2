"""Options that all commands share, and the home they lead to.

What belongs here: --home, --source, --config, and the preparation of a home. What does not: any one command.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import socket
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Settings, load_settings, load_strategy

if TYPE_CHECKING:
    import dagster as dg

    from mech_exo_assets.schemas import TableSchema
    from mech_exo_assets.storage.lake import Lake

Home = Annotated[
    Path | None, typer.Option(help="Folder of everything a run leaves behind. Default: MECH_EXO_HOME, or data/ of the checkout.")
]
Source = Annotated[
    str | None,
    typer.Option(help="Market data: sample, files:PATH, yahoo:TICKERS|FILE or simulator:KEY=VALUE,…  Default: MECH_EXO_SOURCE, or sample."),
]
Config = Annotated[
    Path | None, typer.Option(help="YAML file that overrides keys of the strategy. Default: MECH_EXO_CONFIG, or the home's own.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs instead of text.")]


def settings_from(home: Path | None, source: str | None = None, config: Path | None = None) -> Settings:
    """Settings of the environment with the options put over them, and put back, so that every process started from here has the same.

    Raises
    ------
    InputError
        If an option or a MECH_EXO_* variable is not accepted.
    """
    settings = load_settings(home=home, source=source, config=config)
    os.environ["MECH_EXO_HOME"] = str(settings.home)
    if source is not None:
        os.environ["MECH_EXO_SOURCE"] = settings.source
    if settings.config is not None:
        os.environ["MECH_EXO_CONFIG"] = str(settings.config)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    return settings


def require_source(settings: Settings) -> str | None:
    """The source that the home's tables were computed from; None before the first complete refresh.

    Raises
    ------
    InputError
        If a source is asked for, and the home holds another one's tables; or if its tables are in another lake.
    """
    from mech_exo_assets.defs.refresh import read_record

    last = read_record(settings.home)
    if last is not None and "source" in settings.model_fields_set and last.source != settings.source:
        raise InputError(
            f"{settings.home} holds tables of the source {last.source}, not {settings.source}. Give another --home, or leave the source "
            "out; nothing was changed."
        )
    if last is not None and last.lake != settings.lake_elsewhere:
        mend = f"Set MECH_EXO_LAKE={last.lake}" if last.lake else "Leave MECH_EXO_LAKE out"
        raise InputError(
            f"the tables of {settings.home} are in {last.lake or settings.home / 'lake'}, not in {settings.lake_uri}. {mend}; or compute "
            "them anew there with `mech-exo run --replace`. Nothing was changed."
        )
    return None if last is None else last.source


def settings_of_home(home: Path | None, source: str | None = None, config: Path | None = None) -> Settings:
    """`settings_from`, with the source that the home's tables were computed from.

    Raises
    ------
    InputError
        As `settings_from` and `require_source`.
    """
    settings = settings_from(home, source, config)
    held = require_source(settings)
    return settings if held is None else settings_from(settings.home, held, settings.config)


def require_choices(settings: Settings) -> None:
    """Refuse choices that the home's tables were not computed with, for what computes or shows only some of them.

    Raises
    ------
    InputError
        If the last complete run of the home was with another strategy.
    """
    from mech_exo_assets.defs.refresh import choices_hash, read_record

    last = read_record(settings.home)
    if last is not None and last.choices != choices_hash(load_strategy(settings.config)):
        named = settings.config or "the default strategy"
        raise InputError(
            f"{settings.home} holds tables of other choices than {named}. Run `mech-exo run` with these choices first (without --select), "
            "or leave --config out; nothing was changed."
        )


def require_tables(lake: Lake, settings: Settings, schemas: Iterable[TableSchema], *, command: str) -> None:
    """Refuse a home that lacks a table, with the command that makes it.

    Raises
    ------
    MechExoError
        Naming the first table that is missing.
    """
    missing = next((schema.key for schema in schemas if not lake.exists(schema.key)), None)
    if missing is not None:
        raise MechExoError(f"{settings.home} holds no {missing} yet. Run `{command}` first.")


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's own storage of this home, made where it is not there yet."""
    from mech_exo_assets.storage.dagster_home import run_instance

    return run_instance(settings)


def person() -> str:
    """Who types: the user and the machine, for the record."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@contextmanager
def only_writer(settings: Settings) -> Generator[None]:
    """Hold the home's lock for runs of commands, which the system takes back when this process ends, however it ends.

    Raises
    ------
    MechExoError
        If another `mech-exo run` holds it.
    """
    with _held(settings.home / ".run.lock", f"another run is writing to {settings.home}. Wait until it has ended, or give another --home."):
        yield


@contextmanager
def only_server(settings: Settings) -> Generator[None]:
    """Hold the home's lock for its daemon: two would do everything twice.

    Raises
    ------
    MechExoError
        If another `mech-exo up` holds it.
    """
    with _held(settings.home / ".up.lock", f"another mech-exo up serves {settings.home}. End it first, or look on with --read-only."):
        yield


@contextmanager
def _held(path: Path, otherwise: str) -> Generator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MechExoError(otherwise) from error
        yield
