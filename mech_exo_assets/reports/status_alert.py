"""What is told when factors change their status.

What belongs here: the words. What does not: the rules of the statuses (`quant.detection`), and when it is told (`defs.sensors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mech_exo_assets.reports.alerts import Alert

_BAD = ("watch", "decayed")


@dataclass(frozen=True, slots=True)
class StatusNow:
    """A factor's status, as one materialisation of `decay/status` said it.

    Attributes
    ----------
    status : str
        healthy, watch, decayed, recovered or unproven.
    since : str
        Session at whose close it became this, as an ISO date.
    reason : str
        Why, in words and numbers.
    """

    status: str
    since: str
    reason: str


def status_change(before: Mapping[str, StatusNow], now: Mapping[str, StatusNow]) -> Alert | None:
    """The alert about all factors whose status is another one than before; None where there is none.

    Parameters
    ----------
    before, now : mapping of str to StatusNow
        By factor. A factor that was not there before, or is not there any more, is told too.
    """
    sentences, worse, changed = [], False, []
    for name in sorted(set(before) | set(now)):
        was = before[name].status if name in before else "not there"
        if name not in now:
            sentences.append(f"{name}: {was}, and is not there any more; the source lacks what it needs.")
            changed.append(name)
        elif now[name].status != was:
            each = now[name]
            sentences.append(f"{name}: {was} to {each.status} on {each.since}. {each.reason}")
            changed.append(name)
            worse = worse or each.status in _BAD
    if not changed:
        return None
    if worse:
        sentences.append(
            "No weight was changed because of this; decay/rotation has what is recommended, `mech-exo decay --factor NAME` the figures."
        )
    decayed = [name for name in changed if name in now and now[name].status == "decayed"]
    title = f"Decayed: {', '.join(decayed)}" if decayed else f"Status of {len(changed)} factor{'s' * (len(changed) > 1)} has changed"
    return Alert(title=title, text=" ".join(sentences), level="warning" if worse else "resolved")
