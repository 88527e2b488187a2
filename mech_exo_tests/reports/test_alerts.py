"""Alerts: against a real server on this machine, and what a judgement is told as."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
from urllib.error import URLError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mech_exo_assets.quant.limits import Judgement, judge
from mech_exo_assets.reports import alerts as module
from mech_exo_assets.reports.alerts import Alert, Alerts, Delivery, describe, transition
from mech_exo_assets.settings.judgement import Alerts as Limits
from mech_exo_tests.reports.slack import SECRET, Slack

LOSS = Alert(title="Backtest left alerts.min_sharpe", text="Sharpe ratio is -0.91, below 0.00.", level="warning", facts={"run": "r1"})


pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that any logger says, and a check that none of it is the secret."""
    caplog.set_level(logging.DEBUG)
    return caplog


def of_alerts(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    assert SECRET not in log.text
    return [(each.levelname, each.getMessage()) for each in log.records if each.name == "mech_exo.alerts"]


@pytest.mark.parametrize(("level", "logged"), [("warning", "WARNING"), ("resolved", "INFO"), ("error", "ERROR")])
def test_without_a_webhook_an_alert_is_a_line_in_the_log(log, level, logged):
    alert = Alert(title="News", text="Two\nlines.", level=level, facts={"run": "r1", "sessions": "252"})
    assert Alerts(None).send(alert) == Delivery(log=True, slack="not set up")
    assert of_alerts(log) == [(logged, "News: Two lines.; run: r1; sessions: 252")]


def test_an_alert_that_is_resolved_is_logged_where_nobody_has_asked_for_information(caplog):
    assert logging.getLogger().level == logging.WARNING
    Alerts(None).send(Alert(title="News", text="All is well.", level="resolved"))
    assert [each.levelname for each in caplog.records] == ["INFO"]


def test_with_a_webhook_the_message_arrives_in_slack_and_in_the_log(slack: Slack, log):
    assert slack.alerts.send(LOSS) == Delivery(log=True, slack="sent")
    assert slack.paths == [f"/services/T0001/{SECRET}"]
    assert slack.messages == [
        {
            "text": "Backtest left alerts.min_sharpe: Sharpe ratio is -0.91, below 0.00.",
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": ":warning: *Backtest left alerts.min_sharpe*"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "Sharpe ratio is -0.91, below 0.00."}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*run*\nr1"}]},
            ],
        }
    ]
    assert of_alerts(log) == [("WARNING", "Backtest left alerts.min_sharpe: Sharpe ratio is -0.91, below 0.00.; run: r1")]


def test_the_three_characters_of_slack_are_escaped_everywhere(slack: Slack):
    slack.alerts.send(Alert(title="A&B <!channel>", text="1 < 2 & 3 > 2", level="error", facts={"<x>": "a&amp;b"}))
    (message,) = slack.messages
    assert message["text"] == "A&amp;B &lt;!channel&gt;: 1 &lt; 2 &amp; 3 &gt; 2"
    title, text, facts = message["blocks"]
    assert title["text"]["text"] == ":rotating_light: *A&amp;B &lt;!channel&gt;*"
    assert text["text"]["text"] == "1 &lt; 2 &amp; 3 &gt; 2"
    assert facts["fields"][0]["text"] == "*&lt;x&gt;*\na&amp;amp;b"


@given(st.text("&<>ab\n", min_size=1, max_size=8), st.integers(0, 3010), st.integers(0, 25))
def test_a_message_never_exceeds_what_slack_takes(pattern: str, length: int, count: int):
    text = (pattern * 3010)[:length]
    message = module._message(Alert(title="T", text=text, level="warning", facts={str(each): text for each in range(count)}))
    blocks = message["blocks"]
    assert all(len(each["text"]["text"]) <= 3000 for each in blocks if "text" in each)
    assert all(1 <= len(each["fields"]) <= 10 for each in blocks if "fields" in each)
    shown = [each for block in blocks for each in block.get("fields", [])]
    assert len(shown) == count
    assert all(len(each["text"]) <= 2000 for each in shown)
    for each in (message["text"], blocks[1]["text"]["text"], *(fact["text"] for fact in shown)):
        assert not re.search(r"&(?!amp;|lt;|gt;)", each)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, "no_service", "HTTP 404 no_service"),
        (403, "invalid_token", "HTTP 403 invalid_token"),
        (404, f"The page /services/T0001/{SECRET} was not found", "HTTP 404"),
        (429, "", "HTTP 429"),
        (204, "", "HTTP 204"),
    ],
)
def test_a_refusal_is_told_and_nothing_is_raised(slack: Slack, log, status, body, reason):
    slack.answers = [(status, body)]
    assert slack.alerts.send(LOSS) == Delivery(log=True, slack=f"failed: {reason}")
    assert len(slack.messages) == 1
    assert of_alerts(log)[1:] == [("ERROR", f"The alert 'Backtest left alerts.min_sharpe' did not reach Slack: {reason}.")]


