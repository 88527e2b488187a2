"""A server on this machine that takes the place of Slack, and keeps what was posted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import SecretStr

from mech_exo_assets.reports.alerts import Alerts

SECRET = "B024BE7LH-oNp8ZwX1kQ"  # noqa: S105 (of no installation)


@dataclass
class Slack:
    """A server that keeps what was posted, and answers as it is told: status and body one after the other, the last of them for ever."""

    answers: list[tuple[int, str]] = field(default_factory=lambda: [(200, "ok")])
    delay: float = 0.0
    paths: list[str] = field(default_factory=list)
    messages: list[dict] = field(default_factory=list)
    address: str = ""

    @property
    def alerts(self) -> Alerts:
        return Alerts(SecretStr(self.address))


@contextmanager
def listening() -> Generator[Slack]:
    """The server, until the end of the block."""
    state = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.paths.append(self.path)
            state.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            time.sleep(state.delay)
            status, body = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that has stopped waiting
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_address[1]}/services/T0001/{SECRET}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
