"""Channels beside Slack: whatever apprise reaches.

What belongs here: handing a message to apprise, without letting an address be seen. What does not: the message (`alerts`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

_TYPES = {"warning": "warning", "resolved": "success", "error": "failure"}


def named(urls: str) -> dict[str, str]:
    """Addresses by a name that may be shown: the kind of channel, and its place among the addresses.

    Parameters
    ----------
    urls : str
        Addresses as apprise takes them (mailto://…, msteams://…, json://host/path), with blanks between them.
    """
    found = {}
    for number, url in enumerate(urls.split(), start=1):
        kind = re.match(r"([a-z][a-z0-9+]{0,19})://", url)
        found[f"{kind[1] if kind else 'address'} {number}"] = url
    return found


def notify(url: str, *, title: str, body: str, level: Literal["warning", "resolved", "error"]) -> str | None:
    """Send a message to one address, once; why it was not taken, without the address; None where it was.

    Parameters
    ----------
    url : str
    title, body : str
    level : {"warning", "resolved", "error"}
    """
    import apprise

    channel = apprise.Apprise()
    with _unlogged():
        if not channel.add(url):
            return "it is no address that apprise knows; see MECH_EXO_ALERT_URLS"
        kind = apprise.NotifyType(_TYPES[level])
        sent = channel.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
    return None if sent else "no answer, or a refusal"


@contextmanager
def _unlogged() -> Generator[None]:
    """Let apprise and urllib3 log nothing: both log addresses, and whoever reads the log is not to have them."""
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3.connectionpool")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