def test_a_broken_server_is_asked_twice(slack: Slack, log):
    slack.answers = [(500, "server_error")]
    assert slack.alerts.send(LOSS).slack == "failed: HTTP 500 server_error"
    assert len(slack.messages) == 2
    assert [level for level, _ in of_alerts(log)] == ["WARNING", "ERROR"]


def test_a_server_that_recovers_has_the_message(slack: Slack, log):
    slack.answers = [(503, ""), (200, "ok")]
    assert slack.alerts.send(LOSS).slack == "sent"
    assert [level for level, _ in of_alerts(log)] == ["WARNING"]


def test_a_server_that_does_not_answer_is_given_up(slack: Slack, log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1)
    slack.delay = 1.3
    assert slack.alerts.send(LOSS).slack == "failed: no answer within 1 seconds"
    assert [level for level, _ in of_alerts(log)] == ["WARNING", "ERROR"]


def test_a_refused_connection_is_told(log):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    alerts = Alerts(SecretStr(f"http://127.0.0.1:{port}/services/{SECRET}"))
    assert alerts.send(LOSS) == Delivery(log=True, slack="failed: Connection refused")
    assert of_alerts(log)[1][1].endswith("did not reach Slack: Connection refused.")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("", "ValueError"),
        (f"hooks.slack.com/{SECRET}", "ValueError"),
        (f"ftp://hooks.slack.com/{SECRET}", "SlackRequestError"),
        (f"http://127.0.0.1:{SECRET}/x", "InvalidURL"),
        (f"http://127.0.0.1/a b{SECRET}", "InvalidURL"),
        (f"http://[{SECRET}", "ValueError"),
        (f"httpx:{SECRET}", "URLError"),
        (f"http:{SECRET}", "URLError"),
    ],
)
def test_an_address_that_is_none_is_told_without_being_quoted(log, address, kind):
    reason = f"no answer in HTTP from the address in MECH_EXO_SLACK_WEBHOOK ({kind})"
    assert Alerts(SecretStr(address)).send(LOSS) == Delivery(log=True, slack=f"failed: {reason}")
    assert [level for level, _ in of_alerts(log)] == ["WARNING", "ERROR"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(f"no way to {SECRET}"), "no answer in HTTP from the address in MECH_EXO_SLACK_WEBHOOK (OSError)"),
        (OSError("Tunnel connection failed: 407"), "Tunnel connection failed: 407"),
        (URLError(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (URLError(TimeoutError()), "no answer within 10 seconds"),
    ],
)
def test_the_words_of_the_system_are_given_unless_they_hold_the_secret(error, reason):
    assert module._reason(error, f"http://host/{SECRET}") == reason


def test_no_representation_shows_the_secret(slack: Slack):
    alerts = slack.alerts
    assert SECRET not in f"{alerts!r} {alerts} {alerts.__dict__} {alerts.send(LOSS)!r}"


def test_slack_is_not_imported_with_the_module():
    words = "import sys, mech_exo_assets.reports.alerts; sys.exit('slack_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0


def judged(*returns: float, min_sharpe: float | None = 0.0, max_drawdown: float | None = 0.2) -> Judgement:
    """20 sessions of these returns, over and over."""
    days = np.datetime64("2022-01-03") + np.arange(20)
    limits = Limits(sessions=20, min_sharpe=min_sharpe, max_drawdown=max_drawdown)
    return judge(np.resize(np.array(returns), 20), days, limits)


GOOD, BAD, FLAT = judged(0.02, -0.01), judged(-0.02, 0.01, -0.03), judged(0.0)


def test_a_limit_that_is_newly_left_is_a_warning_with_numbers_period_and_what_to_do():
    alert = transition([], judged(-0.02, 0.01, max_drawdown=None))
    assert alert is not None
    assert (alert.level, alert.title) == ("warning", "Backtest left alerts.min_sharpe")
    assert alert.facts == {"period": "2022-01-03 to 2022-01-22", "sessions": "20"}
    # Mean -0.005, standard deviation 0.015 · √(20/19), times √252.
    assert alert.text.startswith(
        "Sharpe ratio of the last 20 sessions (2022-01-03 to 2022-01-22) is -5.16, below the limit 0.00 (alerts.min_sharpe). Nothing was "
    )
    assert "mech-exo report tearsheet" in alert.text


