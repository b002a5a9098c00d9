"""Who may ask: this machine's user, from the page itself, and no other site he has open.

The address has a token in it that nobody can guess. The Host must be the one that was printed, or
a name that an attacker's DNS server points here would do. What changes something must come from
the page, which another site cannot claim. And the page loads nothing from anywhere else.
"""

import hmac
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",  # unless the reply says otherwise, as images do
}


def new_token() -> str:
    """The part of the address that makes it secret."""
    return secrets.token_urlsafe(16)


def hosts(host: str, port: int) -> frozenset[str]:
    """What browsers may call this server: `host`, where it listens, and this machine's names."""
    names = {*LOOPBACK, f"[{host}]" if ":" in host else host.lower()}
    if host in ("0.0.0.0", "::"):
        names |= {socket.gethostname().lower(), *_addresses()}
    found = {f"{name}:{port}" for name in names}
    return frozenset(found | names if port == 80 else found)


def _addresses() -> Iterable[str]:
    """Those that the name of this machine has."""
    try:
        known = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return ()
    return [f"[{address}]" if ":" in address else address for address in known]


class Guarded:
    """An ASGI application that lets nobody else through to `app`; it has the paths of `app`."""

    def __init__(self, app: App, token: str, hosts: frozenset[str]):
        self._app, self._token, self._hosts = app, token, hosts

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # lifespan; there are no web sockets
            raise RuntimeError(f"{scope['type']} is not served")

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_policy(message.get("headers", ()))
            await send(message)

        if refusal := self._refusal(scope):
            await _refuse(secured, *refusal)
        else:
            inside = {**scope, "root_path": f"/{self._token}"}
            await self._app(inside, receive, secured)

    def _refusal(self, scope: Any) -> tuple[int, str] | None:
        """Status and reason; None where the request may pass."""
        host = _only(scope, b"host").lower()
        if host not in self._hosts:
            return 403, "this server has another name"
        if not self._knows_token(scope["path"]):
            return 404, "not found"
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST":
            return 405, "GET or POST"
        if _only(scope, b"origin").lower() != f"{scope['scheme']}://{host}":
            return 403, "only the page itself may ask this"
        if _only(scope, b"content-type").split(";")[0].strip().lower() != "application/json":
            return 415, "send application/json"
        return None

    def _knows_token(self, path: str) -> bool:
        first, slash, _ = path.removeprefix("/").partition("/")
        same = hmac.compare_digest(first.encode("utf-8", "replace"), self._token.encode())
        return same and bool(slash)


def _only(scope: Any, name: bytes) -> str:
    """The header's value; "" where it is not there, or there twice."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _with_policy(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    said = {key.lower() for key, _ in headers}
    return [*headers, *((key, value) for key, value in _HEADERS.items() if key not in said)]


async def _refuse(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": reason}).encode()})
