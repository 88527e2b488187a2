"""`deploy/nginx.conf` in a real nginx before a real `mech-exo up`: who has not signed in to the dashboard reaches no Dagster UI."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mech_exo_assets.dashboard.access.users import remove_user, write_user
from mech_exo_tests.dashboard.asking import PASSWORD, with_users
from mech_exo_tests.e2e.browser import ARGUMENTS, CHROMIUM, served
from mech_exo_tests.learned import VARIABLES
from mech_exo_tests.ports import free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin")
OPENSSL = shutil.which("openssl")
NAME = "desk.example"
SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "nginx.conf"
MUTATION = 'mutation { terminateRun(runId: "00000000-0000-0000-0000-000000000000") { __typename } }'
"""Refused in a UI that can only be read, and answered with RunNotFoundError elsewhere."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not there; on Debian: apt install nginx-light"),
    pytest.mark.skipif(OPENSSL is None, reason="openssl is not there, which makes the certificate"),
]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    code: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Desk:
    """A proxy before the dashboard and two Dagster UIs."""

    dashboard: int
    dagster: int
    users: Path
    errors: Path

    def ask(self, port: int, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        connection = HTTPSConnection("127.0.0.1", port, context=trusting(), timeout=60)
        sent = {"Host": f"{NAME}:{port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read().decode("utf-8", errors="replace"))
        finally:
            connection.close()

    def graphql(self, query: str, **headers: str) -> Answer:
        body = json.dumps({"query": query}).encode()
        return self.ask(self.dagster, "/graphql", method="POST", body=body, Content_Type="application/json", **headers)

    def sign_in(self, name: str) -> str:
        """The cookie of a session."""
        page = self.ask(self.dashboard, "/sign-in")
        (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', page.text)
        form = urlencode({"name": name, "password": PASSWORD, "next": "/", "csrf_token": token}).encode()
        here = {"Origin": f"https://{NAME}:{self.dashboard}", "Content_Type": "application/x-www-form-urlencoded"}
        answer = self.ask(self.dashboard, "/sign-in", method="POST", body=form, Cookie=cookie(page), **here)
        assert answer.code == 302, answer.text
        return cookie(answer)


def cookie(answer: Answer) -> str:
    sent = answer.headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Strict"} <= {part.strip() for part in sent.split(";")}
    return sent.split(";")[0]


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def configuration(folder: Path, ports: Mapping[str, int]) -> str:
    """The shipped file, with ports, certificate and folders of this test, in a whole configuration."""
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{ports['443']} ssl"),
        ("listen 8443 ssl", f"listen 127.0.0.1:{ports['8443']} ssl"),
        ("127.0.0.1:8050", f"127.0.0.1:{ports['8050']}"),
        ("127.0.0.1:3000", f"127.0.0.1:{ports['3000']}"),
        ("127.0.0.1:3001", f"127.0.0.1:{ports['3001']}"),
        (f"https://{NAME}/sign-in", f"https://{NAME}:{ports['443']}/sign-in"),
        ("/etc/ssl/desk.example.pem", f"{folder}/cert.pem"),
        ("/etc/ssl/desk.example.key", f"{folder}/key.pem"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    http = f"http {{ access_log off; {temporary}\n{text}\n}}"
    return f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;\nevents {{ }}\n{http}\n"


@contextmanager
def nginx(folder: Path, ports: Mapping[str, int]) -> Generator[None]:
    subject = ["-subj", f"/CN={NAME}", "-days", "2", "-nodes", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", *subject], check=True, capture_output=True)
    path = folder / "nginx.conf"
    path.write_text(configuration(folder, ports), encoding="utf-8")
    # Its workers are another user's where it is started by root.
    folder.chmod(0o755)
    command = [str(NGINX), "-e", str(folder / "errors"), "-p", str(folder), "-c", str(path)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Generator[Desk]:
    folder = tmp_path_factory.mktemp("proxy")
    users = with_users(folder / "users.yaml", ann="viewer", bob="operator", eve="operator")
    ports = {name: free_port() for name in ("443", "8443", "8050")}
    home = folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.setenv(name, "")
            patch.delenv(name)
        patch.setenv("MECH_EXO_AUTH", str(users))
        patch.setenv("MECH_EXO_DASHBOARD_HOSTS", NAME)
        with served(home, dashboard_port=ports["8050"]) as operators, served(home, "--read-only") as viewers:
            ports |= {"3000": int(operators.rsplit(":", 1)[1]), "3001": int(viewers.rsplit(":", 1)[1])}
            with nginx(folder, ports):
                found = Desk(ports["443"], ports["8443"], users, folder / "errors")
                deadline = time.monotonic() + 60
                while not reached(found):
                    assert time.monotonic() < deadline
                    time.sleep(0.3)
                yield found


def reached(desk: Desk) -> bool:
    try:
        return desk.ask(desk.dashboard, "/static/icon.svg").code == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def operator(desk: Desk) -> str:
    return desk.sign_in("bob")


@pytest.fixture(scope="module")
def viewer(desk: Desk) -> str:
    return desk.sign_in("ann")


FORGED = {
    "X_Mech_Exo_Role": "operator",
    "X_Mech_Exo_User": "bob",
    "X_Forwarded_User": "bob",
    "X_Forwarded_For": "127.0.0.1",
    "Authorization": "Basic Ym9iOng=",
    "X_Original_URI": "/",
}


@pytest.mark.parametrize("headers", [{}, FORGED, {"Cookie": "mech_exo=eyJuYW1lIjoiYm9iIn0.x.y"}])
def test_who_has_not_signed_in_is_led_to_the_form_and_reaches_nothing(desk: Desk, headers: dict[str, str]):
    page = desk.ask(desk.dagster, "/runs", Accept="text/html", **headers)
    assert (page.code, page.headers.get("Location")) == (302, f"https://{NAME}:{desk.dashboard}/sign-in")
    for path in ("/graphql?" + urlencode({"query": "{ version }"}), "/server_info", "/signed-in", "/report_asset_materialization/x"):
        answer = desk.ask(desk.dagster, path, **headers)
        assert answer.code in (401, 404), path
        assert "dagster" not in answer.text.lower()
    assert desk.graphql(MUTATION, **headers).code == 401
    assert handshake(desk, **headers) == 401


def test_an_operator_has_the_whole_of_it_and_a_viewer_reads(desk: Desk, operator: str, viewer: str):
    for session in (operator, viewer):
        assert "Dagster" in desk.ask(desk.dagster, "/runs", Accept="text/html", Cookie=session).text
        assert "version" in json.loads(desk.graphql("{ version }", Cookie=session).text)["data"]
    assert outcome(desk.graphql(MUTATION, Cookie=operator)) == "RunNotFoundError"
    assert outcome(desk.graphql(MUTATION, Cookie=viewer)) == "UnauthorizedError"


def test_a_mutation_over_get_needs_the_role_too(desk: Desk, operator: str, viewer: str):
    address = "/graphql?" + urlencode({"query": MUTATION})
    assert outcome(desk.ask(desk.dagster, address, Cookie=operator)) == "RunNotFoundError"
    assert outcome(desk.ask(desk.dagster, address, Cookie=viewer, **FORGED)) == "UnauthorizedError"
    assert outcome(desk.graphql(MUTATION, Cookie=viewer, **FORGED)) == "UnauthorizedError"


def outcome(answer: Answer) -> str:
    assert answer.code == 200, answer
    return json.loads(answer.text)["data"]["terminateRun"]["__typename"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate"},
        {"Origin": "https://evil.example"},
        {"Origin": f"https://{NAME}"},
        {"Origin": "null"},
    ],
)
def test_a_page_elsewhere_changes_nothing_in_an_operators_name(desk: Desk, operator: str, headers: dict[str, str]):
    assert desk.graphql(MUTATION, Cookie=operator, **headers).code == 403
    assert desk.ask(desk.dagster, "/graphql?" + urlencode({"query": MUTATION}), Cookie=operator, **headers).code == 403


def test_a_link_of_the_dashboard_leads_to_a_page(desk: Desk, operator: str):
    link = {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate", "Accept": "text/html"}
    assert desk.ask(desk.dagster, "/runs", Cookie=operator, **link).code == 200


def handshake(desk: Desk, origin: str | None = None, **headers: str) -> int:
    """The code by which a websocket is answered; 101 where it is opened and Dagster speaks."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sock = socket.create_connection(("127.0.0.1", desk.dagster))
    # The library's own ten seconds are too few for a UI that a machine of CI starts beside other tests.
    how: dict[str, Any] = {"sock": sock, "ssl": trusting(), "subprotocols": ["graphql-ws"], "proxy": None, "open_timeout": 120}
    try:
        with connect(f"wss://{NAME}:{desk.dagster}/graphql", origin=origin, additional_headers=sent, **how) as opened:
            opened.send(json.dumps({"type": "connection_init", "payload": {}}))
            assert json.loads(opened.recv(timeout=120))["type"] == "connection_ack"
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_websockets_are_opened_for_those_who_have_signed_in_from_this_page_only(desk: Desk, operator: str, viewer: str):
    here = f"https://{NAME}:{desk.dagster}"
    assert handshake(desk, here, Cookie=operator) == 101
    assert handshake(desk, here, Cookie=viewer) == 101
    assert handshake(desk, "https://evil.example", Cookie=operator) == 403
    assert handshake(desk, here) == 401


def test_the_dashboard_is_reached_and_says_nothing_to_others_about_who_has_signed_in(desk: Desk, operator: str):
    assert "Mech-Exo" in desk.ask(desk.dashboard, "/", Cookie=operator, Accept="text/html").text
    assert desk.ask(desk.dashboard, "/signed-in", Cookie=operator).code == 404


def test_attempts_to_sign_in_are_limited_by_address(desk: Desk):
    codes = [desk.ask(desk.dashboard, "/sign-in", method="POST", body=b"name=bob&password=wrong").code for _ in range(12)]
    assert codes[-1] == 429
    # Whoever has the form open reads on.
    assert desk.ask(desk.dashboard, "/sign-in").code == 200


def test_who_has_lost_the_role_or_is_removed_is_out_at_once(desk: Desk):
    time.sleep(30)  # after the attempts of before: ten a minute
    session = desk.sign_in("eve")
    assert outcome(desk.graphql(MUTATION, Cookie=session)) == "RunNotFoundError"
    write_user(desk.users, "eve", PASSWORD, "viewer")
    assert desk.graphql(MUTATION, Cookie=session).code == 401
    remove_user(desk.users, "eve")
    assert desk.graphql("{ version }", Cookie=session).code == 401


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not there; on Debian: apt install chromium")
def test_a_person_signs_in_and_works_in_the_dagster_ui(desk: Desk):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    rules = [f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--ignore-certificate-errors"]
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=str(CHROMIUM), args=[*ARGUMENTS, *rules])
        tab = chromium.new_context(ignore_https_errors=True).new_page()
        sockets: list[Any] = []
        refused: list[str] = []
        tab.on("websocket", lambda opened: sockets.append(opened))  # noqa: PLW0108 (Playwright marks what it is given)
        tab.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
        tab.goto(f"https://{NAME}:{desk.dagster}/runs")
        assert tab.url.startswith(f"https://{NAME}:{desk.dashboard}/sign-in")
        tab.fill("#name", "bob")
        tab.fill("#password", PASSWORD)
        tab.click("button[type=submit]")
        tab.wait_for_selector("#page-title")
        assert refused == []
        tab.goto(f"https://{NAME}:{desk.dagster}/deployment")
        tab.wait_for_selector("text=mech_exo_assets.definitions", timeout=60_000)
        deadline = time.monotonic() + 30
        while not sockets:
            assert time.monotonic() < deadline
            tab.wait_for_timeout(200)
        tab.wait_for_timeout(1000)
        assert not sockets[0].is_closed()
        assert refused == []
        chromium.close()