def test_a_drawdown_is_told_with_its_dates():
    alert = transition([], judged(0.1, -0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3, min_sharpe=None, max_drawdown=0.125))
    assert alert is not None
    assert alert.text.startswith(
        "Largest drawdown of the last 20 sessions (2022-01-03 to 2022-01-22) is 25.0 %, from 2022-01-03 to 2022-01-04, above the limit "
        "12.5 % (alerts.max_drawdown)."
    )
    from_start = transition([], judged(-0.3, *[0.0] * 19))
    assert from_start is not None
    assert "is 30.0 %, from the start to 2022-01-03, above the limit 20.0 %" in from_start.text


def test_a_limit_that_is_kept_again_is_resolved():
    alert = transition(["min_sharpe"], GOOD)
    assert alert is not None
    assert (alert.level, alert.title) == ("resolved", "Backtest keeps alerts.min_sharpe again")
    assert re.fullmatch(
        r"Kept again: Sharpe ratio of the last 20 .* is 5\.16, not below the limit 0\.00 \(alerts\.min_sharpe\)\.", alert.text
    )


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([], GOOD),
        (["min_sharpe", "max_drawdown"], BAD),
        ([], FLAT),
        (["min_sharpe"], FLAT),
        (["min_sharpe"], judged(0.02, min_sharpe=None)),
        (["min_sharpe"], Judgement(judged=False, n_sessions=3, wanted=20, first=None, last=None, checks=())),
    ],
    ids=["kept and kept", "left and left", "not defined", "left and not defined", "left and not set", "left and not judged"],
)
def test_no_news_is_no_alert(before, now):
    assert transition(before, now) is None


def test_one_alert_says_what_is_left_and_what_is_kept_again():
    fallen = judged(0.3, -0.22, 0.01)
    assert [each.left for each in fallen.checks] == [False, True]
    alert = transition(["min_sharpe"], fallen)
    assert alert is not None
    assert (alert.level, alert.title) == ("warning", "Backtest left alerts.max_drawdown")
    assert alert.text.index("Largest drawdown") < alert.text.index("Kept again: Sharpe ratio") < alert.text.index("Nothing was traded")


def test_one_alert_says_what_is_still_left():
    alert = transition(["min_sharpe", "max_drawdown"], judged(0.3, -0.22, 0.01))
    assert alert is not None
    assert alert.level == "resolved"
    assert "Still left: Largest drawdown" in alert.text


def test_both_limits_left_are_one_alert():
    alert = transition([], BAD)
    assert alert is not None
    assert alert.title == "Backtest left alerts.min_sharpe and alerts.max_drawdown"


def test_a_sequence_of_judgements_is_told_twice_and_no_more():
    before, told = (), []
    for now in (GOOD, BAD, BAD, FLAT, BAD, GOOD, GOOD):
        alert = transition(before, now)
        told.append(alert and alert.level)
        before = now.left_after(before)
    # A flat portfolio has no drawdown, and its Sharpe ratio is not defined: just the drawdown is kept again, and then left again.
    assert told == [None, "warning", None, "resolved", "warning", "resolved", None]


@pytest.mark.parametrize(
    ("value", "limit", "percent", "said"),
    [
        (-0.914, 0.0, False, ("-0.91", "0.00")),
        (-0.001, 0.0, False, ("-0.001", "0.000")),
        (-0.004999, 0.0, False, ("-0.005", "0.000")),
        (0.2004, 0.2, True, ("20.04 %", "20.00 %")),
        (0.28, 0.2, True, ("28.0 %", "20.0 %")),
        (0.2, 0.1234, True, ("20.00 %", "12.34 %")),
        (0.5, 0.5, False, ("0.50", "0.50")),
        (-0.0, 0.0, False, ("0.00", "0.00")),
    ],
)
def test_a_figure_and_its_limit_are_told_apart(value, limit, percent, said):
    assert module._apart(value, limit, percent=percent) == said


def test_a_judgement_in_words():
    assert describe(
        judge(np.zeros(3), np.datetime64("2022-01-03") + np.arange(3), Limits(sessions=20, min_sharpe=0, max_drawdown=0.2))
    ) == ("Not judged: there are 3 sessions, and the limits hold for the last 20 (alerts.sessions).")
    assert describe(judged(0.01, min_sharpe=None, max_drawdown=None)).startswith("Not judged: no limit is set")
    assert describe(FLAT) == (
        "Sharpe ratio of the last 20 sessions (2022-01-03 to 2022-01-22) is not defined, since the returns do not vary; the limit "
        "alerts.min_sharpe is not judged. Largest drawdown of the last 20 sessions (2022-01-03 to 2022-01-22) is 0.0 %, not above the "
        "limit 20.0 % (alerts.max_drawdown)."
    )
