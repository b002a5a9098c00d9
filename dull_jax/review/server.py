"""The server of a review: at an address of its own, which it says."""

import socket
from typing import NamedTuple

import uvicorn

from dull_jax.errors import UserError
from dull_jax.review import access, app
from dull_jax.review.session import Session

_GRACE = 3  # seconds that a picture under way may take when the server ends


class Page(NamedTuple):
    """A server that listens; browsers wait until it is run."""

    session: Session
    address: str
    server: uvicorn.Server  # it ends where its `should_exit` is set
    socket: socket.socket

    def run(self) -> None:
        self.server.run(sockets=[self.socket])


def listening(
    session: Session, name: str, host: str = "127.0.0.1", port: int = 0, command: str = ""
) -> Page:
    """A server of the review.

    Args:
      name: of the audit, for the page.
      port: 0: one that is free.
      command: what the page names as the next one, when all is decided.

    Raises:
      UserError: the port or address cannot be had.
    """
    server = _socket(host, port)
    port, token = server.getsockname()[1], access.new_token()
    config = uvicorn.Config(
        access.Guarded(app.create(session, name, command), token, access.hosts(host, port)),
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return Page(session, f"http://{_named(host)}:{port}/{token}/", uvicorn.Server(config), server)


def _socket(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"--host={host} --port={port}: cannot listen there ({why})") from None


def _named(host: str) -> str:
    """As an address has it."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
