"""What tells people something: a line in the log, a message in Slack where a webhook is set, and other channels where they are named.

What belongs here: `Alerts`, and what a judgement is told as. What does not: the judgement (`quant.limits`), and when it is made (`defs`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import URLError

from pydantic import SecretStr

if TYPE_CHECKING:
    from mech_exo_assets.quant.limits import Judgement, LimitCheck

LOGGER = logging.getLogger("mech_exo.alerts")
# Python's default would drop what is resolved.
LOGGER.setLevel(logging.INFO)
TIMEOUT_SECONDS = 10
"""Longest wait for Slack, for each of two attempts."""

_FAILED = "failed: "
NOT_SET_UP = "not set up"
SENT = "sent"
SENT_BEFORE = "sent before"
SLACK = "Slack"

_LOG_LEVEL = {"warning": logging.WARNING, "resolved": logging.INFO, "error": logging.ERROR}
_SIGN = {"warning": ":warning:", "resolved": ":white_check_mark:", "error": ":rotating_light:"}
# Slack refuses a message with a longer text, or more facts in one block.
_MAX_TEXT, _MAX_FACT, _MAX_FACTS = 3000, 2000, 10


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person is to know.

    Attributes
    ----------
    title : str
        The news in a few words.
    text : str
        What happened, since when, with which numbers, and what to do.
    level : {"warning", "resolved", "error"}
        Logged as WARNING, INFO and ERROR.
    facts : mapping of str to str
        Names and values that stand beside the text, e.g. the run.
    """

    title: str
    text: str
    level: Literal["warning", "resolved", "error"]
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where an alert has gone.

    Attributes
    ----------
    log : bool
        Whether it stands in the log.
    slack : str
        "sent", "not set up", "sent before", or "failed: " and the reason.
    others : mapping of str to str
        The same of each other channel, by its name.
    """

    log: bool
    slack: str
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether it was to be sent, and was not."""
        return bool(self.why)

    @property
    def why(self) -> str:
        """Where and why it was not sent; empty where nothing failed."""
        return "; ".join(f"{name} {said}" for name, said in self._by_channel.items() if said.startswith(_FAILED))

    @property
    def done(self) -> list[str]:
        """Channels that have it."""
        return [name for name, said in self._by_channel.items() if said in (SENT, SENT_BEFORE)]

    @property
    def _by_channel(self) -> dict[str, str]:
        return {SLACK: self.slack, **self.others}

    def __str__(self) -> str:
        """Where it has gone, in one line."""
        return "; ".join(["log", *(f"{name}: {said}" for name, said in self._by_channel.items())])


@dataclass(frozen=True)
class Alerts:
    """The channel of one installation.

    Parameters
    ----------
    webhook : SecretStr or None
        Address of an incoming webhook of Slack; whoever knows it can post, so that it is never logged or shown.
    ui_url : str
        Address of the Dagster UI, for links to runs; empty: no links.
    urls : SecretStr or None
        Addresses of other channels as apprise takes them, with blanks between them; they hold passwords.
    """

    webhook: SecretStr | None
    ui_url: str = ""
    urls: SecretStr | None = None

    def run_link(self, run_id: str | None) -> str | None:
        """Where the run is seen in the Dagster UI; None without a run or an address."""
        return f"{self.ui_url.rstrip('/')}/runs/{run_id}" if run_id and self.ui_url else None

    def send(self, alert: Alert, *, log: bool = True, without: Collection[str] = ()) -> Delivery:
        """Log the alert and, where channels are set, send it there; what fails is logged and told, and raises nothing.

        Parameters
        ----------
        alert : Alert
        log : bool
            False for another attempt at an alert that stands in the log already.
        without : collection of str
            Channels that have it already (`Delivery.done` of an attempt before).
        """
        facts = "".join(f"; {name}: {value}" for name, value in alert.facts.items())
        # In one line, whatever it holds: a log is read by line.
        if log:
            LOGGER.log(_LOG_LEVEL[alert.level], "%s", " ".join(f"{alert.title}: {alert.text}{facts}".split()))
        delivery = Delivery(
            log=True,
            slack=SENT_BEFORE if SLACK in without else self._to_slack(alert),
            others=self._to_others(alert, without),
        )
        for name, said in {SLACK: delivery.slack, **delivery.others}.items():
            if said.startswith(_FAILED):
                LOGGER.error("The alert '%s' did not reach %s: %s.", " ".join(alert.title.split()), name, said.removeprefix(_FAILED))
        return delivery

    def _to_slack(self, alert: Alert) -> str:
        if self.webhook is None:
            return NOT_SET_UP
        reason = _post(self.webhook.get_secret_value(), _message(alert))
        return SENT if reason is None else f"{_FAILED}{reason}"

    def _to_others(self, alert: Alert, without: Collection[str]) -> dict[str, str]:
        if self.urls is None:
            return {}
        from mech_exo_assets.reports.other_channels import named, notify

        facts = "\n".join(f"{name}: {value}" for name, value in alert.facts.items())
        body = f"{alert.text}\n\n{facts}".strip()
        said = {}
        for name, url in named(self.urls.get_secret_value()).items():
            reason = None if name in without else notify(url, title=alert.title, body=body, level=alert.level)
            said[name] = SENT_BEFORE if name in without else SENT if reason is None else f"{_FAILED}{reason}"
        return said


