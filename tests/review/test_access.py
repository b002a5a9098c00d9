"""Nobody but the page itself, opened by its secret address, reads or decides anything."""

import re
import socket

import pytest

from review_client import Client, serving

POLICY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
DECISION = {"row": 1, "decision": {"kind": "none"}}


@pytest.fixture(autouse=True)
def nothing_is_decided(audit_folder):
    yield
    assert not (audit_folder / "decisions.csv").exists()


@pytest.mark.parametrize("path", ["", "page/x.js", "api/item", "image/1", "image/x", "thumb/999"])
def test_every_reply_has_the_policy(reader, path):
    for reply in (reader.get(path), reader.ask("HEAD", reader.root + path, {})):
        assert POLICY.items() <= reply.headers.items()
        assert not [name for name in reply.headers if name.startswith("access-control")]
        assert "server" not in reply.headers
        assert ("no-store" in reply.headers["cache-control"]) != (path == "image/1")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"])
def test_other_methods(reader, method):
    reply = reader.ask(method, reader.root + "api/decide", {"Origin": "http://evil.example"})
    assert reply.status == 405 and POLICY.items() <= reply.headers.items()
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_head_has_no_body(reader):
    reply = reader.ask("HEAD", reader.root + "api/classes", {})
    assert (reply.status, reply.body) == (200, b"")


def test_wrong_token(reader):
    right = reader.root.strip("/")
    wrong = ("", "/", "/x/", f"/{right[:-1]}/", f"/{right}x/", f"/{right.lower()}x/", f"/{right}",
             f"//{right}/", f"/api/item?{right}", "/%00/", "/%C3%A9/", "/%FF/")  # fmt: skip
    for path in wrong:
        reply = reader.ask("GET", path or "/", {})
        assert reply.status == 404 and reply.json == {"error": "not found"}, path
        assert POLICY.items() <= reply.headers.items()


def test_tokens_differ_and_are_long(audit_folder):
    with serving(audit_folder) as one, serving(audit_folder) as other:
        tokens = {page.address.split("/")[3] for page in (one, other)}
    assert len(tokens) == 2 and all(re.fullmatch(r"[\w-]{22}", token) for token in tokens)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", "0.0.0.0", "[::]"],
)
def test_another_name_of_the_server(reader, host):
    port = reader.host.split(":")[1]
    for named in {host, host if ":" in host else f"{host}.:{port}"}:
        assert reader.get("", Host=named).status == 403, named
        assert reader.post("api/undo", {}, Host=named, Origin=f"http://{named}").status == 403


def test_own_names_of_the_server(reader):
    port = reader.host.split(":")[1]
    for named in (f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        assert reader.get("", Host=named).status == 200
        undone = reader.post("api/undo", {}, Host=named, Origin=f"http://{named}")
        assert undone.json["row"] is None
    # An origin of this machine, and not of the page.
    assert reader.post("api/undo", {}, Origin=f"http://localhost:{port}").status == 403


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1", "http://127.0.0.1:1",
     "file://"],
)  # fmt: skip
def test_another_origin(reader, origin):
    for path, value in (("api/decide", DECISION), ("api/undo", {})):
        assert reader.post(path, value, Origin=origin).status == 403
    assert reader.post("api/undo", {}, Origin=reader.origin.replace("http", "https")).status == 403


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
             "text/plain; application/json"],
)  # fmt: skip
def test_what_a_form_can_send(reader, kind):
    assert reader.post("api/decide", DECISION, Content_Type=kind).status == 415


def test_get_changes_nothing(reader):
    for path in ("api/decide", "api/undo"):
        assert reader.get(path).status == 405
        assert reader.get(path, Origin=reader.origin).status == 405


@pytest.mark.parametrize(
    "path",
    ["image/../../../../etc/passwd", "image/%2e%2e/%2e%2e/etc/passwd", "image/..%2f..%2fetc",
     "page/../__main__.py", "page/%2e%2e/app.py", "page/..%2fapp.py", "page//etc/passwd", "page/.",
     "page/review.js%00.py", "page/", "image/", "image/twin/", "image/-1", "image/0x1",
     "image/1%00", "image/%31%2e", "image/%201", "image/%D9%A1"],
)  # fmt: skip
def test_tricks_with_paths(reader, path):
    reply = reader.get(path)
    assert reply.status == 404 and list(reply.json) == ["error"]


def raw(reader, text):
    """What comes back for these bytes."""
    name, port = reader.host.split(":")
    with socket.create_connection((name, int(port)), timeout=10) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))
        connection.settimeout(10)
        return connection.recv(65536).decode("latin-1")


def test_headers_that_come_twice_or_not_at_all(reader):
    start = f"GET {reader.root} HTTP/1.1\nConnection: close\n"
    assert " 200 " in raw(reader, f"{start}Host: {reader.host}\n\n")
    for hosts in ("", f"Host: {reader.host}\nHost: evil.example\n"):
        assert raw(reader, f"{start}{hosts}\n")[9:12] in ("400", "403")
    post = f"POST {reader.root}api/undo HTTP/1.1\nConnection: close\nHost: {reader.host}\n"
    post += "Content-Type: application/json\nContent-Length: 2\n"
    twice = f"Origin: {reader.origin}\nOrigin: http://evil.example\n"
    assert raw(reader, f"{post}{twice}\n{{}}")[9:12] == "403"


def test_no_web_socket(reader):
    reply = reader.get("", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13")
    assert reply.status == 200  # the page, as if nothing was asked


def test_absolute_address_of_another_site(reader):
    assert " 404 " in raw(reader, f"GET http://evil.example/ HTTP/1.1\nHost: {reader.host}\n\n")


def test_other_hosts_that_were_asked_for(audit_folder):
    with serving(audit_folder, host="0.0.0.0") as page:
        port = page.address.split(":")[2].split("/")[0]
        client = Client(f"http://127.0.0.1:{port}/{page.address.split('/')[3]}/")
        assert client.get().status == 200
        assert client.get(Host=f"{socket.gethostname()}:{port}").status == 200
        assert client.get(Host=f"evil.example:{port}").status == 403
