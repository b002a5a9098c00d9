"""The addresses of the review, below its token: the page, what it asks for, what it may change.

GET  /                        the page
GET  /page/NAME               its script and style sheet
GET  /api/classes, /api/overview?VIEW, /api/examples?class=K
GET  /api/item?VIEW&position=P&seek=here|open|skipped|back     or ?VIEW&row=R
GET  /image/ROW, /thumb/ROW, /image/twin/PLACE
POST /api/decide {"row": R, "decision": {"kind": "class", "class": K}}
     or of kind "none", "remove" or "skip"; with "before": a decision or null, refused where
     something else is decided by now
POST /api/undo {}                                              or {"undo": N}, N of the last reply

VIEW is any of order, group, given, suggested and verdict: see `items.View`.
"""

import json
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

import anyio
import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dull_jax.data.groups import GROUPS
from dull_jax.errors import UserError, reason
from dull_jax.report.blocks import clean
from dull_jax.review import replies
from dull_jax.review.items import ORDERS, VERDICTS, Items, View, seek, seek_back
from dull_jax.review.pictures import Encoded, NoPicture, Pictures
from dull_jax.review.session import SKIPPED, Session, Stale

_PAGE = pathlib.Path(__file__).with_name("page")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_MAX_BODY = 10_000  # bytes; a decision takes a hundred
_CACHED = {"cache-control": "private, max-age=3600"}


class _Review:
    """The replies, which share an audit."""

    def __init__(self, session: Session, name: str, command: str):
        self.session, self.name, self.audit = session, name, session.audit
        self.command = command
        self.items, self.pictures = Items(session.audit), Pictures(session.audit)
        # Fewer than there are threads: while pictures are decoded, decisions do not wait.
        self._decoders = anyio.CapacityLimiter(os.cpu_count() or 1)

    def page(self, request: Request) -> Response:
        text = (_PAGE / "review.html").read_text()
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        return HTMLResponse(environment.from_string(text).render(name=clean(self.name)))

    def part(self, request: Request) -> Response:
        parts = {path.name: path for path in _PAGE.iterdir() if path.suffix in _TYPES}
        path = parts.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404, "not found")
        return Response(path.read_bytes(), media_type=_TYPES[path.suffix])

    def classes(self, request: Request) -> Response:
        return _json({"classes": [clean(name) for name in self.audit.class_names]})

    def overview(self, request: Request) -> Response:
        view, state = self._view(request), self.session.state()
        return _json(replies.overview(self.items, view, state, self.name, self.command))

    def item(self, request: Request) -> Response:
        view, state = self._view(request), self.session.state()
        rows = self.items.rows(view)
        row: int | None
        if "row" in request.query_params:
            row = _number(request.query_params["row"], len(self.audit.given))
            position = next(iter((rows == row).nonzero()[0].tolist()), None)
        else:
            position = self._position(request, rows, state.labels)
            row = None if position is None else int(rows[position])
        item = None
        if row is not None:
            item = replies.item(self.items, view, row, position, state, self.pictures)
        return _json({"total": len(rows), "item": item})

    def _position(self, request: Request, rows: Any, labels: Any) -> int | None:
        start = _number(request.query_params.get("position", "0"))
        match request.query_params.get("seek", "here"):
            case "here":
                found = [start] if start < len(rows) else []
            case "open":
                found = seek(rows, labels, start)
            case "skipped":
                found = seek(rows, labels, start, SKIPPED)
            case "back":
                found = seek_back(rows, labels, start)
            case _:
                raise HTTPException(400, "seek is here, open, skipped or back")
        return found[0] if found else None

    def examples(self, request: Request) -> Response:
        number = _number(request.query_params.get("class", ""), len(self.audit.class_names))
        return _json({"rows": [row for row in self.audit.examples[number].tolist() if row >= 0]})

    async def image(self, request: Request) -> Response:
        return await self._picture(request, self.pictures.large, len(self.audit.given))

    async def thumb(self, request: Request) -> Response:
        return await self._picture(request, self.pictures.thumb, len(self.audit.given))

    async def twin(self, request: Request) -> Response:
        return await self._picture(request, self.pictures.twin, len(self.audit.listed))

    async def _picture(
        self, request: Request, take: Callable[[int], Encoded], count: int
    ) -> Response:
        number = _number(request.path_params["number"], count)
        found = await anyio.to_thread.run_sync(take, number, limiter=self._decoders)
        return Response(found.data, media_type=found.media_type, headers=_CACHED)

    async def decide(self, request: Request) -> Response:
        asked = await _body(request)
        row = asked.get("row")
        if type(row) is not int or not 0 <= row < len(self.audit.given):
            raise HTTPException(404, "there is no such row")
        try:
            label = replies.label(asked.get("decision"), len(self.audit.class_names))
            before = replies.before(asked, len(self.audit.class_names))
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        count = await run_in_threadpool(self.session.decide, row, label, before)
        return _json({"ok": True, "decision": replies.decision(label), "undo": count})

    async def undo(self, request: Request) -> Response:
        count = (await _body(request)).get("undo")
        if count is not None and type(count) is not int:
            raise HTTPException(400, "undo is how many decisions can be taken back")
        row = await run_in_threadpool(self.session.undo, count)
        return _json(await run_in_threadpool(self._undone, row))

    def _undone(self, row: int | None) -> dict[str, Any]:
        state = self.session.state()
        before = None if row is None else replies.decision(int(state.labels[row]))
        return {"row": row, "decision": before, "undo": len(state.history)}

    def _view(self, request: Request) -> View:
        asked = request.query_params
        order, group, verdict = (
            asked.get("order") or "p",
            asked.get("group", ""),
            asked.get("verdict", ""),
        )
        for name, value, known in (
            ("order", order, ORDERS),
            ("group", group, ("", *GROUPS)),
            ("verdict", verdict, VERDICTS),
        ):
            if value not in known:
                raise HTTPException(400, f"{name} is one of {', '.join(filter(None, known))}")
        numbers = {
            name: _number(asked[name], len(self.audit.class_names))
            for name in ("given", "suggested")
            if asked.get(name)
        }
        return View(order, group, verdict=verdict, **numbers)