def transition(before: Sequence[str], now: Judgement) -> Alert | None:
    """The alert about limits that were kept and are left, or were left and are kept; None where nothing of that kind happened.

    Parameters
    ----------
    before : sequence of str
        Names of the limits that were left at the last judgement (`Judgement.left_after`).
    now : Judgement
        A limit that could not be judged is neither left nor kept again.
    """
    left = [each for each in now.breaches if each.name not in before]
    kept = [each for each in now.checks if each.left is False and each.name in before]
    still = [each for each in now.breaches if each.name in before]
    if not left and not kept:
        return None
    sentences = [_sentence(each, now) for each in left]
    sentences += [f"Kept again: {_sentence(each, now)}" for each in kept]
    sentences += [f"Still left: {_sentence(each, now)}" for each in still]
    facts = {"period": f"{now.first} to {now.last}", "sessions": str(now.n_sessions)}
    if not left:
        return Alert(title=f"Backtest keeps {_names(kept)} again", text=" ".join(sentences), level="resolved", facts=facts)
    sentences.append(
        "Nothing was traded or changed because of this. See in the tear sheet (mech-exo report tearsheet) when the loss began and which "
        "factors made it, and in decay/statistics whether they still rank returns; then keep the strategy or change it."
    )
    return Alert(title=f"Backtest left {_names(left)}", text=" ".join(sentences), level="warning", facts=facts)


def describe(judgement: Judgement) -> str:
    """The judgement in words, for the page of the asset that made it."""
    if not judgement.judged:
        return (
            f"Not judged: there are {judgement.n_sessions} sessions, and the limits hold for the last {judgement.wanted} (alerts.sessions)."
        )
    if not judgement.checks:
        return "Not judged: no limit is set (alerts.min_sharpe, alerts.max_drawdown)."
    return " ".join(_sentence(each, judgement) for each in judgement.checks)


_METRIC = {"min_sharpe": "Sharpe ratio", "max_drawdown": "Largest drawdown"}


def _names(checks: Sequence[LimitCheck]) -> str:
    return " and ".join(f"alerts.{each.name}" for each in checks)


def _sentence(check: LimitCheck, judgement: Judgement) -> str:
    of = f"{_METRIC[check.name]} of the last {judgement.n_sessions} sessions ({judgement.first} to {judgement.last})"
    if check.value is None:
        return f"{of} is not defined, since the returns do not vary; the limit alerts.{check.name} is not judged."
    value, limit = _apart(check.value, check.limit, percent=check.name == "max_drawdown")
    when = f", from {check.peak or 'the start'} to {check.trough}" if check.trough else ""
    side = {
        ("min_sharpe", True): "below",
        ("min_sharpe", False): "not below",
        ("max_drawdown", True): "above",
        ("max_drawdown", False): "not above",
    }[check.name, bool(check.left)]
    return f"{of} is {value}{when}, {side} the limit {limit} (alerts.{check.name})."


