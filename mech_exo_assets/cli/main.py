"""The command line's entry: the commands, and what an error looks like.

What belongs here: the list of commands, exit codes. What does not: what a command does.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mech_exo_assets.cli import (
    backup,
    champion,
    dashboard,
    db,
    decay,
    explain,
    export,
    learn,
    ledger,
    maintain,
    replay,
    report,
    retrain,
    run,
    search,
    simulate,
    status,
    up,
    user,
)
from mech_exo_assets.errors import InputError, MechExoError

app = typer.Typer(
    name="mech-exo",
    help="A self-retraining strategy platform: prices, factors, their decay, portfolio and backtest as one asset graph.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(epilog=run.EXAMPLES)(run.run)
app.command(epilog=up.EXAMPLES)(up.up)
app.command(epilog=dashboard.EXAMPLES)(dashboard.dashboard)
app.command(epilog=status.EXAMPLES)(status.status)
app.command(epilog=decay.EXAMPLES)(decay.decay)
app.command(epilog=learn.EXAMPLES)(learn.learn)
app.command(epilog=search.EXAMPLES)(search.search)
app.command(epilog=retrain.EXAMPLES)(retrain.retrain)
app.command(epilog=champion.PROMOTE_EXAMPLES)(champion.promote)
app.command(epilog=champion.ROLLBACK_EXAMPLES)(champion.rollback)
app.command(epilog=champion.REFUSE_EXAMPLES)(champion.refuse)
app.command(epilog=replay.EXAMPLES)(replay.replay)
app.command(epilog=explain.EXAMPLES)(explain.explain)
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=simulate.EXAMPLES)(simulate.simulate)
app.command(epilog=maintain.EXAMPLES)(maintain.maintain)
app.command(epilog=backup.BACKUP_EXAMPLES)(backup.backup)
app.command(epilog=backup.RESTORE_EXAMPLES)(backup.restore)
app.add_typer(report.app, name="report")
app.add_typer(ledger.app, name="ledger")
app.add_typer(user.app, name="user")
app.add_typer(db.app, name="db")


@app.callback()
def _shared(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Commands exit with 0 when done, 1 when something failed, 2 when the input or the usage was wrong."""
    del debug  # `main` looks for it, since errors pass there.


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors that a person can mend become one line on standard error.

    Returns
    -------
    int
        The exit code: 0 done, 1 failed, 2 wrong usage or input.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=words, standalone_mode=True)
    except MechExoError as error:
        if "--debug" in words:
            raise
        sys.stderr.write(f"mech-exo: {error}\n")
        return 2 if isinstance(error, InputError) else 1
    return 0