def create(session: Session, name: str, command: str = "") -> Starlette:
    """The application. Nobody is kept out here: see `access.Guarded`.

    Args:
      name: of the audit, for the page.
      command: what is to be run when all is decided; "" where nothing is known.
    """
    review = _Review(session, name, command)
    gets = {
        "/": review.page,
        "/page/{name}": review.part,
        "/api/classes": review.classes,
        "/api/overview": review.overview,
        "/api/item": review.item,
        "/api/examples": review.examples,
        "/image/{number}": review.image,
        "/image/twin/{number}": review.twin,
        "/thumb/{number}": review.thumb,
    }
    posts = {"/api/decide": review.decide, "/api/undo": review.undo}
    routes = [Route(path, reply, methods=["GET"]) for path, reply in gets.items()]
    routes += [Route(path, reply, methods=["POST"]) for path, reply in posts.items()]
    app = Starlette(routes=routes, exception_handlers=_HANDLERS)
    app.router.redirect_slashes = False
    return app


def _number(text: str, count: int | None = None) -> int:
    """A number from 0 on; of so many rows or classes, if told."""
    if not re.fullmatch("[0-9]{1,10}", text):
        raise HTTPException(404 if count else 400, "not a number")
    if count is not None and int(text) >= count:
        raise HTTPException(404, "there is none of this number")
    return int(text)


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _MAX_BODY:
            raise HTTPException(413, "too long")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise HTTPException(400, "a JSON object is expected")
    return value


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def _failed(status: int) -> Callable[[Request, Exception], Response]:
    def reply(request: Request, error: Exception) -> Response:
        return _json({"error": reason(error)}, status)

    return reply


def _refused(request: Request, error: HTTPException) -> Response:
    return _json({"error": str(error.detail)}, error.status_code)


def _not_written(request: Request, error: OSError) -> Response:
    why = error.strerror or str(error)
    return _json({"error": f"nothing was written: {why}"}, 507)


def _stale(request: Request, error: Exception) -> Response:
    return _json({"error": "decisions were made or taken back elsewhere; look again"}, 409)


_HANDLERS: dict[Any, Any] = {
    HTTPException: _refused,
    UserError: _failed(409),  # the file of decisions was changed, and has become wrong
    Stale: _stale,
    OSError: _not_written,
    NoPicture: _failed(404),
}