def _apart(value: float, limit: float, *, percent: bool) -> tuple[str, str]:
    """Both numbers with as many digits as it takes to give the limit in full and to tell the two apart."""
    scale, digits = (100, 1) if percent else (1, 2)
    value, limit = value * scale, limit * scale
    while digits < 12 and (abs(round(limit, digits) - limit) > 1e-12 or (round(value, digits) == round(limit, digits) and value != limit)):
        digits += 1
    unit = " %" if percent else ""
    # Adding zero turns -0.0 into 0.0.
    return f"{round(value, digits) + 0.0:.{digits}f}{unit}", f"{round(limit, digits) + 0.0:.{digits}f}{unit}"


def _message(alert: Alert) -> dict[str, Any]:
    """The arguments of a message: blocks, and the text that stands in a notification."""
    title, text = _escaped(alert.title), _escaped(alert.text)
    blocks: list[dict[str, Any]] = [_section(text=_markdown(f"{_SIGN[alert.level]} *{title}*")), _section(text=_markdown(text))]
    facts = [_markdown(f"*{_escaped(name)}*\n{_escaped(value)}", _MAX_FACT) for name, value in alert.facts.items()]
    blocks += [_section(fields=facts[start : start + _MAX_FACTS]) for start in range(0, len(facts), _MAX_FACTS)]
    return {"text": _cut(f"{title}: {text}", _MAX_TEXT), "blocks": blocks}


def _section(**content: Any) -> dict[str, Any]:
    return {"type": "section", **content}


def _markdown(text: str, longest: int = _MAX_TEXT) -> dict[str, str]:
    return {"type": "mrkdwn", "text": _cut(text, longest)}


def _escaped(text: str) -> str:
    """By Slack's rules: these three characters, and no others."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, longest: int) -> str:
    """At most so long, and not cut within an escaped character."""
    return text if len(text) <= longest else re.sub(r"&[a-z]{0,3}$", "", text[: longest - 1]) + "…"


def _post(address: str, message: Mapping[str, Any]) -> str | None:
    """Post to a webhook, twice where the connection or the server fails; the reason where it failed, without the address."""
    from http.client import HTTPException

    from slack_sdk.errors import SlackClientError
    from slack_sdk.http_retry import RetryHandler
    from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler, ServerErrorRetryHandler
    from slack_sdk.webhook import WebhookClient

    # slack_sdk logs the address with every request; this logger lets nothing through.
    silent = logging.getLogger("mech_exo.alerts.slack_sdk")
    silent.setLevel(logging.CRITICAL + 1)
    retries: list[RetryHandler] = [ConnectionErrorRetryHandler(), ServerErrorRetryHandler()]
    client = WebhookClient(address, timeout=TIMEOUT_SECONDS, logger=silent, retry_handlers=retries)
    try:
        answer = client.send(**message)
    except (OSError, SlackClientError, HTTPException, ValueError, LookupError) as error:
        return _reason(error, address)
    if answer.status_code == 200:
        return None
    # Slack answers with one word, such as no_service; a page of another server may quote the address.
    word = answer.body.strip()
    return f"HTTP {answer.status_code}" + (f" {word}" if re.fullmatch(r"[a-z_]{1,40}", word) and word not in address else "")


def _reason(error: Exception, address: str) -> str:
    """Why there was no answer; in the system's words where they do not hold the secret, which is the last part of the address."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS} seconds"
    said = (cause.strerror or str(cause)) if isinstance(cause, OSError) else ""
    if said and address.rsplit("/", 1)[-1] not in said:
        return said
    return f"no answer in HTTP from the address in MECH_EXO_SLACK_WEBHOOK ({type(error).__name__})"
