"""What an object store refuses, in one line and without its credentials; and a store that would lose commits."""

from __future__ import annotations

import http.client
import threading
import traceback
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.schemas import UNIVERSE
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.place import Place, _shown
from mech_exo_tests.object_store import ACCESS_KEY, SECRET
from mech_exo_tests.ports import free_ports

FAULTS = [
    pytest.param(
        {"AWS_SECRET_ACCESS_KEY": "WrongSecret"}, "the secret key is not that of the access key; correct AWS_SECRET_ACCESS_KEY", id="s"
    ),
    pytest.param({"AWS_ACCESS_KEY_ID": "WRONGKEY"}, "it does not know this access key; correct AWS_ACCESS_KEY_ID", id="key"),
    pytest.param(
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:{free}"},
        "nobody answers there; see that the store runs and that AWS_ENDPOINT_URL names it",
        id="endpoint",
    ),
    pytest.param(
        {"AWS_ENDPOINT_URL": f"http://someone:{SECRET.replace('/', '')}@127.0.0.1:{{free}}"},
        "nobody answers there; see that the store runs and that AWS_ENDPOINT_URL names it",
        id="endpoint with a password",
    ),
    pytest.param({"AWS_ALLOW_HTTP": "perhaps"}, "one of its variables cannot be read; correct those that begin with AWS_", id="variable"),
    pytest.param(
        {"AWS_ALLOW_HTTP": "false"},
        "the endpoint is not encrypted; give an https:// address, or set AWS_ALLOW_HTTP=true",
        id="no encryption",
    ),
]


def ways_to_ask(lake: Lake, tmp_path) -> dict[str, object]:
    (tmp_path / "file").write_bytes(b"a file")
    return {
        "exists": lambda: lake.exists(UNIVERSE.key),
        "tables": lake.tables,
        "version": lambda: lake.version(UNIVERSE.key),
        "write": lambda: lake.write(UNIVERSE, UNIVERSE.empty()),
        "put": lambda: lake.place.put("_mart/file", tmp_path / "file"),
        "fetch": lambda: lake.place.fetch("_mart/file", tmp_path / "copy"),
    }


def refused(lake: Lake, tmp_path, *, only: tuple[str, ...] = ()) -> dict[str, InputError]:
    found = {}
    for name, ask in ways_to_ask(lake, tmp_path).items():
        if only and name not in only:
            continue
        with pytest.raises(InputError) as refusal:
            ask()
        found[name] = refusal.value
    return found


@pytest.mark.parametrize(("variables", "said"), FAULTS)
def test_what_a_store_refuses_is_one_line_with_its_mend_and_without_credentials(bucket, tmp_path, monkeypatch, variables, said):
    (free,) = free_ports(1)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(free=free))
    # Where nobody answers, each is tried for seconds.
    only = ("exists", "put") if "AWS_ENDPOINT_URL" in variables else ()
    for name, error in refused(Lake(f"{bucket}/lake"), tmp_path, only=only).items():
        assert str(error) == f"{bucket}/lake: the object store cannot be used: {said}.", name
        shown = "".join(traceback.format_exception(error))
        assert not [each for each in (ACCESS_KEY, SECRET, SECRET.replace("/", ""), "WrongSecret", "WRONGKEY") if each in shown], name


def test_a_bucket_that_is_not_there_is_refused(bucket, tmp_path):
    del bucket
    mend = "there is no such bucket; create it, or correct MECH_EXO_LAKE"
    for name, error in refused(Lake("s3://never-made/lake"), tmp_path).items():
        assert str(error) == f"s3://never-made/lake: the object store cannot be used: {mend}.", name


def test_without_credentials_the_variables_are_named(bucket, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    # Where a machine in a cloud would be given them.
    (free,) = free_ports(1)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free}")
    with pytest.raises(InputError) as refusal:
        Lake(bucket).exists(UNIVERSE.key)
    mend = "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    assert str(refusal.value) == f"{bucket}: the object store cannot be used: {mend}."


def test_a_failure_that_has_no_mend_of_its_own_is_told_without_secrets(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sig=quiet")
    body = f"<Error><Code>SlowDown</Code><Message>Reduce your rate,\n {SECRET}.</Message><Key>a</Key></Error>"
    assert (
        _shown(f"Generic S3 error\n  ↳ Error performing GET http://me:pass@host/b?X=1 in 2ms\n{body}") == "SlowDown: Reduce your rate, ***"
    )
    assert _shown("Generic S3 error\n  ↳ error from https://me:pass@host/b?sig=quiet after all") == "error from https://… after all"
    with pytest.raises(MechExoError) as refusal, Place("s3://bucket/lake").in_words():
        raise OSError(f"Generic S3 error\n{body}")
    assert not isinstance(refusal.value, InputError)
    assert str(refusal.value) == (
        "s3://bucket/lake: the object store failed (SlowDown: Reduce your rate, ***). Try again; tables are as they were before or after a "
        "commit."
    )
    assert SECRET not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize("error", [OSError("no space left on the device"), FileNotFoundError("gone")])
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error), match=str(error)), Place("s3://bucket/lake").in_words():
        raise error


def test_errors_of_a_folder_stay_what_they_are(tmp_path):
    with pytest.raises(OSError, match="Generic S3 error"), Place(tmp_path).in_words():
        raise OSError("Generic S3 error")


class _Forgetful(BaseHTTPRequestHandler):
    """Hands requests on to the store, but for the condition of a put."""

    upstream: str

    def _hand_on(self) -> None:
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"if-none-match", "host"}}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length", str(len(content))))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = _hand_on  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def forgetful(object_store, bucket, monkeypatch) -> Generator[str]:
    """URI of a bucket behind a server that ignores conditional puts; unsigned, since a signature would notice."""
    handler = type("Handler", (_Forgetful,), {"upstream": urlsplit(object_store.endpoint).netloc})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    yield "s3://open/forgetful"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_store_that_ignores_conditional_puts_gets_no_table(forgetful):
    lake = Lake(forgetful)
    with pytest.raises(InputError) as refusal:
        lake.write(UNIVERSE, UNIVERSE.empty())
    assert str(refusal.value) == (
        f"{forgetful}: the object store ignores conditional puts (If-None-Match), so that two writers would lose each other's commits; "
        "take one that honours them. Nothing was written."
    )
    assert lake.tables() == []


def test_a_store_is_tried_once(bucket, monkeypatch):
    import obstore

    names = []
    put = obstore.put
    monkeypatch.setattr(obstore, "put", lambda store, name, *rest, **how: names.append(name) or put(store, name, *rest, **how))
    lake = Lake(bucket)
    for schema in (UNIVERSE, UNIVERSE):
        lake.write(schema, schema.empty())
    lake.place.require_conditional_puts()
    assert len(names) == 2
    assert len(set(names)) == 1
    assert [each for page in obstore.list(obstore.store.from_url(bucket), "_mart") for each in page] == []
