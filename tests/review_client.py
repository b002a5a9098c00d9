"""A review's server in a thread, and a client that sends what it is told to, valid or not."""

import http.client
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from dull_jax.audit import saved
from dull_jax.review.server import Page, listening
from dull_jax.review.session import Session


@contextmanager
def serving(folder, **where) -> Iterator[Page]:
    """A server of the audit in `folder`; its `address` ends with "/"."""
    page = listening(Session(saved.read(folder), folder / "decisions.csv"), "runs/a", **where)
    thread = threading.Thread(target=page.run)
    thread.start()
    try:
        yield page
    finally:
        page.server.should_exit = True
        thread.join()


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Of the page at `address`, which ends with "/"; paths begin below it."""

    def __init__(self, address: str):
        parts = urllib.parse.urlsplit(address)
        self.host, self.root, self.origin = parts.netloc, parts.path, f"http://{parts.netloc}"

    def get(self, path: str = "", **headers: str) -> Reply:
        return self.ask("GET", self.root + path, headers)

    def post(self, path: str, value: Any = None, **headers: str) -> Reply:
        """As the page would, unless `headers` say otherwise; "" leaves one out."""
        said = {"Origin": self.origin, "Content-Type": "application/json"}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", self.root + path, said, body)

    def decide(self, row: int, choice: int | str) -> Reply:
        """A class number, "none" or "skip"."""
        chosen = {"kind": choice} if isinstance(choice, str) else {"kind": "class", "class": choice}
        return self.post("api/decide", {"row": row, "decision": chosen})

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Reply:
        connection = http.client.HTTPConnection(self.host, timeout=20)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in ({"Host": self.host} | headers).items():
            if value:
                connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        reply = connection.getresponse()
        found = Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        connection.close()
        return found
